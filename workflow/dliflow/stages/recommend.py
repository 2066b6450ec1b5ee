"""Tell which rows of a finished study are recommended, and so deployed."""

from __future__ import annotations

import argparse
from pathlib import Path

from dliflow.analysis.recommendation import Goal
from dliflow.deployment import choice
from dliflow.files import write_json
from dliflow.report import answer, read
from dliflow.study import paths


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--tables", type=Path, default=Path(paths.RESULTS, "tables"), help="folder of the CSV tables")
    parser.add_argument("--goal", type=Goal.of, help="JSON: what of the config's goal is set")
    parser.add_argument("--out", type=Path, default=Path(paths.RECOMMENDED), help="JSON")


def run(args: argparse.Namespace) -> None:
    """Write the manifest of each such row's folder, and for what the row is recommended."""
    settings = answer.recommendations(read.tables(args.tables)).values()
    write_json(args.out, {name: why for of in settings for name, why in choice.recommended(of, args.goal).items()})
