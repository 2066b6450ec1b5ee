"""Paper for the plots: colours, markers, a grid of axes, files without dates.

Colour tells the framework, marker and line style the precision, the marker's filling the variant. A framework's colour
is that of its file's place among the files of all, so that it is the same in every study and none has to be named here.
"""

from __future__ import annotations

import contextlib
import io
import itertools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from dliflow import frameworks
from dliflow.analysis.rows import Row
from dliflow.files import replacing
from dliflow.report.read import Tables

# These five are replaced by the page's own colours where a plot is shown in it.
INK, MUTED, GRID, FAINT, PAPER = "#1c2128", "#66707b", "#e3e6ea", "#cdd3d9", "#fffffe"
# After M. Okabe and K. Ito (2008), darkened where needed, and some more for many frameworks: at least 3:1 against white
# and against a dark page. In such an order that those of the usual studies differ most.
COLOURS = (
    *("#a65628", "#7a7a7a", "#7e57c2", "#d6339a", "#6b8e23", "#d55e00", "#c76a9c", "#009e73"),
    *("#0072b2", "#b8860b", "#1e9bd7", "#1f8a8a"),
)
FASTER, SLOWER = "#009e73", "#d55e00"
PRECISIONS = {"fp32": ("o", "-"), "fp16": ("s", "--"), "bf16": ("^", "-."), "int8": ("D", ":")}
FILLINGS = ("full", "none", "left", "right", "top", "bottom")

RC: dict[Any, Any] = {
    "font.family": ["DejaVu Sans"],
    "font.size": 8,
    "svg.fonttype": "none",
    "svg.hashsalt": "dliflow",
    "text.parse_math": False,
    "text.hinting": "none",  # letters are as wide in the file as in the layout, whatever the dpi
    "figure.constrained_layout.w_pad": 0.08,
    "text.color": INK,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.facecolor": PAPER,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "figure.facecolor": PAPER,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
    "path.simplify": True,
}
PIXELS = 2.0e6  # of a PNG, at most


class Look(NamedTuple):
    """How a configuration is drawn everywhere."""

    colour: str
    marker: str
    line: str
    filling: str


def colours(names: Iterable[str]) -> dict[str, str]:
    """The colour of each framework.

    What has no file of its own, another version (`openvino@2025.3`) or one of someone else's study, gets in its turn
    what is left: first what no file has, then what no other one here has.
    """
    every, files = list(dict.fromkeys(names)), frameworks.names()
    given = {name: COLOURS[files.index(name) % len(COLOURS)] for name in every if name in files}
    taken, of_files = set(given.values()), set(COLOURS[: len(files)])
    ranked = sorted(COLOURS, key=lambda colour: (colour in taken, colour in of_files))
    return given | dict(zip((name for name in every if name not in files), itertools.cycle(ranked)))


def looks(tables: Tables) -> dict[tuple, Look]:
    """The look of every configuration, the same in all plots: key (framework, API, variant, precision, parameters)."""
    rows = [*tables.performance, *tables.accuracy]
    colour_of = colours(row["framework"] for row in rows)
    ways: dict[str, list[tuple]] = {}
    look_of = {}
    for row in rows:
        way = (row["api"], row["variant"], row.get("parameters", "default"))
        ways_so_far = ways.setdefault(row["framework"], [])
        if way not in ways_so_far:
            ways_so_far.append(way)
        marker, line = PRECISIONS.get(row["precision"], ("o", "-"))
        look_of[look_key(row)] = Look(
            colour_of[row["framework"]], marker, line, FILLINGS[ways_so_far.index(way) % len(FILLINGS)]
        )
    return look_of


def look_key(row: Row) -> tuple:
    """What `looks` is asked by; a row of a table without parameters looks like the default ones."""
    return row["framework"], row["api"], row["variant"], row["precision"], row.get("parameters", "default")


class Block(NamedTuple):
    """A heading and the cells below it, each with a title of its own (or none)."""

    title: str
    cells: list[str]


WIDTH = 11.3  # of a sheet with several columns, inches
HEADING, AROUND, FOOTER = 0.3, 0.6, 0.3  # height of a block's heading, of a cell's title and labels, of the small print
TALLEST = 45.0  # inches: of a picture that is taller nothing can be read


def columns_for(blocks: Sequence[Block]) -> int:
    """Two or three columns, whichever leaves fewer gaps."""
    most = max(len(block.cells) for block in blocks)
    return 2 if most in (2, 4) else min(most, 3)


def fitting(blocks: Sequence[Block], heights: Sequence[float], columns: int = 1) -> tuple[list[Block], str]:
    """The first blocks, one at least, that a picture has room for, and what its small print says of the others.

    Args:
        heights, columns: as of `grid`.
    """
    room, shown = TALLEST, 0
    for block, height in zip(blocks, heights):
        room -= HEADING + -(-len(block.cells) // columns) * (height + AROUND)
        if room < 0 and shown:
            break
        shown += 1
    left_out = f"The first {shown} of {len(blocks)}; the page's charts and the tables have all."
    return list(blocks[:shown]), left_out if shown < len(blocks) else ""


def grid(
    blocks: Sequence[Block], heights: Sequence[float], columns: int = 1, width: float = WIDTH
) -> tuple[Figure, list[list[Axes]]]:
    """A figure with axes for every cell of every block; matplotlib finds the room for what stands around them.

    Args:
        heights: of the axes of each block, inches.
        columns: of cells.
        width: of the figure, inches.
    """
    lines = [-(-len(block.cells) // columns) for block in blocks]
    rows = [size for count, height in zip(lines, heights) for size in (HEADING, *[height] * count)]
    figure = Figure((width, sum(rows) + AROUND * sum(lines) + FOOTER), layout="constrained")
    places = figure.add_gridspec(len(rows), columns, height_ratios=rows)
    axes, row = [], 1
    for block, count in zip(blocks, lines):
        cells = [
            figure.add_subplot(places[row + index // columns, index % columns]) for index in range(len(block.cells))
        ]
        for cell, title in zip(cells, block.cells):
            cell.set_title(title, loc="left", fontsize=9, fontweight="bold", pad=4)
        above = (0, 20 if block.cells[0] else 6)
        corner = (
            "figure fraction",
            "axes fraction",
        )  # a heading may be wider than its cell
        heading = cells[0].annotate(
            block.title, (0.01, 1), above, corner, "offset points", fontsize=11, fontweight="bold"
        )
        heading.set_in_layout(False)
        axes.append(cells)
        row += 1 + count
    return figure, axes


def footnote(figure: Figure, text: str) -> None:
    """Small print at the bottom."""
    figure.supxlabel(text, x=0.01, ha="left", fontsize=7, color=MUTED, wrap=True)


def blank(text: str) -> Figure:
    """A figure that says why there is none."""
    figure = Figure(figsize=(8, 2))
    figure.text(0.5, 0.62, "No figures", fontsize=13, fontweight="bold", ha="center", va="center")
    figure.text(0.5, 0.36, text, fontsize=8, color=MUTED, ha="center", va="center", wrap=True)
    return figure


def save(figure: Figure, path: Path) -> None:
    """Write `path`.svg and `path`.png; the same figure gives the same bytes."""
    figure.draw_without_rendering()  # lays it out, once for both files
    figure.set_layout_engine("none")
    with replacing(path.with_suffix(".svg")) as scratch:
        figure.savefig(scratch, metadata={"Date": None, "Creator": "dliflow"})
    width, height = figure.get_size_inches()
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=min(130.0, float(np.sqrt(PIXELS / (width * height)))))
    with replacing(path.with_suffix(".png")) as scratch:
        # 256 colours, each within what an eye can tell, make a third of the size.
        picture = (
            Image.open(buffer).convert("RGB").quantize(method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
        )
        picture.save(scratch, optimize=True)


@contextlib.contextmanager
def style() -> Iterator[None]:
    """The plots' style for a while, whatever the user's own matplotlib settings are."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(RC)
        yield
