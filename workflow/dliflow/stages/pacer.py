"""The pacer, which other stages start: a fixed piece of work that tells how fast the machine is just now."""

from __future__ import annotations

import argparse

from dliflow.measuring import pacer


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare no options: it is the same for all."""


def run(args: argparse.Namespace) -> None:
    """Answer requests until the input ends."""
    pacer.serve()
