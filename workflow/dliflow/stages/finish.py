"""The end of a run: after failures make tables, plots and report of what there is; print the summary."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from pathlib import Path

from dliflow import paths


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--failed", action="store_true", help="jobs failed; -- and the options of `tables` follow")
    parser.add_argument("tables", nargs=argparse.REMAINDER)


def make(stage: str, options: list[str]) -> None:
    """Run a reporting stage in this process."""
    module = importlib.import_module(f"dliflow.stages.{stage}")
    parser = argparse.ArgumentParser(prog=f"dliflow {stage}")
    module.arguments(parser)
    module.run(parser.parse_args(options))


def run(args: argparse.Namespace) -> None:
    """Make what is missing, and print the summary on the terminal, last."""
    if args.failed:
        if not any(Path(paths.RESULTS, "logs").rglob("*.failed.json")):
            return  # no job of ours failed: Snakemake has said what did
        make("tables", args.tables[1:])
        make("plots", [])
        make("report", [])
        for path in (*paths.TABLES.values(), *paths.PLOT_FILES, paths.REPORT, paths.SUMMARY):
            os.utime(path, (0, 0))  # outdated for the next run, which makes them anew
    if Path(paths.SUMMARY).exists():
        print("\n" + Path(paths.SUMMARY).read_text(encoding="utf-8"), file=sys.stderr, flush=True)
