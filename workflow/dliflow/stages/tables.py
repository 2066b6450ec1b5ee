"""Make the tables of all records that the study's plan asks for."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from dliflow import version
from dliflow.analysis import columns
from dliflow.analysis.tables import (
    accuracy,
    comparison,
    distributions,
    measurements,
    parity,
    performance,
    profile,
    rounds,
    shared,
    throughput,
    tuning,
)
from dliflow.errors import DliflowError
from dliflow.files import replacing, write_json
from dliflow.records import marks
from dliflow.runs import unfinished
from dliflow.study import paths, plan


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--study", type=json.loads, required=True, help="JSON: the deciding part of the config")
    parser.add_argument("--models", type=json.loads, required=True, help="JSON: for each model what the plan knows")
    parser.add_argument(
        "--environments", type=json.loads, required=True, help="JSON: of each the marker and the digest"
    )
    parser.add_argument("--about", type=json.loads, required=True, help="JSON: what the report tells of the study")
    parser.add_argument("--unfinished", type=Path, help="JSON: what a run that failed did not make; not without one")
    parser.add_argument("--mark", type=Path, help="written when every row has what today's configuration made")
    parser.add_argument("--out", type=Path, default=Path(paths.RESULTS, "tables"), help="folder")


def make(study_plan: dict[str, Any], models: dict[str, Any]) -> dict[str, shared.Rows]:
    """The rows of all tables, by the table's name.

    Args:
        models: for each model what `plan.described` tells.
    """
    parity_rows = parity.rows(study_plan)
    measured = measurements.read(study_plan)
    return {
        "parity": parity_rows,
        "accuracy": accuracy.rows(study_plan, parity_rows, models),
        "performance": performance.rows(measured, parity_rows),
        "measurements": measured.rows,
        "comparison": comparison.rows(study_plan, parity_rows),
        "rounds": rounds.rows(study_plan),
        "profile": profile.rows(study_plan),
        "distributions": distributions.rows(measured),
        "throughput": throughput.rows(study_plan, parity_rows, measured),
        "tuning": tuning.rows(study_plan, parity_rows),
    }


def run(args: argparse.Namespace) -> None:
    """Write all tables, and the mark.

    Raises:
        DliflowError: when there is to be a mark, but rows failed although all jobs ended well: their records were
            damaged since. The tables are written all the same.
    """
    known = args.environments
    study_plan = plan.build(args.study, args.models, lambda name: known[name][0], lambda name: known[name][1])
    if args.unfinished is not None:
        study_plan = unfinished.with_reasons(study_plan, unfinished.read(args.unfinished))
    tables = make(study_plan, args.models)
    for name in columns.TABLES:
        with replacing(args.out / f"{name}.csv") as scratch:
            shared.frame(tables[name], name).to_csv(scratch, index=False, float_format="%.6g", lineterminator="\n")
    environments = {name: digest for name, (_, digest) in known.items()}
    about = {"dliflow": version.__version__, "method": version.METHOD, "environments": environments, **args.about}
    write_json(args.out / Path(paths.ABOUT).name, about)
    if args.mark is not None:
        explained = ("parity", "accuracy", "measurements", "comparison", "tuning", "throughput", "profile")
        rows = (row for name in explained for row in tables[name])
        reasons = dict.fromkeys(row["reason"] for row in rows if row["status"] == "failed")
        if reasons:
            raise DliflowError("\n".join(reasons))
        marks.write(args.mark, [path for stage in study_plan for path in plan.records(study_plan, stage)])
