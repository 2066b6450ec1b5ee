"""Write the checksums of an environment's packages beside its file, so that no other file is ever installed for them.

An environment that has such a lock is made of files with these checksums only; one that has none, or one of other
versions (after an upgrade), is made without, and says so. The package index that uv or pip is configured for is asked,
and folders of wheels are not: their files may be builds of one's own. PyTorch's CPU builds are looked up at its index.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from dliflow.commands import CHECKOUT
from dliflow.errors import DliflowError
from dliflow.fetching import uv
from dliflow.files import replacing
from dliflow.study import environments

PLAIN = ("--no-emit-index-url", "--no-emit-find-links", "--no-header", "--no-annotate", "--quiet")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("names", nargs="*", help="of files in envs/, without .yaml; all of them when absent")


def write(file: Path) -> Path:
    """Lock the packages of an environment file, each with the checksums of all of its files; returns the lock.

    Raises:
        DliflowError: when the index does not have them.
    """
    described = environments.read(file)
    with replacing(environments.lock(file)) as scratch:
        pins = scratch.with_name("pins.in")
        pins.write_text("\n".join(described["packages"]) + "\n", encoding="utf-8")
        builds = ["--torch-backend", "cpu"] if any(pin.endswith("+cpu") for pin in described["packages"]) else []
        wanted = ["--no-deps", "--generate-hashes", "--python-version", described["python"], *builds]
        result = uv.run("pip", "compile", *wanted, *PLAIN, "-o", str(scratch), str(pins), links=False)
        if result.returncode:
            raise DliflowError(f"{file}: its packages could not be looked up:\n{result.stderr.strip()}")
    return environments.lock(file)


def run(args: argparse.Namespace) -> None:
    """Lock them, one after another.

    Raises:
        DliflowError: for a name that is unknown, or packages that the index does not have.
    """
    os.chdir(CHECKOUT)
    every = sorted(path.stem for path in Path("envs").glob("*.yaml"))
    for name in args.names or every:
        if name not in every:
            raise DliflowError(f"there is no envs/{name}.yaml; there are {', '.join(every)}")
        print(write(Path(f"envs/{name}.yaml")), flush=True)
