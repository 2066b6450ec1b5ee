"""Top-1 and top-5 as bars."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dliflow.analysis.rows import Rows, grouped
from dliflow.report import canvas, names, units
from dliflow.report.canvas import INK, Block, Look
from dliflow.report.marks import explain, without
from dliflow.report.read import Tables


def accuracy_rows(axes: Axes, rows: Rows, looks: dict[tuple, Look]) -> None:
    """Two bars for each configuration, with intervals, and the figures beside them."""
    for index, row in enumerate(rows):
        colour = looks[canvas.look_key(row)].colour
        for place, name, alpha in ((index - 0.2, "top1", 1.0), (index + 0.2, "top5", 0.45)):
            value, low, high = row[name], row[f"{name}_ci_low"], row[f"{name}_ci_high"]
            axes.barh(place, value * 100, height=0.36, color=colour, alpha=alpha, lw=0)
            if low is not None and high is not None:
                ends = [[(value - low) * 100], [(high - value) * 100]]
                axes.errorbar(value * 100, place, xerr=ends, fmt="none", ecolor=INK, elinewidth=0.9, capsize=1.8)
            text = f"{units.bare_percent(value)} {units.interval(low, high, units.bare_percent)}"
            axes.text(1.01, place, text, transform=axes.get_yaxis_transform(), va="center", fontsize=7)
    axes.set_yticks(range(len(rows)), [names.configuration(row) for row in rows])
    axes.set_ylim(len(rows) - 0.45, -0.55)
    axes.set_xlim(0, 100)
    axes.set_xlabel("Accuracy, % of images (strong: top-1, pale: top-5)")
    axes.tick_params(axis="y", length=0)
    axes.grid(True, axis="x")


def accuracy(tables: Tables) -> Figure:
    """Top-1 and top-5 bars: one block for every model × dataset × device."""
    rows = [row for row in tables.accuracy if row["status"] == "ok" and row["top1"] is not None]
    if not rows:
        return canvas.blank(explain(tables.accuracy))
    looks = canvas.looks(tables)
    groups = list(grouped(rows, ("model", "dataset", "device")).values())
    blocks = []
    for group in groups:
        images = sorted({row["images"] for row in group if row["images"]})
        counts = names.listed([f"{number:,}" for number in images])
        blocks.append(
            Block(f"{group[0]['model']} · {group[0]['device']} · {group[0]['dataset']}, {counts} images", [""])
        )
    heights = [0.34 * len(group) + 0.1 for group in groups]
    blocks, left_out = canvas.fitting(blocks, heights)
    figure, axes = canvas.grid(blocks, heights, width=9)
    for group, (cell_axes,) in zip(groups, axes):
        accuracy_rows(cell_axes, group, looks)
    canvas.footnote(
        figure, " ".join(filter(None, ("Bars: 95 % interval (Wilson).", left_out, without(tables.accuracy))))
    )
    return figure
