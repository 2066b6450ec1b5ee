"""Top-1 against latency, with the Pareto front."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dliflow.report import canvas, names
from dliflow.report.canvas import FAINT, MUTED, PAPER, Block, Look, Sheet
from dliflow.report.conclusion import grouped, usable
from dliflow.report.curves import LATENCY, interval_of
from dliflow.report.marks import CROWD, Range, bars, explain, facets, limits, log_axis, marker, without
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


def near_labels(axes: Axes, points: list[Point], texts: list[str]) -> None:
    """Names beside the points, at the first free place around each; a thin line leads to those further off."""
    inches = canvas.inches(axes)
    to_axes = axes.transAxes.inverted()
    spots = [to_axes.transform(axes.transData.transform((one.x, one.y))) * inches for one in points]
    taken = [(x - 0.05, y - 0.05, x + 0.05, y + 0.05) for x, y in spots]
    for one, (x, _) in zip(points, spots):
        low, high = (
            to_axes.transform(axes.transData.transform((one.x, end)))[1] for end in one.upright or (one.y, one.y)
        )
        taken.append((x - 0.02, low * inches[1], x + 0.02, high * inches[1]))
    for one, text, (x, y) in zip(points, texts, spots):
        size = 0.062 * len(text) + 0.03
        box = free_place(x, y, size, 0.13, taken, inches)
        taken.append(box)
        left, middle = box[0], (box[1] + box[3]) / 2
        anchor = min(max(x, left), box[2])
        if abs(anchor - x) + abs(middle - y) > 0.25:
            ends = ([x / inches[0], anchor / inches[0]], [y / inches[1], middle / inches[1]])
            axes.plot(
                *ends, color=one.look.colour, lw=0.5, alpha=0.7, transform=axes.transAxes, clip_on=False, zorder=2
            )
        place = (left / inches[0], middle / inches[1])
        back = {"facecolor": PAPER, "edgecolor": "none", "pad": 0.4, "alpha": 0.8}
        axes.text(*place, text, transform=axes.transAxes, va="center", fontsize=7, bbox=back, zorder=4)


def free_place(x: float, y: float, width: float, height: float, taken: list[tuple], inches) -> tuple:
    """The box nearest to a point that meets none of those taken; the last one tried when all do."""
    box = (0.0, 0.0, 0.0, 0.0)
    for distance in np.arange(0.1, 2.4, 0.08):
        for sign in (1, -1):
            for side in (1, -1):
                left = x + (0.08 if side > 0 else -0.08 - width)
                bottom = y + sign * distance - height / 2
                box = (left, bottom, left + width, bottom + height)
                inside = left >= -0.1 and bottom >= 0 and box[3] <= inches[1] + 0.15 and box[2] <= inches[0] + 1.0
                if inside and not any(overlap(box, other) for other in taken):
                    return box
    return box


def overlap(a: tuple, b: tuple) -> bool:
    """Whether two boxes (left, bottom, right, top) meet."""
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


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
    near_labels(axes, drawn, [one.short if short else one.name for one in drawn])


def tradeoff(tables: Tables) -> Figure:
    """Top-1 against latency at the smallest batch size of each setting, with the Pareto front."""
    quality = {
        key(row, CONFIGURATION): row for row in tables.accuracy if row["status"] == "ok" and row["top1"] is not None
    }
    rows, looks, found = usable(tables.performance), canvas.looks(tables.performance), []
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
    columns, right = (canvas.columns_for(blocks), 0.55) if crowded else (1, 1.2)
    width = (canvas.WIDTH / columns if crowded else 9.2) - Sheet(1, 0, 0).left - right
    sheet = Sheet(columns, width, 2.1 if crowded else 3.6, right=right)
    figure, axes = canvas.grid(sheet, blocks)
    for parts, places in zip(cells, axes):
        for (_, drawn, context), one in zip(parts, places):
            scatter(one, drawn, context, short=crowded)
            one.set_xlabel("Latency, ms")
            one.set_ylabel("Top-1, %")
    note = "Rings on the dotted line: Pareto front of all frameworks, by the estimates. Bars: 95 % intervals."
    canvas.footnote(figure, " ".join(filter(None, (note, without(tables.accuracy)))))
    return figure
