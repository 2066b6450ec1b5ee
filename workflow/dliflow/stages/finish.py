"""The end of a run that failed or was stopped: tables, plots and report of what there is, without their marks."""

from __future__ import annotations

import argparse
import importlib
import shlex
import sys
import traceback
from pathlib import Path

from dliflow.errors import DliflowError
from dliflow.records import marks
from dliflow.study import paths


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--unfinished", required=True, help="JSON: what the run did not make")
    parser.add_argument("--report", default="", help="the options of `report`, as one text")
    parser.add_argument("--stage", action="append", choices=[*paths.PAGES], help="one to make; all when absent")
    parser.add_argument("tables", nargs=argparse.REMAINDER, help="-- and the options of `tables`")


def make(stage: str, options: list[str]) -> None:
    """Run a reporting stage in this process."""
    module = importlib.import_module(f"dliflow.stages.{stage}")
    parser = argparse.ArgumentParser(prog=f"dliflow {stage}")
    module.arguments(parser)
    module.run(parser.parse_args(options))


def run(args: argparse.Namespace) -> int:
    """Make what can be made; returns 1 when something could not, which leaves no older file in its place."""
    stages = args.stage or [*paths.PAGES]
    pages = [path for stage in stages for path in paths.PAGES[stage]]
    marks.remove([*paths.MARKS.values(), *pages])
    options = {"tables": [*args.tables[1:], "--unfinished", args.unfinished], "report": shlex.split(args.report)}
    for stage in stages:
        try:
            make(stage, options.get(stage, []))
        except Exception as error:  # whatever it is, the others are still wanted, and what failed is told last
            if not isinstance(error, DliflowError):
                log = Path(paths.log(f"finish-{stage}"))
                log.parent.mkdir(parents=True, exist_ok=True)
                log.write_text(traceback.format_exc(), encoding="utf-8")
                error = DliflowError(f"{type(error).__name__}: {error}; its traceback is {log}")
            print(f"dliflow finish: {stage}: {error}", file=sys.stderr, flush=True)
            return 1
    return 0
