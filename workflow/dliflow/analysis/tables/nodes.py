"""nodes.csv: what each point takes on each further node, over what it takes on the study's first one.

Nodes are measured apart, so this is the ratio of two estimates, each at its own node's reference state, and once more
as measured. Their errors are independent: half widths of their logarithms add in squares. What no interval holds is how
well the states that a study met stand for those that a machine has at other times.
"""

from __future__ import annotations

from typing import Any, Optional

from dliflow.analysis import columns, intervals
from dliflow.analysis.rows import Row, Rows, grouped

SAME_POINT = tuple(name for name in columns.POINT if name != "node")
FASTER, SLOWER, TIE = "faster", "slower", "no difference shown"


def rows(performance: Rows) -> Rows:
    """One row for each point on each node beyond the first that has figures for it.

    Args:
        performance: rows of performance.csv.
    """
    good = (row for row in performance if row["status"] == "ok" and row.get("latency_reference_ms"))
    return [
        {**other, **against(other, first)} for first, *others in grouped(good, SAME_POINT).values() for other in others
    ]


def against(row: Row, first: Row) -> dict[str, Any]:
    """The columns of one row over another one, of the same point on another node."""
    ratio = quotient(row, first, "latency_reference_ms", "latency_reference_ci_{}_ms")
    measured = quotient(row, first, "latency_p50_ms", "latency_ci_{}_ms")
    same_work = row["anchor_threads"] == first["anchor_threads"]
    return {
        "against": first["node"],
        "against_cpu": first["cpu"],
        "against_version": first["framework_version"],
        "against_reference_ms": first["latency_reference_ms"],
        "against_p50_ms": first["latency_p50_ms"],
        **named("ratio", *ratio),
        **named("measured_ratio", *measured),
        "anchor_ratio": row["reference_anchor_ms"] / first["reference_anchor_ms"] if same_work else None,
        "verdict": verdict(ratio, measured),
    }


def named(name: str, ratio: float, low: Optional[float], high: Optional[float]) -> dict[str, Optional[float]]:
    """A ratio and its interval as columns."""
    return {name: ratio, f"{name}_ci_low": low, f"{name}_ci_high": high}


def quotient(row: Row, first: Row, name: str, ends: str) -> tuple[float, Optional[float], Optional[float]]:
    """The ratio of a figure of both rows, and its 95 % interval; None for the ends where one of them has none.

    Args:
        ends: pattern of the names of the columns with the ends of the figure's interval.
    """
    ratio = row[name] / first[name]
    sides = [(each[ends.format("low")], each[ends.format("high")]) for each in (row, first)]
    interval = intervals.ratio_interval(ratio, *(None if None in side else side for side in sides))
    return ratio, *(interval or (None, None))


def verdict(*ratios: tuple[float, Optional[float], Optional[float]]) -> str:
    """Whether the node is shown to be faster than the first one at this point: by all of these ratios and intervals."""
    shown = {_shown(low, high) for _, low, high in ratios}
    return shown.pop() if len(shown) == 1 else TIE


def _shown(low: Optional[float], high: Optional[float]) -> str:
    if low is None or high is None or low <= 1 <= high:
        return TIE
    return FASTER if high < 1 else SLOWER
