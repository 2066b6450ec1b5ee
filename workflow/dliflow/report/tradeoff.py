"""Top-1 against latency, with the Pareto front."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dliflow.report import canvas, names
from dliflow.report.canvas import FAINT, MUTED, Block, Look
from dliflow.report.conclusion import grouped, usable
from dliflow.report.curves import LATENCY, interval_of
from dliflow.report.marks import CROWD, Range, bars, explain, facets, legend, limits, log_axis, marker, without
from dliflow.report.read import CONFIGURATION, SETTING, Row, Rows, Tables, key


class Point(NamedTuple):
    """One configuration's latency and top-1 in percent."""

    name: str
    short: str
    framework: str
    look: Look
    x: float
    y: float
    across: Range
    upright: Range


def points_of(rows: Rows, quality: dict[tuple, Row], looks: dict[tuple, Look]) -> list[Point]:
    """Those of a setting that have both figures."""
    found = []
    for row in rows:
        good = quality.get(key(row, CONFIGURATION))
        if good is None:
            continue
        low, high = good["top1_ci_low"], good["top1_ci_high"]
        upright = None if low is None or high is None else (low * 100, high * 100)
        look = looks[canvas.look_key(row)]
        text = (names.configuration(row), names.configuration(row, framework=False), row["framework"])
        found.append(Point(*text, look, row["latency_p50_ms"], good["top1"] * 100, interval_of(row, LATENCY), upright))
    return found


def front(points: Sequence[Point]) -> list[Point]:
    """The Pareto front, from the fastest on: nothing else is at least as fast and more accurate, or the reverse."""
    best, found = float("-inf"), []
    for point in sorted(points, key=lambda point: (point.x, -point.y, point.name)):
        if point.y > best:
            found.append(point)
            best = point.y
    return found


def scatter(axes: Axes, drawn: list[Point], context: list[Point], short: bool) -> None:
    """One cell: points with both intervals, the front of all of them dotted behind."""
    both = [*drawn, *context]
    low, high = limits([one.x for one in both], [one.across for one in both], 1.3)
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    log_axis(axes.xaxis, low, high)
    tops = [value for one in both for value in (one.y, *(one.upright or ()))]
    margin = max(0.5, 0.12 * (max(tops) - min(tops)))
    axes.set_ylim(min(tops) - margin, min(max(tops) + margin, 100.5))
    axes.grid(True)
    best = front(both)
    steps = [one.x for one in best]
    axes.step([*steps, high], [*(one.y for one in best), best[-1].y], where="post", ls=":", lw=1, color=MUTED, zorder=1)
    axes.plot(steps, [one.y for one in best], "o", ms=9, mew=0.8, mfc="none", mec=MUTED, zorder=2)
    axes.plot([one.x for one in context], [one.y for one in context], "o", ms=3, mew=0, color=FAINT, zorder=1)
    for one in drawn:
        bars(axes, [(one.x, *one.upright)] if one.upright else [], one.look)
        bars(axes, [(one.y, *one.across)] if one.across else [], one.look, upright=False)
        axes.plot([one.x], [one.y], ls="", zorder=3, **marker(one.look, 5))
    legend(axes, sorted(drawn, key=lambda one: one.x), short)


def tradeoff(tables: Tables) -> Figure:
    """Top-1 against latency at the smallest batch size of each setting, with the Pareto front."""
    quality = {
        key(row, CONFIGURATION): row for row in tables.accuracy if row["status"] == "ok" and row["top1"] is not None
    }
    rows, looks, found = usable(tables.performance), canvas.looks(tables), []
    for own in grouped(rows, SETTING).values():
        size = min(row["batch_size"] for row in own)
        points = points_of([row for row in own if row["batch_size"] == size], quality, looks)
        if points:
            found.append((f"{names.setting(own[0])} · batch size {size}", points))
    if not found:
        return canvas.blank(explain(tables.performance if not rows else tables.accuracy))
    crowded = max(len(points) for _, points in found) > CROWD
    cells = [facets(points, crowded) for _, points in found]
    blocks = [Block(title, [cell[0] for cell in parts]) for (title, _), parts in zip(found, cells)]
    heights = [2.1 if crowded else 3.6] * len(blocks)
    figure, axes = canvas.grid(blocks, heights, canvas.columns_for(blocks) if crowded else 1)
    for parts, places in zip(cells, axes):
        for (_, drawn, context), one in zip(parts, places):
            scatter(one, drawn, context, short=crowded)
            one.set_xlabel("Latency, ms")
            one.set_ylabel("Top-1, %")
    note = "Rings on the dotted line: Pareto front of all frameworks, by the estimates. Bars: 95 % intervals."
    canvas.footnote(figure, " ".join(filter(None, (note, without(tables.accuracy)))))
    return figure
