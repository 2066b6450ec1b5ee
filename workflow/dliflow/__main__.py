"""The command line: `python -m dliflow NAME ...`; NAME is a file in `commands/`, for people, or in `stages/`.

Only the chosen module is imported, so that a measurement loads nothing that it does not need.
"""

from __future__ import annotations

import argparse
import errno
import importlib
import os
import signal
import sys

from dliflow import commands, progress, stages
from dliflow.errors import DliflowError
from dliflow.version import __version__

ABOUT = (
    "Find the framework, precision and batch size to deploy an image classifier with, measured on this machine.\n"
    "A study is run by Snakemake: .venv/bin/snakemake --cores 1 all. These commands help with it."
)


def front(argv: list[str]) -> int:
    """Answer `--help` and `--version`; anything else is an error."""
    parser = argparse.ArgumentParser(
        prog="dliflow",
        usage="dliflow COMMAND ...",
        description=ABOUT,
        epilog=f"commands:\n{commands.listing(commands)}\n\n'dliflow COMMAND --help' tells more of each.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=__version__)
    parser.parse_args(argv)
    parser.error("a command has to come first")


def unknown(name: str) -> str:
    """What to say of a name that is neither a command nor a stage."""
    import difflib  # here, since measuring processes do not need it

    close = difflib.get_close_matches(name, [*commands.names(commands), *commands.names(stages)], n=1)
    hint = f"did you mean '{close[0]}'?" if close else f"there are {', '.join(commands.names(commands))}."
    return f"unknown command '{name}'; {hint} 'dliflow --help' tells what they do"


def main(argv: list[str] | None = None) -> int:
    """Run one command or stage; returns the exit status (2 for an error that the user can act on)."""
    argv = sys.argv[1:] if argv is None else argv
    if not argv or argv[0].startswith("-"):
        return front(argv or ["--help"])
    name = argv[0]
    package = next((package for package in (commands, stages) if name in commands.names(package)), None)
    if package is None:
        print(f"dliflow: error: {unknown(name)}", file=sys.stderr, flush=True)
        return 2
    try:
        module = importlib.import_module(f"{package.__name__}.{name}")
        raw = argparse.RawDescriptionHelpFormatter
        parser = argparse.ArgumentParser(prog=f"dliflow {name}", description=module.__doc__, formatter_class=raw)
        module.arguments(parser)
        return module.run(parser.parse_args(argv[1:])) or 0
    except KeyboardInterrupt:
        if package is stages:  # its log tells where it was
            raise
        print(f"\ndliflow {name}: stopped", file=sys.stderr, flush=True)
        return 128 + signal.SIGINT
    except Exception as error:
        full = any(os.strerror(number) in str(error) for number in (errno.ENOSPC, errno.EDQUOT))  # also in C++'s words
        denied = package is commands and isinstance(error, PermissionError)
        if not full and not denied and not isinstance(error, DliflowError):
            progress.tell_reason(f"{type(error).__name__}: {error}")
            raise
        again = "; make room and type the same again: it goes on where it stopped"
        reason = f"the disk is full: {error}{again}" if full else str(error)
        progress.tell_reason(reason)
        print(f"dliflow {name}: error: {reason}", file=sys.stderr, flush=True)
        return 2


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # All files are written. Leaving without the frameworks' own teardown saves a second for some of them, and a crash
    # in it cannot spoil a finished measurement.
    os._exit(status)
