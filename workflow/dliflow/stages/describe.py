"""Ask a library for its known networks, and what it tells of some; runs in the library's own environment."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

from dliflow import libraries
from dliflow.errors import DliflowError
from dliflow.files import write_json


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--library", required=True, help="a file in workflow/dliflow/libraries")
    parser.add_argument(
        "--network", nargs="*", default=[], help="names of networks; those it does not have are left out"
    )
    parser.add_argument("--every", action="store_true", help="all of them")
    parser.add_argument("--out", type=Path, required=True, help="JSON: names, described, problems")


def described(library: str, networks: list[str]) -> dict[str, dict[str, Any]]:
    """What the library tells of each network, and by name what is wrong where there is no entry."""
    answers: dict[str, dict[str, Any]] = {"described": {}, "problems": {}}
    for network in networks:
        try:
            answers["described"][network] = asdict(libraries.load(library).describe(network))
        except DliflowError as error:
            answers["problems"][network] = str(error)
    return answers


def run(args: argparse.Namespace) -> None:
    """Write its answers."""
    names = libraries.load(args.library).names()
    asked = names if args.every else [name for name in args.network if name in names]
    write_json(args.out, {"names": names, **described(args.library, asked)})
