"""The command line: `python -m dliflow STAGE ...`, one subcommand for each file in `stages/`.

Only the chosen stage is imported, so that a measurement loads nothing that it does not need.
"""

from __future__ import annotations

import argparse
import importlib
import os
import pkgutil
import sys

from dliflow import stages
from dliflow.errors import DliflowError
from dliflow.version import __version__


def main(argv: list[str] | None = None) -> int:
    """Run one stage; returns the exit status (2 for an error that the user can act on)."""
    argv = sys.argv[1:] if argv is None else argv
    names = sorted(module.name for module in pkgutil.iter_modules(stages.__path__))
    if not argv or argv[0] not in names:
        parser = argparse.ArgumentParser(prog="dliflow", description=__doc__.splitlines()[0])
        parser.add_argument("--version", action="version", version=__version__)
        parser.add_argument("stage", choices=names, help="what to do; STAGE --help tells more")
        parser.parse_args(argv or ["--help"])
        return 2
    stage = importlib.import_module(f"dliflow.stages.{argv[0]}")
    parser = argparse.ArgumentParser(prog=f"dliflow {argv[0]}", description=stage.__doc__)
    stage.arguments(parser)
    try:
        return stage.run(parser.parse_args(argv[1:])) or 0
    except DliflowError as error:
        print(f"dliflow {argv[0]}: error: {error}", file=sys.stderr, flush=True)
        return 2


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # All files are written. Leaving without the frameworks' own teardown saves a second for some of them, and a crash
    # in it cannot spoil a finished measurement.
    os._exit(status)
