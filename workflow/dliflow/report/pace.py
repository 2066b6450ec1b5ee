"""How fast the machine was while configurations were compared in rounds."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dliflow.report import canvas, names
from dliflow.report.canvas import FAINT, INK, MUTED, Block
from dliflow.report.conclusion import grouped
from dliflow.report.marks import explain
from dliflow.report.read import SETTING, Row, Rows, Tables


def relative(values: list[float]) -> np.ndarray:
    """Over their median."""
    return np.array(values) / np.median(values)


def rounds_of(rows: Rows) -> list[Row]:
    """For each round the pacer, and the probe's mean over its bursts; group by group."""
    rounds = []
    for bursts in grouped(rows, ("group", "round")).values():
        probes = [row["probe_ms"] for row in bursts if row["probe_ms"] is not None]
        probe = float(np.mean(probes)) if probes else None
        rounds.append({"group": bursts[0]["group"], "pacer_ms": bursts[0]["pacer_ms"], "probe_ms": probe})
    return rounds


def speed(axes: Axes, rows: Rows) -> None:
    """One comparison: what each round's pacer, probe and members took, over their own medians."""
    rounds = rounds_of(rows)
    x = np.arange(1, len(rounds) + 1)
    for index in range(1, len(rounds)):
        if rounds[index]["group"] != rounds[index - 1]["group"]:
            axes.axvline(index + 0.5, color=FAINT, lw=0.8)
    for bursts in grouped(rows, ("configuration",)).values():
        axes.plot(x[: len(bursts)], relative([row["latency_p50_ms"] for row in bursts]), color=FAINT, lw=0.9)
    axes.plot([], [], color=FAINT, lw=0.9, label="configurations")
    if all(row["probe_ms"] is not None for row in rounds):
        axes.plot(x, relative([row["probe_ms"] for row in rounds]), color=MUTED, lw=1, ls="--", label="probe")
    axes.plot(x, relative([row["pacer_ms"] for row in rounds]), color=INK, lw=1.2, label="pacer")
    axes.axhline(1, color=INK, lw=0.6)
    axes.set_ylim(bottom=0)
    axes.set_xlim(0.5, len(rounds) + 0.5)
    axes.set_xlabel("Round; lines part the groups")
    axes.grid(True, axis="y")


def machine(tables: Tables) -> Figure:
    """A block for every model × device × node, a cell for every batch size."""
    if not tables.rounds:
        return canvas.blank(explain(tables.comparison) if tables.comparison else "nothing was compared in rounds")
    settings = [list(grouped(rows, ("batch_size",)).values()) for rows in grouped(tables.rounds, SETTING).values()]
    blocks = [
        Block(names.setting(cells[0][0]), [f"Batch size {cell[0]['batch_size']}" for cell in cells])
        for cells in settings
    ]
    columns = canvas.columns_for(blocks)
    figure, axes = canvas.grid(blocks, [1.9] * len(blocks), columns, canvas.WIDTH if columns > 1 else 7.0)
    for cells, line in zip(settings, axes):
        for cell, cell_axes in zip(cells, line):
            speed(cell_axes, cell)
        line[0].set_ylabel("Time over its median")
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", ncols=3, fontsize=7, frameon=False)
    canvas.footnote(
        figure,
        "Higher is slower. Pacer: a product of matrices on all cores; probe: a checksum on each of them. Figures are "
        "never corrected by either.",
    )
    return figure
