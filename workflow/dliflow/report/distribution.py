"""The distribution behind a row: a histogram of its requests, and its sessions over time with the anchor beside them.

Drawn without matplotlib, in a few hundred bytes each, since a page has one for every row.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from markupsafe import Markup, escape

from dliflow.analysis.columns import POINT
from dliflow.analysis.rows import Row, Rows, grouped, key
from dliflow.report import names, units
from dliflow.report.read import Tables

WIDTH, HEIGHT = 640, 132
LEFT, RIGHT = (8, 300), (360, 632)  # of both panels, across
TOP, BOTTOM = 10, 100  # of both, down
REACH = 4.0  # times the median: longer requests end at the edge of the second panel


class Details(NamedTuple):
    """What opens below a row."""

    anchor: str
    drawing: Markup
    warnings: str
    """In full."""
    records: list[str]


def details(tables: Tables) -> list[Details]:
    """Of every row of performance.csv that has figures."""
    bins = {key(row, POINT): row for row in tables.distributions}
    sessions = grouped((row for row in tables.measurements if row["latency_p50_ms"] is not None), POINT)
    opened = []
    for row in tables.performance:
        point = key(row, POINT)
        if row["status"] == "ok" and point in sessions:
            drawing = drawn(row, bins.get(point), sessions[point])
            records = list(dict.fromkeys(one["record"] for one in sessions[point] if one["record"]))
            opened.append(Details(names.anchor(row), drawing, row["warnings"] or "", records))
    return opened


def drawn(row: Row, bins: Row | None, sessions: Rows) -> Markup:
    """Both panels.

    Args:
        row: of performance.csv.
        bins: of distributions.csv; none where the table is older than that.
        sessions: of measurements.csv.
    """
    ordered = sorted(sessions, key=lambda one: one["started_at"] or "")
    middle = units.significant(row["latency_p50_ms"])
    spoken = f"{row['requests']} requests in {len(ordered)} sessions, median {middle} ms"
    parts = [histogram(bins) if bins else "", series(row, ordered)]
    return Markup(
        f'<svg class="small-plot" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(spoken)}">'
        f"{''.join(parts)}</svg>"
    )


def histogram(bins: Row) -> str:
    """The durations of all requests."""
    counts = [int(count) for count in bins["counts"].split()]
    start, stop = LEFT
    width, tallest = (stop - start) / len(counts), max(counts)
    steps = [f"M{start} {BOTTOM}"]
    for count in counts:
        steps.append(f"V{BOTTOM - (BOTTOM - TOP) * count / tallest:.1f}h{width:.2f}")
    end = bins["low_ms"] + bins["bin_ms"] * len(counts)
    beyond = f"; {bins['beyond']} more, up to {units.significant(bins['latency_max_ms'])}" if bins["beyond"] else ""
    return (
        f'<path class="filled" d="{"".join(steps)}V{BOTTOM}Z"/>'
        + text(start, BOTTOM + 12, units.significant(bins["low_ms"]))
        + text(stop, BOTTOM + 12, units.significant(end), "end")
        + text(start, BOTTOM + 26, f"ms, {bins['requests']:,} requests; highest bar {tallest:,}{beyond}")
    )


def series(row: Row, sessions: Rows) -> str:
    """Each session: its median, the range of its requests, and the anchor beside it, all over what is usual."""
    start, stop = RIGHT
    middle, anchor = row["latency_p50_ms"], row["reference_anchor_ms"]
    medians = [one["latency_p50_ms"] / middle for one in sessions]
    lows = [(one["latency_min_ms"] or one["latency_p50_ms"]) / middle for one in sessions]
    highs = [(one["latency_max_ms"] or one["latency_p50_ms"]) / middle for one in sessions]
    anchors = [one["anchor_ms"] / anchor for one in sessions if one["anchor_ms"] and anchor]
    bottom = min([*lows, *anchors, 0.9])
    top = min(max([*highs, *anchors, 1.1]), max([*medians, *anchors, REACH / 1.2]) * 1.2)
    scale = (BOTTOM - TOP) / math.log(top / bottom)

    def y(value: float) -> float:
        return BOTTOM - scale * math.log(min(value, top) / bottom)

    step = (stop - start) / len(sessions)
    x = [start + step * (index + 0.5) for index in range(len(sessions))]
    bars = "".join(f"M{place:.1f} {y(low):.1f}V{y(high):.1f}" for place, low, high in zip(x, lows, highs))
    dots = "".join(f"M{place - 2:.1f} {y(value):.1f}h4" for place, value in zip(x, medians))
    return (
        f'<path class="grid" d="M{start} {y(1):.1f}H{stop}"/><path class="thin" d="{bars}"/>'
        f'<path class="thick" d="{dots}"/>{beside(x, anchors, y)}'
        + text(start - 4, y(1) + 4, units.significant(middle), "end")
        + text(start, BOTTOM + 12, (sessions[0]["started_at"] or "")[:16].replace("T", " "))
        + text(stop, BOTTOM + 12, (sessions[-1]["started_at"] or "")[:16].replace("T", " "), "end")
        + text(start, BOTTOM + 26, "each session: median, range; dotted: the anchor")
    )


def beside(x: Sequence[float], anchors: Sequence[float], y: Callable[[float], float]) -> str:
    """The anchor's line."""
    if len(anchors) != len(x):
        return ""
    line = "L".join(f"{place:.1f} {y(value):.1f}" for place, value in zip(x, anchors))
    return f'<path class="anchor" d="M{line}"/>'


def text(x: float, y: float, words: str, at: str = "start") -> str:
    """Small print."""
    return f'<text x="{x:.4g}" y="{y:.4g}" text-anchor="{at}">{escape(words)}</text>'
