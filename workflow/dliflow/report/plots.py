"""The figures by name. Each is a pure function of the tables, and says why when there is nothing to draw."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from matplotlib.figure import Figure

from dliflow.report import canvas, curves, forest, ladder, pace, quality, throughput, tradeoff
from dliflow.report.read import Tables

FIGURES: dict[str, Callable[[Tables], Figure]] = {
    "ranking": ladder.ranking,
    "fps": curves.fps,
    "accuracy": quality.accuracy,
    "tradeoff": tradeoff.tradeoff,
    "comparison": forest.comparison,
    "machine": pace.machine,
    "throughput": throughput.throughput,
}


def draw(tables: Tables, out: Path) -> None:
    """Write every figure as SVG and PNG into a folder."""
    with canvas.style():
        for name, figure in FIGURES.items():
            canvas.save(figure(tables), out / name)
