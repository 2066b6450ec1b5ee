"""Tell where the Python that runs this is, for jobs that start processes of another environment, which conda made."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from dliflow.files import write_json


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--out", type=Path, required=True)


def run(args: argparse.Namespace) -> None:
    """Write its path."""
    write_json(args.out, {"python": sys.executable})
