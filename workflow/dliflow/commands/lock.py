"""Write the checksums of an environment's packages beside its file, so that no other file is ever installed for them.

An environment that has such a lock is made of files with these checksums only; one that has none, or one of other
versions (after an upgrade), is made without, and says so. The package index that uv or pip is configured for is asked.
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


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("names", nargs="*", help="of files in envs/, without .yaml; all of them when absent")


def write(file: Path) -> None:
    """Lock the packages of an environment file, for every platform that they have files for.

    Raises:
        DliflowError: when the index does not have them.
    """
    described = environments.read(file)
    target = environments.lock(file)
    with replacing(target) as scratch:
        pins = scratch.with_name("pins.in")
        pins.write_text("\n".join(described["packages"]) + "\n", encoding="utf-8")
        given = [
            "--no-deps",
            "--generate-hashes",
            "--python-version",
            described["python"],
            "--output-file",
            str(scratch),
        ]
        kept = ["--no-emit-index-url", "--no-emit-find-links", "--no-header", "--no-annotate", "--no-strip-markers"]
        result = uv.run("pip", "compile", "--quiet", *given, *kept, str(pins))
        if result.returncode and any(pin.endswith("+cpu") for pin in described["packages"]):
            result = uv.run("pip", "compile", "--quiet", *given, *kept, "--torch-backend", "cpu", str(pins))
        if result.returncode:
            raise DliflowError(f"{file}: its packages could not be looked up:\n{result.stderr.strip()}")


def run(args: argparse.Namespace) -> None:
    """Lock them, one after another."""
    os.chdir(CHECKOUT)
    every = sorted(path.stem for path in Path("envs").glob("*.yaml"))
    for name in args.names or every:
        if name not in every:
            raise DliflowError(f"there is no envs/{name}.yaml; there are {', '.join(every)}")
        write(Path(f"envs/{name}.yaml"))
        print(environments.lock(Path(f"envs/{name}.yaml")), flush=True)
