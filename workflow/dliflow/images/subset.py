"""A choice of images in which every class has its share.

All images are put into one order, of which a subset is the beginning: a round with one image of each class, then
another one, until nothing is left. So the classes of every subset differ by at most one image as long as they have
enough, and a bigger subset holds the smaller ones.
"""

from __future__ import annotations

import hashlib
from typing import Any

from dliflow.images import crops

Rows = list[dict[str, Any]]


def _draw(*parts: Any) -> str:
    """A number for sorting that looks random and is the same on every machine."""
    return hashlib.sha256(":".join(map(str, parts)).encode()).hexdigest()


def _contents(row: dict[str, Any]) -> tuple[Any, ...]:
    """What an image is, wherever it lies; the parts of a photograph are drawn one by one."""
    _, box = crops.split(row["file"])
    return (row["sha256"],) if box is None else (row["sha256"], *box)


def order(rows: Rows, seed: int) -> Rows:
    """The rows of an image list in the order in which they are chosen; their own order does not matter."""
    classes: dict[Any, Rows] = {}
    for row in sorted(rows, key=lambda row: (_draw(seed, *_contents(row)), row["file"])):
        classes.setdefault(row["label"], []).append(row)
    ranked = [(rank, label, row) for label, group in classes.items() for rank, row in enumerate(group)]
    ranked.sort(key=lambda item: (item[0], _draw(seed, item[0], item[1])))
    return [row for _, _, row in ranked]


def counts(rows: Rows) -> dict[Any, int]:
    """How many rows each label has."""
    per_label: dict[Any, int] = {}
    for row in rows:
        per_label[row["label"]] = per_label.get(row["label"], 0) + 1
    return per_label
