"""Write the checksums of an environment's packages beside its file, so that no other file is ever installed for them.

An environment that has such a lock is made of files with these checksums only; one that has none, or one of other
versions (after an upgrade), is made without, and says so. The package index that uv or pip is configured for is asked,
and folders of wheels are not: their files may be builds of one's own.

PyTorch's builds for CPUs come from PyTorch's own index, or from where a user keeps them, and packages that go with them
(torchvision, torchao) have other files there than at the usual index. So beside such a build these stand in the lock
without checksums, and the log of an environment names them.
"""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Sequence
from pathlib import Path

from dliflow.commands import CHECKOUT
from dliflow.errors import DliflowError
from dliflow.fetching import uv
from dliflow.files import replacing
from dliflow.study import environments

PLAIN = ("--no-emit-index-url", "--no-emit-find-links", "--no-header", "--no-annotate", "--quiet")


OF_PYTORCH = re.compile(r"(pytorch-)?(torch|triton)")  # as packages of PyTorch's own index are called


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("names", nargs="*", help="of files in envs/, without .yaml; all of them when absent")


def without_checksums(packages: Sequence[str]) -> list[str]:
    """Those of an environment's pins whose files differ from index to index."""
    beside_cpu_build = any(pin.endswith("+cpu") for pin in packages)
    return [pin for pin in packages if beside_cpu_build and OF_PYTORCH.match(pin)]


def write(file: Path) -> Path:
    """Lock the packages of an environment file, each with the checksums of all of its files; returns the lock.

    Raises:
        DliflowError: when the index does not have them.
    """
    described = environments.read(file)
    without = without_checksums(described["packages"])
    with replacing(environments.lock(file)) as scratch:
        pins = scratch.with_name("pins.in")
        asked = [pin for pin in described["packages"] if pin not in without]
        pins.write_text("\n".join(asked) + "\n", encoding="utf-8")
        wanted = ["--no-deps", "--generate-hashes", "--python-version", described["python"]]
        result = uv.run("pip", "compile", *wanted, *PLAIN, "-o", str(scratch), str(pins), links=False)
        if result.returncode:
            raise DliflowError(f"{file}: its packages could not be looked up:\n{result.stderr.strip()}")
        with open(scratch, "a", encoding="utf-8") as stream:
            stream.writelines(f"{pin}\n" for pin in without)
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
