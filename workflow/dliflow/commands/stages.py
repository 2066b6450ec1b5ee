"""List the stages of the workflow, which Snakemake runs."""

from __future__ import annotations

import argparse

from dliflow import stages
from dliflow.commands import listing


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options: there are none, and the help is all there is to tell."""
    parser.epilog = (
        f"stages:\n{listing(stages)}\n\n"
        "A stage runs in the environment of a framework. The first line of each log in results/logs is the command;\n"
        "typed in the checkout, it does the same again. './dliflow STAGE --help' lists a stage's options."
    )
    parser.set_defaults(format_help=parser.format_help)


def run(args: argparse.Namespace) -> None:
    """Print them."""
    print(args.format_help(), end="")
