"""Make the tables of all records that the study's plan asks for."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TextIO

from dliflow import version
from dliflow.analysis import columns, strain
from dliflow.analysis.tables import (
    accuracy,
    changes,
    comparison,
    distributions,
    measurements,
    nodes,
    parity,
    performance,
    profile,
    rounds,
    shared,
    throughput,
    tuning,
)
from dliflow.errors import DliflowError
from dliflow.files import read_json, replacing, write_json
from dliflow.records import marks, record
from dliflow.runs import unfinished
from dliflow.study import paths, plan

EXPLAINED = ("parity", "accuracy", "measurements", "comparison", "tuning", "throughput", "profile")  # why rows failed
PIECE = 1000  # rows that are written at a time


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--study",
        type=Path,
        required=True,
        help="JSON: `study`, the deciding part of the config; `models`, what the plan knows of each; `environments`, "
        "of each the marker and the digest; `about`, what the report tells of the study",
    )
    parser.add_argument("--unfinished", type=Path, help="JSON: what a run that failed did not make; not without one")
    parser.add_argument("--mark", type=Path, help="written when every row has what today's configuration made")
    parser.add_argument("--out", type=Path, default=Path(paths.RESULTS, "tables"), help="folder")


def make(study_plan: dict[str, Any], models: dict[str, Any]) -> Iterator[tuple[str, shared.Rows]]:
    """The rows of all tables piece by piece, each with the table's name; what they are made of is let go in between.

    Args:
        models: for each model what `plan.described` tells.
    """
    parity_rows = parity.rows(study_plan)
    yield "parity", parity_rows
    yield "accuracy", accuracy.rows(study_plan, parity_rows, models)
    swept = performance.Swept()
    for measured in measurements.read(study_plan):
        swept.add(measured)
        yield "measurements", measured.rows
        yield "distributions", distributions.rows(measured)
    best = swept.best
    for planned in study_plan["compare"]:
        best = strain.best_states(rounds.of_one(planned, record.latest(planned)), best)
    differing = comparison.differing(parity_rows)
    states = {node: swept.reference(node) for node in {planned["node"] for planned in study_plan["compare"]}}
    for planned in study_plan["compare"]:
        outcome = record.latest(planned)
        swept.add_rounds(planned, rounds.undisturbed(planned, outcome, best))
        yield "comparison", comparison.of_one(planned, outcome, differing, best, states[planned["node"]])
        yield "rounds", rounds.of_one(planned, outcome)
    performance_rows = swept.rows(parity_rows, best)
    yield "performance", performance_rows
    yield "nodes", nodes.rows(performance_rows)
    yield "profile", profile.rows(study_plan)
    yield "throughput", throughput.rows(study_plan, parity_rows, swept.bursts, best)
    yield "tuning", tuning.rows(study_plan, parity_rows, best)


def with_changes(
    pieces: Iterable[tuple[str, shared.Rows]], study_plan: dict[str, Any], models: dict[str, Any]
) -> Iterator[tuple[str, shared.Rows]]:
    """All pieces, and what changed behind them. Rows are kept only where another version has measured the same."""
    versions = changes.versions(study_plan)
    kept: dict[str, shared.Rows] = {name: [] for name in changes.COMPARED}
    for name, rows in pieces:
        if versions.any and name in kept:
            kept[name] += rows
        yield name, rows
    yield "changes", changes.rows(study_plan, versions, kept, models)


class Writer:
    """A table's file, to which pieces are added."""

    def __init__(self, table: str, stream: TextIO):
        self._table, self._stream, self._waiting = table, stream, list[shared.Row]()
        self._write([], header=True)

    def add(self, rows: shared.Rows) -> None:
        """Add rows; few of them wait for others, since a frame takes a while."""
        self._waiting += rows
        if len(self._waiting) >= PIECE:
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        self._write(self._waiting, header=False)
        self._waiting = []

    def _write(self, rows: shared.Rows, header: bool) -> None:
        frame = shared.frame(rows, self._table)
        frame.to_csv(self._stream, header=header, index=False, float_format="%.6g", lineterminator="\n")


def write(pieces: Iterable[tuple[str, shared.Rows]], folder: Path) -> dict[str, None]:
    """Write all tables, and tell the reasons of the rows that failed, each once."""
    reasons: dict[str, None] = {}
    with contextlib.ExitStack() as files:
        writers = {}
        for name in columns.TABLES:
            scratch = files.enter_context(replacing(folder / f"{name}.csv"))
            stream = files.enter_context(open(scratch, "w", newline="", encoding="utf-8"))
            writers[name] = Writer(name, stream)
        for name, rows in pieces:
            writers[name].add(rows)
            if name in EXPLAINED:
                reasons |= dict.fromkeys(row["reason"] for row in rows if row["status"] == "failed")
        for writer in writers.values():
            writer.flush()
    return reasons


def run(args: argparse.Namespace) -> None:
    """Write all tables, and the mark.

    Raises:
        DliflowError: when there is to be a mark, but rows failed although all jobs ended well: their records were
            damaged since. The tables are written all the same.
    """
    given = read_json(args.study)
    known = given["environments"]
    study_plan = plan.build(given["study"], given["models"], lambda name: known[name][0], lambda name: known[name][1])
    if args.unfinished is not None:
        study_plan = unfinished.with_reasons(study_plan, unfinished.read(args.unfinished))
    pieces = with_changes(make(study_plan, given["models"]), study_plan, given["models"])
    reasons = write(pieces, args.out)
    environments = {name: digest for name, (_, digest) in known.items()}
    about = {"dliflow": version.__version__, "method": version.METHOD, "environments": environments}
    write_json(args.out / Path(paths.ABOUT).name, {**about, **given["about"]})
    if args.mark is not None:
        if reasons:
            raise DliflowError("\n".join(reasons))
        marks.write(args.mark, [path for stage in study_plan for path in plan.records(study_plan, stage)])
