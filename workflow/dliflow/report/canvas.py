"""Paper for the plots: colours, markers, a grid measured in inches, labels that do not overlap, files without dates.

Colour tells the framework, marker and line style the precision, the marker's filling the variant. Colours are given in
the order in which frameworks stand in the tables, so that no framework has to be named here.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from dliflow.files import replacing
from dliflow.report.read import Row, Rows

# These five are replaced by the page's own colours where a plot is shown in it.
INK, MUTED, GRID, FAINT, PAPER = "#1c2128", "#66707b", "#e3e6ea", "#cdd3d9", "#fffffe"
# After M. Okabe and K. Ito (2008), darkened where needed: at least 3:1 against white and against a dark page.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#c76a9c", "#b8860b", "#1e9bd7", "#7e57c2", "#7a7a7a")
PRECISIONS = {"fp32": ("o", "-"), "fp16": ("s", "--"), "bf16": ("^", "-."), "int8": ("D", ":")}
FILLINGS = ("full", "none", "left", "right", "top", "bottom")

RC: dict[Any, Any] = {
    "font.family": ["DejaVu Sans"],
    "font.size": 8,
    "svg.fonttype": "none",
    "svg.hashsalt": "dliflow",
    "text.parse_math": False,
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


def looks(rows: Rows) -> dict[tuple, Look]:
    """The look of every configuration: key (framework, variant, precision, parameters)."""
    frameworks = list(dict.fromkeys(row["framework"] for row in rows))
    ways: dict[str, list[tuple]] = {}
    found = {}
    for row in rows:
        way = (row["variant"], row.get("parameters", "default"))
        known = ways.setdefault(row["framework"], [])
        if way not in known:
            known.append(way)
        colour = COLOURS[frameworks.index(row["framework"]) % len(COLOURS)]
        marker, line = PRECISIONS.get(row["precision"], ("o", "-"))
        found[look_key(row)] = Look(colour, marker, line, FILLINGS[known.index(way) % len(FILLINGS)])
    return found


def look_key(row: Row) -> tuple:
    """What `looks` is asked by; a row of a table without parameters looks like the default ones."""
    return row["framework"], row["variant"], row["precision"], row.get("parameters", "default")


class Block(NamedTuple):
    """A heading and the cells below it, each with a title of its own (or none)."""

    title: str
    cells: list[str]


WIDTH = 11.3  # of a sheet with several columns


class Sheet(NamedTuple):
    """Sizes in inches: of a cell's axes, of what stands left and right of it, between rows, and around all."""

    columns: int
    width: float
    height: float
    left: float = 0.62
    right: float = 1.5
    between: float = 0.62
    heading: float = 0.5
    footer: float = 0.3


def columns_for(blocks: Sequence[Block]) -> int:
    """Two or three columns, whichever leaves fewer gaps."""
    most = max(len(block.cells) for block in blocks)
    return 2 if most in (2, 4) else min(most, 3)


def grid(sheet: Sheet, blocks: Sequence[Block], heights: Sequence[float] = ()) -> tuple[Figure, list[list[Axes]]]:
    """A figure with axes for every cell of every block, in rows of `sheet.columns`.

    Args:
        heights: of the cells of each block; `sheet.height` for all when empty.
    """
    heights = list(heights) or [sheet.height] * len(blocks)
    cell_width = sheet.left + sheet.width + sheet.right
    width = sheet.columns * cell_width
    lines = [-(-len(block.cells) // sheet.columns) for block in blocks]
    height = sheet.footer + sum(sheet.heading + n * (h + sheet.between) for n, h in zip(lines, heights))
    figure = Figure(figsize=(width, height))
    axes, top = [], height
    for block, count, cell_height in zip(blocks, lines, heights):
        place = (0.12 / width, (top - 0.12) / height)
        figure.text(*place, block.title, fontsize=11, fontweight="bold", va="top")
        top -= sheet.heading
        row = []
        for index, title in enumerate(block.cells):
            x = (index % sheet.columns) * cell_width + sheet.left
            y = top - (index // sheet.columns) * (cell_height + sheet.between) - cell_height
            cell = figure.add_axes((x / width, y / height, sheet.width / width, cell_height / height))
            cell.set_title(title, loc="left", fontsize=9, fontweight="bold", pad=4)
            row.append(cell)
        axes.append(row)
        top -= count * (cell_height + sheet.between)
    return figure, axes


def footnote(figure: Figure, text: str) -> None:
    """Small print at the bottom."""
    width, height = figure.get_size_inches()
    figure.text(0.12 / width, 0.1 / height, text, fontsize=7, color=MUTED, va="bottom")


def blank(text: str) -> Figure:
    """A figure that says why there is none."""
    figure = Figure(figsize=(8, 2))
    figure.text(0.5, 0.62, "No figures", fontsize=13, fontweight="bold", ha="center", va="center")
    figure.text(0.5, 0.36, text, fontsize=8, color=MUTED, ha="center", va="center", wrap=True)
    return figure


def inches(axes: Axes) -> np.ndarray:
    """Width and height of axes."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    return figure.get_size_inches() * axes.get_position().size


def spread(wanted: Sequence[float], gap: float) -> list[float]:
    """Places at least `gap` apart, in the same order and as near to the wanted ones as can be.

    Least squares under the order, by pooling adjacent violators.
    """
    order = sorted(range(len(wanted)), key=lambda index: wanted[index])
    pools: list[list[float]] = []  # mean and number of members
    for rank, index in enumerate(order):
        pools.append([wanted[index] - rank * gap, 1])
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            mean, members = pools.pop()
            last = pools[-1]
            last[0] = (last[0] * last[1] + mean * members) / (last[1] + members)
            last[1] += members
    flat = [mean for mean, members in pools for _ in range(int(members))]
    places = [0.0] * len(wanted)
    for rank, index in enumerate(order):
        places[index] = flat[rank] + rank * gap
    return places


def within(places: list[float], low: float, high: float) -> list[float]:
    """The places moved together into a range, as far as they fit."""
    shift = max(0.0, low - min(places, default=low))
    shift = shift or min(0.0, high - max(places, default=high))
    return [place + shift for place in places]


def _palette() -> Image.Image:
    """Every colour of the plots in steps towards the paper: few enough for a small PNG, and none is shifted."""
    paper = np.array([int(PAPER[i : i + 2], 16) for i in (1, 3, 5)])
    found: list[int] = []
    for colour, steps in [(GRID, 2), (FAINT, 3), *((colour, 24) for colour in (INK, MUTED, *COLOURS))]:
        own = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])
        for step in np.linspace(0, 1, steps):
            found.extend(int(value) for value in np.round(own + (paper - own) * step))
    picture = Image.new("P", (1, 1))
    picture.putpalette(found)
    return picture


def save(figure: Figure, path: Path) -> None:
    """Write `path`.svg and `path`.png; the same figure gives the same bytes."""
    with replacing(path.with_suffix(".svg")) as scratch:
        figure.savefig(scratch, metadata={"Date": None, "Creator": "dliflow"})
    width, height = figure.get_size_inches()
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=min(130.0, float(np.sqrt(PIXELS / (width * height)))))
    with replacing(path.with_suffix(".png")) as scratch:
        picture = Image.open(buffer).convert("RGB").quantize(palette=_palette(), dither=Image.Dither.NONE)
        picture.save(scratch, optimize=True)


@contextlib.contextmanager
def style() -> Iterator[None]:
    """The plots' style for a while, whatever the user's own matplotlib settings are."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(RC)
        yield
