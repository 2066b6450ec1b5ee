"""All configurations of a batch size in their order."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from dliflow.analysis.ranking import FASTEST, TIE, UNDECIDED, Standing
from dliflow.report import canvas, names, units
from dliflow.report.canvas import GRID, INK, Block, Look
from dliflow.report.conclusion import Batch, settings
from dliflow.report.marks import bars, explain, limits, log_axis, marker, without
from dliflow.report.read import Tables

MARKS = {TIE: " ≈", UNDECIDED: " ?"}
ROW, AROUND = 0.185, 0.12  # inches
MOST = 40  # of a batch size, the fastest
HARDLY = 10.0  # times the lower end of an interval is its upper one, from which on it is not written out


def figures(standing: Standing, doubtful: bool) -> str:
    """What stands beside a row: its ratio, and the latency with its interval."""
    value, ends = standing.ratio.value, standing.ratio.interval
    # The interval is drawn, not written, so a ratio in one that holds 1 needs no decimals for its ends.
    ratio = f"{value:.2f}" if ends and ends[0] <= 1 <= ends[1] else units.ratio(value)
    named = standing.verdict == FASTEST and not doubtful
    beside = "fastest" if named else f"{ratio}×{'' if doubtful else MARKS.get(standing.verdict, '')}"
    latency, _, interval = units.figure(standing.latency).partition(" ")
    if standing.latency.interval and standing.latency.interval[1] > HARDLY * standing.latency.interval[0]:
        interval = "hardly known"  # its figures would take the room of the picture
    return f"{beside} · {latency} ms {interval}".rstrip()


def rungs(
    axes: Axes,
    standings: Sequence[Standing],
    looks: dict[tuple, Look],
    doubtful: bool,
    beside: Callable[[Standing, bool], str] = figures,
) -> None:
    """One batch size: a row for each configuration, at its latency over that of the fastest.

    Args:
        doubtful: whether the machine was too busy to say who is fastest.
        beside: what stands in words right of a row.
    """
    ratios = [standing.ratio for standing in standings]
    low, high = limits([ratio.value for ratio in ratios], [ratio.interval for ratio in ratios], 1.3)
    high = max(high, 1.3)
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    log_axis(axes.xaxis, low, high)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.4g}×"))
    axes.axvline(1, color=INK, lw=0.7, zorder=1)
    for place, standing in enumerate(standings):
        look, ratio = looks[canvas.look_key(standing.row)], standing.ratio
        if standing.verdict in (FASTEST, TIE) and not doubtful:
            axes.axhspan(place - 0.5, place + 0.5, color=GRID, lw=0, zorder=0)
        bars(axes, [(place, *ratio.interval)] if ratio.interval else [], look, upright=False)
        axes.plot([ratio.value], [place], ls="", zorder=3, **marker(look, 5))
        axes.text(
            1.02, place, beside(standing, doubtful), transform=axes.get_yaxis_transform(), va="center", fontsize=7
        )  # fmt: skip
    axes.set_yticks(range(len(standings)), [names.configuration(standing.row) for standing in standings])
    axes.set_ylim(len(standings) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.grid(True, axis="x")


def title(batch: Batch) -> str:
    """Of a cell."""
    return f"Batch size {batch.size}{batch.doubt}"


def ranking(tables: Tables) -> Figure:
    """A block for every model × device × node, a cell for every batch size."""
    concluded = [setting for setting in settings(tables) if setting.batches]
    if not concluded:
        return canvas.blank(explain(tables.performance))
    looks = canvas.looks(tables)
    blocks = [Block(setting.name, [title(batch) for batch in setting.batches]) for setting in concluded]
    most = [max(len(batch.entries) for batch in setting.batches) for setting in concluded]
    heights = [ROW * min(number, MOST) + AROUND for number in most]
    columns = min(2, max(len(block.cells) for block in blocks))
    blocks, left_out = canvas.fitting(blocks, heights, columns)
    figure, axes = canvas.grid(blocks, heights, columns, canvas.WIDTH if columns > 1 else 7.5)
    for setting, places in zip(concluded, axes):
        for batch, cell_axes in zip(setting.batches, places):
            rungs(cell_axes, [entry.standing for entry in batch.entries[:MOST]], looks, batch.doubtful)
        places[-1].set_xlabel("Latency at the reference state, over that of the first row")
    note = (
        "Bars: 95 % interval of the ratio to the fastest. Shaded: the fastest, and what was measured together with it "
        "without a difference shown (≈). ?: had no part in its rounds, and is not told apart."
    )
    fastest = f"Of each batch size the fastest {MOST}." if max(most) > MOST else ""
    canvas.footnote(figure, " ".join(filter(None, (note, fastest, left_out, without(tables.performance)))))
    return figure
