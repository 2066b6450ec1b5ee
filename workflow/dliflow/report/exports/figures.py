"""Figures for papers: as wide as a column or a page, without a title, as PDF and SVG with all letters in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from dliflow.analysis.ranking import Standing
from dliflow.files import replacing
from dliflow.report import canvas, conclusion, ladder, names, tradeoff
from dliflow.report.canvas import Look
from dliflow.report.conclusion import Batch
from dliflow.report.marks import marker
from dliflow.report.read import SETTING, Tables
from dliflow.report.tradeoff import Point

WIDTHS = {"column": 3.4, "page": 7.0}  # inches: of a column and of the page in most papers of two columns
KINDS = {"pdf": {"CreationDate": None, "Creator": "dliflow"}, "svg": {"Date": None, "Creator": "dliflow"}}
RC: dict[Any, Any] = {"font.size": 7, "pdf.fonttype": 42, "svg.fonttype": "path"}
SETTINGS = 20  # the first ones have figures: those of a hundred models would take half an hour
ENTRY, NAME, LABELS = 0.15, 1.3, 0.55  # inches: a line of a legend, a name in it; what stands around axes


def ratio_alone(standing: Standing, doubtful: bool) -> str:
    """What stands beside a row where there is no room for the latency."""
    return ladder.figures(standing, doubtful).partition(" · ")[0]


def ranking(batch: Batch, looks: dict[tuple, Look], width: float) -> Figure:
    """All configurations of a batch size in their order."""
    standings = [entry.standing for entry in batch.entries]
    figure = Figure((width, ladder.ROW * len(standings) + LABELS), layout="constrained")
    axes = figure.add_subplot()
    beside = ratio_alone if width <= WIDTHS["column"] else ladder.figures
    ladder.rungs(axes, standings, looks, batch.doubtful, beside)
    axes.set_xlabel("Latency over that of the fastest")
    return figure


def scatter(points: list[Point], width: float) -> Figure:
    """Top-1 against latency, the legend below."""
    columns = int(width / NAME)
    figure = Figure((width, 0.6 * width + LABELS + ENTRY * -(-len(points) // columns)), layout="constrained")
    axes = figure.add_subplot()
    tradeoff.scatter(axes, points, [])
    handles = [Line2D([], [], ls="", label=point.name, **marker(point.look)) for point in sorted(points, key=at)]
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, frameon=False, handlelength=1)
    return figure


def at(point: Point) -> float:
    """Where a point lies on the axis of latency."""
    return point.x


def drawn(tables: Tables) -> Iterator[tuple[str, Callable[[float], Figure]]]:
    """Each figure's name, and what draws it in a width, inches."""
    looks = canvas.looks(tables)
    for setting in conclusion.settings(tables)[:SETTINGS]:
        for batch in setting.batches:
            yield named("ranking", setting.name, batch.size), partial(ranking, batch, looks)
    for values, (size, points) in islice(tradeoff.of_settings(tables).items(), SETTINGS):
        yield named("tradeoff", names.setting(dict(zip(SETTING, values))), size), partial(scatter, points)


def named(kind: str, setting: str, size: int) -> str:
    """Of a file, without its width."""
    return f"{kind}-{setting.replace(' · ', '-')}-batch{size}"


def write(tables: Tables, folder: Path) -> None:
    """Write each figure in each width, as PDF and as SVG, into a folder that holds nothing else afterwards."""
    with replacing(folder) as scratch, canvas.style(), matplotlib.rc_context(RC):
        scratch.mkdir()
        for name, draw in drawn(tables):
            for width, inches in WIDTHS.items():
                figure = draw(inches)
                figure.draw_without_rendering()  # lays it out, once for both files
                figure.set_layout_engine("none")
                for kind, metadata in KINDS.items():
                    figure.savefig(scratch / f"{name}-{width}.{kind}", metadata=metadata)
