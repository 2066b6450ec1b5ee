"""Which rows are deployed: those that a study recommends, and any other whose figures can be believed."""

from __future__ import annotations

import json
from typing import Any, Optional

from dliflow.analysis import recommendation
from dliflow.analysis.columns import CONFIGURATION
from dliflow.analysis.recommendation import ASKED, LATENCY, UNKNOWN, Goal, Recommendation
from dliflow.analysis.rows import Row, key, usable
from dliflow.errors import DliflowError
from dliflow.report import answer, cost
from dliflow.report.read import Tables
from dliflow.study import paths

POINT = (*CONFIGURATION, "node", "parameters", "batch_size")  # a row by what the name of its folder tells, and its node


def goal(text: str) -> Goal:
    """Of a command line: JSON of what of the config's goal is set."""
    return Goal(**json.loads(text))


def manifest(row: Row) -> str:
    """Where the manifest of a row's folder lies."""
    return paths.DEPLOYED.format(**row)


def recommended(tables: Tables, goal: Optional[Goal]) -> dict[str, list[str]]:
    """For each recommended row its manifest, and for what it is recommended, in words."""
    chosen: dict[str, list[str]] = {}
    for of in answer.recommendations(tables).values():
        for one in recommendation.recommended(of, goal):
            reasons = [_in_words(of, name, goal) for name in one.asked]
            chosen.setdefault(manifest(one.row), []).extend(reasons)
    return chosen


def _in_words(of: Recommendation, name: str, goal: Optional[Goal]) -> str:
    """`the lowest latency with at most 1 % of top-1 lost`."""
    asked = goal if goal is not None and name == "goal" else ASKED[name]
    bounds = {
        "at batch size {}": asked.batch_size,
        "within {} ms": asked.latency_ms,
        "with at most {} of top-1 lost": asked.loss and cost.percent(asked.loss),
        "with another class for at most {} of images": asked.disagreement and cost.percent(asked.disagreement),
    }
    words = [f"the {answer.OBJECTIVES[asked.objective or LATENCY]}"]
    words += [text.format(value) for text, value in bounds.items() if value is not None]
    outcome = of.answer(asked)
    doubt = ", as far as can be told" if outcome is not None and outcome.answer == UNKNOWN else ""
    return " ".join(words) + doubt


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
