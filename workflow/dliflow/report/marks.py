"""Marks that several plots share: logarithmic axes, intervals, markers, one cell for all or one for each framework."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from dliflow.analysis.rows import Rows
from dliflow.report.canvas import PAPER, Look
from dliflow.report.conclusion import counted
from dliflow.report.missing import plain

CROWD = 8  # more series than this in one setting are shown framework by framework

Range = Optional[tuple[float, float]]


def explain(rows: Rows) -> str:
    """Why there is nothing to draw."""
    counts = counted(rows)
    reasons = [plain(row["reason"]) for row in rows if row["status"] == "failed"]
    reasons = reasons or [plain(row["reason"]) for row in rows if row["status"] != "ok"]
    if not rows:
        return "The table has no rows."
    most = " ".join(max(sorted(set(reasons)), key=reasons.count).split()) if reasons else ""
    numbers = f"{counts['failed']} failed, {counts['skipped']} skipped of {len(rows)} rows."
    return f"{numbers}\nMost often: {most[:150]}" if most else numbers


def without(rows: Rows) -> str:
    """How many rows are not in a figure, for its small print."""
    counts = counted(rows)
    left_out = [f"{counts[status]} {status}" for status in ("failed", "skipped") if counts[status]]
    return f"Not shown: {' and '.join(left_out)} of {len(rows)} rows; the report says why." if left_out else ""


def limits(middles: Sequence[float], intervals: Sequence[Range], reach: float = 1.5) -> tuple[float, float]:
    """Ends of a logarithmic axis: all middles, and of the intervals what lies within `reach` times their range."""
    low, high = min(middles), max(middles)
    lows = [max(pair[0], low / reach) for pair in intervals if pair]
    highs = [min(pair[1], high * reach) for pair in intervals if pair]
    return min([low, *lows]) / 1.12, max([high, *highs]) * 1.12


def log_axis(axis, low: float, high: float, most: int = 6) -> None:
    """Readable ticks on a logarithmic axis, however short it is.

    Args:
        most: spaces between them, where it spans less than a decade.
    """
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)) if high / low > 6 else MaxNLocator(most, steps=[1, 2, 5, 10]))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))


def bars(axes: Axes, marks: Sequence[tuple[float, float, float]], look: Look, upright: bool = True) -> None:
    """Intervals (place, low, high), upright or lying; a caret stands where one goes on beyond the axis."""
    if not marks:
        return
    place, low, high = (np.array(values, dtype=float) for values in zip(*marks))
    start, stop = axes.get_ylim() if upright else axes.get_xlim()
    draw = axes.vlines if upright else axes.hlines
    draw(place, np.maximum(low, start), np.minimum(high, stop), color=look.colour, lw=0.9)
    kinds = (
        ("_" if upright else "|", place, low, low >= start),
        ("_" if upright else "|", place, high, high <= stop),
        ("v" if upright else "<", place, np.full_like(place, start), low < start),
        ("^" if upright else ">", place, np.full_like(place, stop), high > stop),
    )
    for symbol, across, along, chosen in kinds:
        xy = (across[chosen], along[chosen]) if upright else (along[chosen], across[chosen])
        thick = 0.9 if symbol in "_|" else 0
        if chosen.any():
            axes.plot(*xy, symbol, color=look.colour, ms=3.6, mew=thick, clip_on=False)


def marker(look: Look, size: float = 4.5) -> dict:
    """Keywords of a marker of this look."""
    return {
        "marker": look.marker,
        "ms": size,
        "mew": 1.0,
        "color": look.colour,
        "fillstyle": look.filling,
        "markerfacecoloralt": PAPER,
    }


def legend(axes: Axes, drawn: Sequence, short: bool, lines: bool = False) -> None:
    """Names right of the axes, each with its marker, and its line where there is one."""
    handles = [
        Line2D(
            [],
            [],
            ls=item.look.line if lines else "",
            lw=1.3,
            label=item.short if short else item.name,
            **marker(item.look),
        )
        for item in drawn
    ]
    axes.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(1, 1),
        fontsize=7.5,
        frameon=False,
        handlelength=2.4 if lines else 1,
    )


def facets(drawn: Sequence, crowded: bool) -> list[tuple[str, list, list]]:
    """Cells of a setting: title, what stands out, what stays behind. One for all, or one for each framework."""
    if not crowded:
        return [("", list(drawn), [])]
    frameworks = list(dict.fromkeys(item.framework for item in drawn))
    return [
        (name, [item for item in drawn if item.framework == name], [item for item in drawn if item.framework != name])
        for name in frameworks
    ]
