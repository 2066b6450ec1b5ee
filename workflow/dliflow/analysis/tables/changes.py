"""changes.csv: what another version changed, after an upgrade in place and between versions side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Optional

import pandas as pd

from dliflow import frameworks
from dliflow.analysis import baselines, changes, stats
from dliflow.analysis.tables import accuracy, agreement, measurements, parity, performance, shared, throughput
from dliflow.records import earlier, record

SETS = ("performance", "measurements", "throughput", "accuracy")  # the tables whose rows are set against others
COMPARED = (*SETS, "comparison")  # and the one that tells of what was measured together


class Versions(NamedTuple):
    """Other versions that have measured what a study measures."""

    before: dict[str, Any]
    """The plan of what the environments before today's left."""
    beside: list[dict[str, str]]
    """For each version beside a newer one of its framework: by its name that of the newest."""

    @property
    def any(self) -> bool:
        """Whether there are some."""
        return bool(self.before["sweep"] or self.beside)


def versions(study_plan: dict[str, Any]) -> Versions:
    """Those of a study."""
    return Versions(earlier.plan(study_plan), _side_by_side(study_plan))


def rows(
    study_plan: dict[str, Any], of: Versions, tables: Mapping[str, shared.Rows], models: dict[str, Any]
) -> shared.Rows:
    """What is another one than it was with the environment before today's, and than it is in older versions beside it.

    Args:
        tables: the rows of today's `COMPARED`, by the table's name; needed where there are other versions.
        models: for each model what `plan.described` tells.
    """
    table: shared.Rows = []
    if of.before["sweep"]:
        old = _tables(of.before, models)
        table += changes.changes(old, tables, tables["comparison"], paired(study_plan, of.before, {}))
    for renamed in of.beside:
        together = paired(study_plan, study_plan, renamed)
        old, new = (_of(tables, names) for names in (renamed, renamed.values()))
        table += changes.changes(old, new, tables["comparison"], together, renamed)
    return sorted(table, key=lambda row: changes.rank(row["verdict"]))


def _tables(before: dict[str, Any], models: dict[str, Any]) -> dict[str, shared.Rows]:
    """The rows of what an older environment left."""
    parity_rows, sessions, swept = parity.rows(before), list[shared.Row](), performance.Swept()
    for measured in measurements.read(before):
        swept.add(measured)
        sessions += measured.rows
    return {
        "performance": swept.rows(parity_rows),
        "measurements": sessions,
        "throughput": throughput.rows(before, parity_rows, swept.bursts),
        "accuracy": accuracy.rows(before, parity_rows, models),
    }


def _of(tables: Mapping[str, shared.Rows], names: Iterable[str]) -> dict[str, shared.Rows]:
    """The rows of some frameworks."""
    wanted = set(names)
    return {name: [row for row in tables[name] if row["framework"] in wanted] for name in SETS}


def _side_by_side(study_plan: dict[str, Any]) -> list[dict[str, str]]:
    """For each version beside a newer one of its framework: by its name that of the newest."""
    lines: dict[str, list[str]] = {}
    for name in dict.fromkeys(row["framework"] for row in study_plan["parity"]):
        lines.setdefault(frameworks.line(name), []).append(name)
    ordered = [sorted(names, key=frameworks.age) for names in lines.values()]
    return [{name: newest} for *older, newest in ordered for name in older]


def paired(study_plan: dict[str, Any], before: dict[str, Any], renamed: Mapping[str, str]) -> dict[tuple, shared.Row]:
    """What the same images tell of both sides, by the configuration in the new one, as `changes.changes` takes it.

    Which images keep their class the images without labels tell, where there are some: these are more.

    Args:
        before: the plan of the old side.
        renamed: for a framework of it the name in the new one; without any all of them.
    """
    together: dict[tuple, shared.Row] = {}
    kinds: dict[str, Callable[[pd.DataFrame, pd.DataFrame], shared.Row]] = {"accuracy": _labelled}
    for stage, told in {**kinds, "agreement": _unlabelled}.items():
        old = {}
        for row in before[stage]:
            name = renamed.get(row["framework"], None if renamed else row["framework"])
            old[shared.values({**row, "framework": name})] = row
        for planned in study_plan[stage]:
            key = shared.values(planned)
            sides = [_predictions(row) for row in (planned, old[key])] if key in old else [None, None]
            new_one, old_one = sides
            if new_one is not None and old_one is not None and baselines.differing(new_one, old_one) is None:
                together.setdefault(key, {}).update(told(new_one, old_one))
    return together


def _predictions(planned: shared.Row) -> Optional[pd.DataFrame]:
    """The classes that an evaluation gave; None where there is none that is well."""
    figures = shared.figures(record.outcome(planned))
    return baselines.predictions(Path(planned["record"]).with_name(figures["predictions"])) if figures else None


def _labelled(new: pd.DataFrame, old: pd.DataFrame) -> shared.Row:
    change = accuracy.change(new, old)
    low, high = stats.share_interval(change["agreement"] * len(new), len(new))
    return {**change, **_same(change["agreement"], low, high, len(new))}


def _unlabelled(new: pd.DataFrame, old: pd.DataFrame) -> shared.Row:
    known = agreement.between(new, old)
    share, low, high = (known[f"unlabelled_agreement{end}"] for end in ("", "_ci_low", "_ci_high"))
    return _same(share, low, high, len(new))


def _same(share: float, low: float, high: float, images: int) -> shared.Row:
    return {"same_class": share, "same_class_ci_low": low, "same_class_ci_high": high, "same_class_images": images}
