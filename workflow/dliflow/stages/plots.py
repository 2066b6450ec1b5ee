"""Draw the plots from the tables."""

from __future__ import annotations

import argparse
from pathlib import Path

from dliflow.records import marks
from dliflow.report import plots, read
from dliflow.study import paths


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--tables", type=Path, default=Path(paths.RESULTS, "tables"), help="folder of the CSV tables")
    parser.add_argument("--mark", type=Path, help="written last")
    parser.add_argument("--out", type=Path, default=Path(paths.PLOTS), help="folder")


def run(args: argparse.Namespace) -> None:
    """Write each figure as SVG and as PNG."""
    plots.draw(read.tables(args.tables), args.out)
    if args.mark is not None:
        marks.write(args.mark, [args.tables / f"{name}.csv" for name in read.Tables._fields])
