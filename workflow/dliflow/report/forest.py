"""Ratios of what was compared in rounds, with their intervals."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dliflow.analysis.comparison import FIRST, SECOND, TIE
from dliflow.report import canvas, units
from dliflow.report.canvas import FASTER, INK, MUTED, SLOWER
from dliflow.report.comparison import Gain, blocks
from dliflow.report.marks import explain, log_axis
from dliflow.report.read import Tables

COLOUR = {FIRST: FASTER, SECOND: SLOWER, TIE: MUTED}


def pair_rows(axes: Axes, gains: list[Gain], doubtful: bool) -> None:
    """A point and an interval for each pair, the figures beside it."""
    axes.axvline(1, color=INK, lw=0.8)
    for index, gain in enumerate(gains):
        colour = MUTED if doubtful else COLOUR[gain.verdict]
        if gain.ratio.interval:
            axes.plot(gain.ratio.interval, [index, index], color=colour, lw=1.6, solid_capstyle="butt")
        axes.plot(gain.ratio.value, index, "o", color=colour, ms=5)
        text = units.times(gain.ratio)
        axes.text(1.02, index, text, transform=axes.get_yaxis_transform(), va="center", fontsize=7.5)
    axes.set_yticks(range(len(gains)), [f"{gain.first} / {gain.second}" for gain in gains])
    axes.set_ylim(len(gains) - 0.4, -0.6)
    axes.set_xscale("log")
    ends = [end for gain in gains for end in (gain.ratio.value, *(gain.ratio.interval or ()))]
    reach = 1.15 * max(abs(np.log([*ends, 1.1])))
    axes.set_xlim(np.exp(-reach), np.exp(reach))
    log_axis(axes.xaxis, np.exp(-reach), np.exp(reach), most=8)
    axes.tick_params(axis="y", length=0)
    axes.grid(True, axis="x")


def comparison(tables: Tables) -> Figure:
    """A block for every comparison: of a batch size, or of several."""
    compared = [block for block in blocks(tables) if block.gains]
    if not compared:
        return canvas.blank(explain(tables.comparison) if tables.comparison else "nothing was compared in rounds")
    heights = [0.24 * len(block.gains) + 0.1 for block in compared]
    shown, left_out = canvas.fitting([canvas.Block(block.title, [""]) for block in compared], heights)
    figure, axes = canvas.grid(shown, heights, width=9)
    for block, (cell_axes,) in zip(compared, axes):
        pair_rows(cell_axes, block.gains, block.doubtful)
    axes[-1][0].set_xlabel("Ratio of latencies, of batch sizes that of an image's time; below 1 the first is faster")
    canvas.footnote(
        figure,
        "Measured together, at the reference state. Bars: 95 % intervals that hold together for all "
        f"pairs of leaders; grey: no difference shown, or doubtful. {left_out}",
    )
    return figure
