"""Latency and FPS over batch size."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from dliflow.report import canvas, names
from dliflow.report.canvas import FAINT, Block, Look
from dliflow.report.conclusion import grouped, usable
from dliflow.report.marks import CROWD, Range, bars, explain, facets, legend, limits, log_axis, marker, without
from dliflow.report.read import SETTING, Row, Rows, Tables

LINE = ("framework", "variant", "precision", "parameters")


class Series(NamedTuple):
    """One line: the middle, and the interval where there is one, for every batch size."""

    name: str
    short: str
    framework: str
    look: Look
    x: list[int]
    y: list[float]
    intervals: list[Range]


class Quantity(NamedTuple):
    """What is drawn over batch size."""

    label: str
    column: str
    low: str
    high: str
    """Columns of its interval."""
    zero: bool  # a linear axis from 0 will do as long as the values lie close together


LATENCY = Quantity("Latency, ms", "latency_p50_ms", "latency_ci_low_ms", "latency_ci_high_ms", False)
FPS = Quantity("FPS, images per second", "fps", "fps_ci_low", "fps_ci_high", True)


def interval_of(row: Row, quantity: Quantity) -> Range:
    """The interval of the latency, or of the FPS."""
    low, high = row[quantity.low], row[quantity.high]
    return None if low is None or high is None else (low, high)


def series_of(rows: Rows, quantity: Quantity, looks: dict[tuple, Look]) -> list[Series]:
    """The lines of one setting, in the order of the table."""
    series = []
    for points in grouped(rows, LINE).values():
        points = sorted(points, key=lambda row: row["batch_size"])
        series.append(
            Series(
                names.configuration(points[0]),
                names.configuration(points[0], framework=False),
                points[0]["framework"],
                looks[canvas.look_key(points[0])],
                [row["batch_size"] for row in points],
                [row[quantity.column] for row in points],
                [interval_of(row, quantity) for row in points],
            )
        )
    return series


def line_axes(axes: Axes, drawn: list[Series], quantity: Quantity) -> None:
    """Scales and ticks for these lines."""
    middles = [value for line in drawn for value in line.y]
    low, high = limits(middles, [pair for line in drawn for pair in line.intervals])
    if quantity.zero and max(middles) / min(middles) < 6:
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


def lines(axes: Axes, drawn: list[Series], context: list[Series], quantity: Quantity, short: bool) -> None:
    """One cell: its own lines with intervals and names, all others thin and grey behind them."""
    line_axes(axes, [*drawn, *context], quantity)
    if context:  # one path for all, with gaps
        x = [value for line in context for value in (*line.x, np.nan)]
        y = [value for line in context for value in (*line.y, np.nan)]
        axes.plot(x, y, color=FAINT, lw=0.9, marker="." if max(len(line.x) for line in context) == 1 else "", zorder=1)
    for line, factor in zip(drawn, dodge(axes, len(drawn))):
        x = [value * factor for value in line.x]
        axes.plot(x, line.y, ls=line.look.line, lw=1.3, zorder=3, **marker(line.look))
        bars(axes, [(place, *pair) for place, pair in zip(x, line.intervals) if pair], line.look)
    legend(axes, sorted(drawn, key=lambda line: line.y[-1], reverse=True), short, lines=True)


def interval_note(rows: Rows) -> str:
    """What the bars are, or why there are none."""
    if any(row["latency_ci_low_ms"] is not None for row in rows):
        return "Bars: 95 % interval of the median over repetitions; a caret (▲ ▼) where it goes on beyond the axis."
    return "No intervals: one repetition."


def over_batch_size(tables: Tables, quantity: Quantity) -> Figure:
    """Latency or FPS over batch size: one block for every model × device × node."""
    rows = usable(tables.performance)
    if not rows:
        return canvas.blank(explain(tables.performance))
    looks = canvas.looks(tables)
    settings = [(group[0], series_of(group, quantity, looks)) for group in grouped(rows, SETTING).values()]
    crowded = max(len(drawn) for _, drawn in settings) > CROWD
    cells = [facets(drawn, crowded) for _, drawn in settings]
    blocks = [Block(names.setting(row), [cell[0] for cell in parts]) for (row, _), parts in zip(settings, cells)]
    heights = [1.9 if crowded else 3.1] * len(blocks)
    figure, axes = canvas.grid(blocks, heights, canvas.columns_for(blocks) if crowded else 1)
    for parts, places in zip(cells, axes):
        for (_, drawn, context), cell_axes in zip(parts, places):
            lines(cell_axes, drawn, context, quantity, short=crowded)
            cell_axes.set_ylabel(quantity.label)
            cell_axes.set_xlabel("Batch size")
    canvas.footnote(figure, " ".join(filter(None, (interval_note(rows), without(tables.performance)))))
    return figure


def latency(tables: Tables) -> Figure:
    """Latency over batch size."""
    return over_batch_size(tables, LATENCY)


def fps(tables: Tables) -> Figure:
    """FPS over batch size."""
    return over_batch_size(tables, FPS)
