"""Top-1 against latency, with the Pareto front."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dliflow.analysis.ranking import Standing
from dliflow.analysis.rows import Row, key
from dliflow.report import canvas, names
from dliflow.report.canvas import FAINT, MUTED, Block, Look
from dliflow.report.conclusion import ranked
from dliflow.report.marks import CROWD, Range, bars, explain, facets, legend, limits, log_axis, marker, without
from dliflow.report.read import CONFIGURATION, SETTING, Tables


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


def points_of(standings: Sequence[Standing], quality: dict[tuple, Row], looks: dict[tuple, Look]) -> list[Point]:
    """Those that have both figures."""
    points = []
    for standing in standings:
        row = standing.row
        good = quality.get(key(row, CONFIGURATION))
        if good is None:
            continue
        low, high = good["top1_ci_low"], good["top1_ci_high"]
        upright = None if low is None or high is None else (low * 100, high * 100)
        look = looks[canvas.look_key(row)]
        text = (names.configuration(row), names.configuration(row, framework=False), row["framework"])
        points.append(
            Point(*text, look, standing.latency.value, good["top1"] * 100, standing.latency.interval, upright)
        )
    return points


def front(points: Sequence[Point]) -> list[Point]:
    """The Pareto front, from the fastest on: nothing else is at least as fast and more accurate, or the reverse."""
    best, unbeaten = float("-inf"), []
    for point in sorted(points, key=lambda point: (point.x, -point.y, point.name)):
        if point.y > best:
            unbeaten.append(point)
            best = point.y
    return unbeaten


def scatter(axes: Axes, drawn: list[Point], context: list[Point]) -> None:
    """One cell without its legend: points with both intervals, the front of all of them dotted behind."""
    both = [*drawn, *context]
    low, high = limits([point.x for point in both], [point.across for point in both], 1.3)
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    log_axis(axes.xaxis, low, high)
    tops = [value for point in both for value in (point.y, *(point.upright or ()))]
    margin = max(0.5, 0.12 * (max(tops) - min(tops)))
    axes.set_ylim(min(tops) - margin, min(max(tops) + margin, 100.5))
    axes.grid(True)
    best = front(both)
    steps = [point.x for point in best]
    axes.step(
        [*steps, high], [*(point.y for point in best), best[-1].y], where="post", ls=":", lw=1, color=MUTED, zorder=1
    )
    axes.plot(steps, [point.y for point in best], "o", ms=9, mew=0.8, mfc="none", mec=MUTED, zorder=2)
    axes.plot([point.x for point in context], [point.y for point in context], "o", ms=3, mew=0, color=FAINT, zorder=1)
    for point in drawn:
        bars(axes, [(point.x, *point.upright)] if point.upright else [], point.look)
        bars(axes, [(point.y, *point.across)] if point.across else [], point.look, upright=False)
        axes.plot([point.x], [point.y], ls="", zorder=3, **marker(point.look, 5))
    axes.set_xlabel("Latency at the reference state, ms")
    axes.set_ylabel("Top-1, %")


def of_settings(tables: Tables) -> dict[tuple, tuple[int, list[Point]]]:
    """The smallest batch size of each setting that has points, and these; by the values of `SETTING`."""
    quality = {
        key(row, CONFIGURATION): row for row in tables.accuracy if row["status"] == "ok" and row["top1"] is not None
    }
    looks, settings = canvas.looks(tables), {}
    for setting, one in ranked(tables).items():
        size = min(one.sizes)
        points = points_of(one.sizes[size], quality, looks)
        if points:
            settings[setting] = size, points
    return settings


def tradeoff(tables: Tables) -> Figure:
    """Top-1 against latency at the smallest batch size of each setting, with the Pareto front."""
    settings = [
        (f"{names.setting(dict(zip(SETTING, setting)))} · batch size {size}", points)
        for setting, (size, points) in of_settings(tables).items()
    ]
    if not settings:
        return canvas.blank(explain(tables.accuracy if ranked(tables) else tables.performance))
    crowded = max(len(points) for _, points in settings) > CROWD
    cells = [facets(points, crowded) for _, points in settings]
    blocks = [Block(title, [cell[0] for cell in parts]) for (title, _), parts in zip(settings, cells)]
    heights = [2.1 if crowded else 3.6] * len(blocks)
    columns = canvas.columns_for(blocks) if crowded else 1
    blocks, left_out = canvas.fitting(blocks, heights, columns)
    figure, axes = canvas.grid(blocks, heights, columns)
    for parts, places in zip(cells, axes):
        for (_, drawn, context), cell_axes in zip(parts, places):
            scatter(cell_axes, drawn, context)
            legend(cell_axes, sorted(drawn, key=lambda point: point.x), short=crowded)
    note = "Rings on the dotted line: Pareto front of all frameworks, by the estimates. Bars: 95 % intervals."
    canvas.footnote(figure, " ".join(filter(None, (note, left_out, without(tables.accuracy)))))
    return figure
