"""Squares of photographs, each an image of its own: where a few photographs are to stand for many images.

Such an image is named by its photograph's file and a fragment with left, top, width and height in pixels of the upright
photograph, as W3C's Media Fragments have it: `coffee.png#xywh=0,12,400,400`. Its checksum is the photograph's, so that
it is known what comes from one photograph.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Optional

Box = tuple[int, int, int, int]  # left, top, width, height
FRAGMENT = re.compile(r"#xywh=(\d+),(\d+),(\d+),(\d+)$")


def squares(width: int, height: int, grids: Iterable[int], smallest: int) -> Iterator[Box]:
    """Squares that lie edge to edge over the middle of an image, those of one grid after the other.

    Args:
        grids: into how many squares the short side is divided, for each grid.
        smallest: pixels of a side; smaller ones are left out.
    """
    for parts in grids:
        side = min(width, height) // parts
        if side < smallest:
            continue
        columns, rows = width // side, height // side
        left, top = (width - columns * side) // 2, (height - rows * side) // 2
        for row in range(rows):
            yield from ((left + column * side, top + row * side, side, side) for column in range(columns))


def named(file: str, box: Box) -> str:
    """The name of a part of an image file."""
    return f"{file}#xywh={','.join(map(str, box))}"


def split(name: str) -> tuple[str, Optional[Box]]:
    """The file of an image's name, and the part of it that is meant; None for all of it."""
    fragment = FRAGMENT.search(name)
    if fragment is None:
        return name, None
    left, top, width, height = map(int, fragment.groups())
    return name[: fragment.start()], (left, top, width, height)
