"""Write for the terminal what the profiles say."""

from __future__ import annotations

import argparse
from pathlib import Path

from dliflow.analysis.tables import profile
from dliflow.files import write_text
from dliflow.report import operators


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--records", nargs="+", required=True, help="of the profiles")
    parser.add_argument("--out", type=Path, required=True)


def run(args: argparse.Namespace) -> None:
    """Write it."""
    rows = [row for path in args.records for row in profile.of_record(path)]
    write_text(args.out, operators.text(rows))
