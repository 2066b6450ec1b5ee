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


def squares(width: int, height: int, sides: Iterable[float], smallest: int) -> Iterator[Box]:
    """Squares that cover an image from edge to edge, as few of each size as do so; they overlap evenly.

    Args:
        sides: of the squares, each a share of the image's short side.
        smallest: pixels of a side; smaller ones are left out.
    """
    for side in dict.fromkeys(int(min(width, height) * share) for share in sides):
        if side >= smallest:
            for top in _spread(height, side):
                yield from ((left, top, side, side) for left in _spread(width, side))


def _spread(length: int, side: int) -> list[int]:
    """Where squares begin that cover a length."""
    gaps = -(-length // side) - 1
    return [(length - side) * place // gaps for place in range(gaps + 1)] if gaps else [0]


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
