"""Which rows are deployed: those that a study recommends, and any other whose figures can be believed."""

from __future__ import annotations

from typing import Any, Optional

from dliflow.analysis import recommendation
from dliflow.analysis.columns import CONFIGURATION
from dliflow.analysis.recommendation import ASKED, UNKNOWN, Goal, Recommendation
from dliflow.analysis.rows import Row, Rows, key, usable
from dliflow.errors import DliflowError
from dliflow.report import answer
from dliflow.report.read import Tables
from dliflow.study import paths

POINT = (*CONFIGURATION, "node", "parameters", "batch_size")  # a row by what the path of its folder tells


def manifest(row: Row) -> str:
    """Where the manifest of a row's folder lies."""
    return paths.DEPLOYED.format(**row)


def recommended(of: Recommendation, goal: Optional[Goal]) -> dict[str, list[str]]:
    """For each recommended row of a setting its manifest, and for what it is recommended, in words."""
    return {
        manifest(one.row): [_reason(of, name, goal) for name in one.asked]
        for one in recommendation.recommended(of, goal)
    }


def loads(of: Recommendation, goal: Optional[Goal], row: Row) -> Rows:
    """The rows of throughput.csv for which a row is recommended, where it is for several requests in flight."""
    return [load for one in recommendation.recommended(of, goal) if one.row == row for load in one.loads]


def _reason(of: Recommendation, name: str, goal: Optional[Goal]) -> str:
    """For what it is recommended, and whether images and intervals are enough to say so."""
    outcome = of.answer(goal if goal is not None and name == "goal" else ASKED[name])
    doubt = " (as far as can be told)" if outcome is not None and outcome.answer == UNKNOWN else ""
    return f"{answer.REASONS[name]}{doubt}"


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
