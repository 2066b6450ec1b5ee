"""Write what container images are built of, from the files in envs/: one for each environment, and one of all of them.

All are those that are named; without names the newest version of each framework. Nothing is built: the last lines say
what to type. docs/containers.md tells the rest.

Exit status: 0 when they were written, 2 when there is no environment of a name.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from dliflow.commands import CHECKOUT
from dliflow.errors import DliflowError
from dliflow.files import write_text
from dliflow.study import containers, paths

ALL = "all"
ELSEWHERE = ("dliflow", "null")  # the orchestrator's own pins for conda; what only tests need


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="of files in envs/, without .yaml; without names all but NAME@VERSION"
    )
    parser.add_argument("--out", type=Path, default=Path(paths.CONTAINERS), help="folder, in the checkout")


def named(names: list[str]) -> list[Path]:
    """The environment files of these names, or one for each framework and library, relative to the checkout.

    Raises:
        DliflowError: when there is no such file.
    """
    known = {file.stem: file for file in sorted(Path("envs").glob("*.yaml"))}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise DliflowError(f"envs/{unknown[0]}.yaml: there is no such file. Right would be: {', '.join(known)}")
    usual = [file for name, file in known.items() if name not in ELSEWHERE and "@" not in name]
    return [known[name] for name in names] or usual


def run(args: argparse.Namespace) -> None:
    """Write the files, and say how images are built."""
    os.chdir(CHECKOUT)
    files = named(args.names)
    for name, of in {**{file.stem: [file] for file in files}, ALL: files}.items():
        write_text(args.out / f"{name}.Containerfile", containers.containerfile(of))
    print(f"{args.out}: {', '.join(file.stem for file in files)}; and {ALL}. To build, in {CHECKOUT}:")
    print("  podman build -t dliflow -f containers/Containerfile .")
    print(f"  podman build -t dliflow-{ALL} -f {args.out / f'{ALL}.Containerfile'} .")
