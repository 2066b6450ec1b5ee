"""FPS over batch size."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from dliflow.analysis.ranking import Ranking
from dliflow.report import canvas, names
from dliflow.report.canvas import FAINT, Block, Look
from dliflow.report.conclusion import ranked
from dliflow.report.marks import CROWD, Range, bars, explain, facets, legend, limits, log_axis, marker, without
from dliflow.report.read import Tables


class Series(NamedTuple):
    """One line: the middle, and the interval where there is one, for every batch size."""

    name: str
    short: str
    framework: str
    look: Look
    x: list[int]
    y: list[float]
    intervals: list[Range]


def series_of(of: Ranking, looks: dict[tuple, Look]) -> list[Series]:
    """The lines of one setting, from the best on, by name where they begin alike."""
    points: dict[str, list] = {}
    for standings in of.sizes.values():
        for standing in standings:
            points.setdefault(standing.name, []).append(standing)
    return [
        Series(
            names.configuration(of_line[0].row),
            names.configuration(of_line[0].row, framework=False),
            of_line[0].row["framework"],
            looks[canvas.look_key(of_line[0].row)],
            [point.row["batch_size"] for point in of_line],
            [point.fps.value for point in of_line],
            [point.fps.interval for point in of_line],
        )
        for of_line in points.values()
    ]


def line_axes(axes: Axes, drawn: list[Series]) -> None:
    """Scales and ticks for these lines: from 0 as long as their values lie close together."""
    middles = [value for line in drawn for value in line.y]
    low, high = limits(middles, [pair for line in drawn for pair in line.intervals])
    if max(middles) / min(middles) < 6:
        axes.set_ylim(0, high)
        axes.yaxis.set_major_locator(MaxNLocator(5))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    else:
        axes.set_yscale("log")
        axes.set_ylim(low, high)
        log_axis(axes.yaxis, low, high)
    sizes = sorted({x for line in drawn for x in line.x})
    axes.set_xscale("log", base=2)
    axes.set_xlim(sizes[0] / 1.25, sizes[-1] * 1.25)
    axes.xaxis.set_major_locator(FixedLocator(sizes))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.grid(True, axis="y")


def dodge(axes: Axes, count: int) -> list[float]:
    """Factors that set series at one batch size side by side on its logarithmic axis."""
    low, high = axes.get_xlim()
    reach = 0.012 * min(count - 1, 8) * np.log(high / low)
    return [float(factor) for factor in np.exp(np.linspace(-reach, reach, count))] if count > 1 else [1.0] * count


def lines(axes: Axes, drawn: list[Series], context: list[Series], short: bool) -> None:
    """One cell: its own lines with intervals and names, all others thin and grey behind them."""
    line_axes(axes, [*drawn, *context])
    if context:  # one path for all, with gaps
        x = [value for line in context for value in (*line.x, np.nan)]
        y = [value for line in context for value in (*line.y, np.nan)]
        axes.plot(x, y, color=FAINT, lw=0.9, marker="." if max(len(line.x) for line in context) == 1 else "", zorder=1)
    for line, factor in zip(drawn, dodge(axes, len(drawn))):
        x = [value * factor for value in line.x]
        axes.plot(x, line.y, ls=line.look.line, lw=1.3, zorder=3, **marker(line.look))
        bars(axes, [(place, *pair) for place, pair in zip(x, line.intervals) if pair], line.look)
    legend(axes, sorted(drawn, key=lambda line: line.y[-1], reverse=True), short, lines=True)


def fps(tables: Tables) -> Figure:
    """One block for every model × device × node."""
    rankings = ranked(tables)
    if not rankings:
        return canvas.blank(explain(tables.performance))
    looks = canvas.looks(tables)
    settings = [(names.setting(one.first_row), series_of(one, looks)) for one in rankings.values()]
    crowded = max(len(drawn) for _, drawn in settings) > CROWD
    cells = [facets(drawn, crowded) for _, drawn in settings]
    blocks = [Block(title, [cell[0] for cell in parts]) for (title, _), parts in zip(settings, cells)]
    heights = [1.9 if crowded else 3.1] * len(blocks)
    columns = canvas.columns_for(blocks) if crowded else 1
    blocks, left_out = canvas.fitting(blocks, heights, columns)
    figure, axes = canvas.grid(blocks, heights, columns)
    for parts, places in zip(cells, axes):
        for (_, drawn, context), cell_axes in zip(parts, places):
            lines(cell_axes, drawn, context, short=crowded)
            cell_axes.set_ylabel("FPS, images per second")
            cell_axes.set_xlabel("Batch size")
    note = "FPS: batch size / latency at the reference state. Bars: its 95 % interval; a caret (▲ ▼) where it goes on."
    canvas.footnote(figure, " ".join(filter(None, (note, left_out, without(tables.performance)))))
    return figure
