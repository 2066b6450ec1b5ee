"""Ratios of what was compared in rounds, with their intervals."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from dliflow.analysis.comparison import FIRST, SECOND, TIE
from dliflow.analysis.strain import Strain
from dliflow.report import canvas, names, units
from dliflow.report.canvas import COLOURS, INK, MUTED, Block
from dliflow.report.conclusion import grouped
from dliflow.report.marks import explain
from dliflow.report.read import SETTING, Rows, Tables

STATES = (("fast", "^", 0.22), ("slow", "v", 0.38))
COLOUR = {FIRST: COLOURS[2], SECOND: COLOURS[1], TIE: MUTED}


def pair_rows(axes: Axes, rows: Rows) -> None:
    """A point and an interval for each pair, the states of the machine below it, the figures beside it."""
    axes.axvline(1, color=INK, lw=0.8)
    for index, row in enumerate(rows):
        low, high = row["ratio_ci_low"], row["ratio_ci_high"]
        colour = MUTED if Strain(row["taken_share"], None).busy else COLOUR[row["verdict"]]
        if low is not None and high is not None:
            axes.plot([low, high], [index, index], color=colour, lw=1.6, solid_capstyle="butt")
        axes.plot(row["ratio"], index, "o", color=colour, ms=5)
        for state, marker, below in STATES:
            if row[f"{state}_ratio"] is not None:
                axes.plot(row[f"{state}_ratio"], index + below, marker, mfc="none", mec=MUTED, ms=3.5, mew=0.8)
        text = f"{units.ratio(row['ratio'], low, high)} {units.ratio_interval(row['ratio'], low, high)}"
        axes.text(1.02, index, text, transform=axes.get_yaxis_transform(), va="center", fontsize=7.5)
    axes.set_yticks(range(len(rows)), [f"{names.member(row['first'])} / {names.member(row['second'])}" for row in rows])
    axes.set_ylim(len(rows) - 0.3, -0.6)
    axes.set_xscale("log")
    ends = [row[column] for row in rows for column in ("ratio", "fast_ratio", "slow_ratio") if row[column]]
    reach = 1.15 * max(abs(np.log([*ends, 1.1])))
    axes.set_xlim(np.exp(-reach), np.exp(reach))
    axes.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.3g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.minorticks_off()
    axes.tick_params(axis="y", length=0)
    axes.grid(True, axis="x")


def comparison(tables: Tables) -> Figure:
    """A block for every model × device × node, a cell for every batch size."""
    rows = [row for row in tables.comparison if row["status"] == "ok" and row["ratio"] is not None]
    if not rows:
        return canvas.blank(explain(tables.comparison) if tables.comparison else "nothing was compared in rounds")
    cells = [
        (setting, cell)
        for setting in grouped(rows, SETTING).values()
        for cell in grouped(setting, ("batch_size",)).values()
    ]
    blocks = [
        Block(f"{names.setting(setting[0])} · batch size {cell[0]['batch_size']}", [""]) for setting, cell in cells
    ]
    figure, axes = canvas.grid(blocks, [0.32 * len(cell) + 0.2 for _, cell in cells], width=9)
    for (_, cell), (cell_axes,) in zip(cells, axes):
        pair_rows(cell_axes, cell)
    axes[-1][0].set_xlabel("Ratio of latencies; below 1 the first one named is faster")
    canvas.footnote(
        figure,
        "Bars: 95 % interval; grey: no difference shown, or doubtful. △ when the machine was fast, ▽ when it was slow.",
    )
    return figure
