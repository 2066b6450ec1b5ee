"""Make the tables of all records that the study's plan asks for."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pandas as pd

from dliflow.analysis import tables
from dliflow.errors import DliflowError
from dliflow.files import replacing
from dliflow.records import marks
from dliflow.runs import unfinished
from dliflow.study import paths, plan


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--study", type=json.loads, required=True, help="JSON: the deciding part of the config")
    parser.add_argument("--models", type=json.loads, required=True, help="JSON: for each model what the plan knows")
    parser.add_argument("--environments", type=json.loads, required=True, help="JSON: for each framework its marker")
    parser.add_argument("--unfinished", type=Path, help="JSON: what a run that failed did not make; not without one")
    parser.add_argument("--mark", type=Path, help="written when every row has what today's configuration made")
    parser.add_argument("--out", type=Path, default=Path(paths.RESULTS, "tables"), help="folder")


def _write(table: pd.DataFrame, path: Path) -> None:
    with replacing(path) as scratch:
        table.to_csv(scratch, index=False, float_format="%.6g", lineterminator="\n")


def run(args: argparse.Namespace) -> None:
    """Write all tables, and the mark.

    Raises:
        DliflowError: when there is to be a mark, but rows failed although all jobs ended well: their records were
            damaged since. The tables are written all the same.
    """
    study_plan = plan.build(args.study, args.models, args.environments.__getitem__)
    if args.unfinished is not None:
        study_plan = unfinished.with_reasons(study_plan, unfinished.read(args.unfinished))
    parity = tables.parity(study_plan)
    accuracy = tables.accuracy(study_plan, parity, args.models)
    measurements, samples = tables.measurements(study_plan)
    performance = tables.performance(measurements, samples, parity)
    _write(tables.frame(parity, tables.PARITY), args.out / "parity.csv")
    _write(tables.frame(accuracy, tables.ACCURACY), args.out / "accuracy.csv")
    _write(tables.frame(performance, tables.PERFORMANCE), args.out / "performance.csv")
    _write(tables.frame(measurements, tables.MEASUREMENTS), args.out / "measurements.csv")
    comparison = tables.comparison(study_plan, parity)
    _write(tables.frame(comparison, tables.COMPARISON), args.out / "comparison.csv")
    _write(tables.frame(tables.rounds(study_plan), tables.ROUNDS), args.out / "rounds.csv")
    if args.mark is not None:
        rows = (*parity, *accuracy, *measurements, *comparison)
        reasons = dict.fromkeys(row["reason"] for row in rows if row["status"] == "failed")
        if reasons:
            raise DliflowError("\n".join(reasons))
        marks.write(args.mark, [path for stage in study_plan for path in plan.records(study_plan, stage)])
