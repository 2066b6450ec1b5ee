"""Which rows are deployed: those that a study recommends, and any other whose figures can be believed."""

from __future__ import annotations

from typing import Any

from dliflow.analysis.columns import CONFIGURATION
from dliflow.analysis.ranking import Ranking
from dliflow.analysis.rows import Row, key, usable
from dliflow.errors import DliflowError
from dliflow.report import conclusion
from dliflow.report.read import Tables
from dliflow.study import paths

POINT = (*CONFIGURATION, "node", "parameters", "batch_size")  # a row by what the name of its folder tells, and its node


def manifest(row: Row) -> str:
    """Where the manifest of a row's folder lies."""
    return paths.DEPLOYED.format(**row)


def recommended(tables: Tables) -> dict[str, list[str]]:
    """For each row that is best in something: its manifest, and in what."""
    chosen: dict[str, list[str]] = {}
    for ranking in conclusion.ranked(tables).values():
        for what, best in (("lowest latency", ranking.lowest_latency), ("highest FPS", ranking.highest_fps)):
            chosen.setdefault(manifest(_first(ranking, best.size)), []).append(what)
    return chosen


def _first(ranking: Ranking, size: int) -> Row:
    return ranking.sizes[size][0].row


def row_of(tables: Tables, point: dict[str, Any]) -> Row:
    """The row of performance.csv that is to be deployed.

    Args:
        point: its values of `POINT`.

    Raises:
        DliflowError: when there is none, or none with figures; with the reason.
    """
    wanted = key(point, POINT)
    rows = [row for row in tables.performance if key(row, POINT) == wanted]
    name = " ".join(str(value) for value in wanted)
    if not rows:
        raise DliflowError(
            f"{name}: the study has no such row; results/tables/performance.csv has those that there are"
        )
    if not usable(rows):
        raise DliflowError(f"{name}: {rows[0]['status']}, so there is nothing to deploy: {rows[0]['reason']}")
    return usable(rows)[0]
