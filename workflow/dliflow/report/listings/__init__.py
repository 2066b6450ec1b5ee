"""Tables as the page shows them: short headings with a legend, the reason of every gap, every doubt beside its number.

One file for each table says what stands in it; the macro `listing` writes all of them in the same way, and the page's
script sorts, filters and opens what it finds there.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple, Optional

from dliflow.analysis import columns
from dliflow.analysis.rows import Row
from dliflow.report import names, units

WRITTEN = 300  # rows of a table that stand in the page itself
Link = Callable[[Optional[str]], str]
"""The page's link to a record; empty where there is no record."""


class Heading(NamedTuple):
    """A column."""

    short: str
    meaning: str
    """In the legend."""
    unit: str = ""
    number: bool = True


class Cell(NamedTuple):
    """What stands in a row below a heading."""

    text: str
    sort: Optional[float] = None
    """What it is sorted by where its text does not begin with that number."""
    interval: str = ""
    why: str = ""
    """Why there is none."""
    marks: tuple[str, ...] = ()
    """Letters of the remarks that weaken it."""
    link: str = ""
    tone: str = ""
    """Class of its element: `loss`."""


class Line(NamedTuple):
    """A row."""

    anchor: str
    name: str
    kind: dict[str, Any]
    """What it is filtered by: setting, framework, precision, batch."""
    cells: list[Cell]
    gap: str = ""
    """Why there are no cells."""
    best: bool = False


class Listing(NamedTuple):
    """A table."""

    name: str
    caption: str
    headings: list[Heading]
    """Of all cells; the row's name comes before them."""
    lines: list[Line]
    remarks: dict[str, str]
    """By letter."""
    named: str = "Configuration"
    """Heading of the rows' names."""

    @property
    def cut(self) -> bool:
        """Whether they are too many to stand in the page one and all: a browser would lay them out for seconds."""
        return len(self.lines) > WRITTEN

    @property
    def first(self) -> list[Line]:
        """Those that stand in the page; where they are not all, a block of it has all."""
        return self.lines[:WRITTEN]


class Remarks:
    """Doubts by letter: those that differ in their numbers only share one, and its text gives the range of each number.

    A row's own text stands in its details.
    """

    def __init__(self) -> None:
        self._texts: dict[str, list[str]] = {}

    def mark(self, text: str | None) -> tuple[str, ...]:
        """The letter of a doubt; nothing where there is none."""
        if not text:
            return ()
        pattern = NUMBER.sub("#", text)
        self._texts.setdefault(pattern, []).append(text)
        return (letter(list(self._texts).index(pattern)),)

    def all(self) -> dict[str, str]:
        """Each letter's text."""
        return {letter(index): _in_one(texts) for index, texts in enumerate(self._texts.values())}


NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")


def _in_one(texts: list[str]) -> str:
    """Texts that differ in their numbers, as one."""
    slots = [sorted(set(numbers), key=_number) for numbers in zip(*map(NUMBER.findall, texts))]
    ranges = iter(slot[0] if len(slot) == 1 else f"{slot[0]} to {slot[-1]}" for slot in slots)
    return NUMBER.sub(lambda _: next(ranges), texts[0])


def _number(text: str) -> float:
    return float(text.replace(",", ""))


def letter(index: int) -> str:
    """a, b, …, z, aa, ab, …"""
    return (letter(index // 26 - 1) if index > 25 else "") + chr(ord("a") + index % 26)


def kind(row: Row) -> dict[str, Any]:
    """What a row is filtered by; what it does not have, it is not filtered by."""
    known = {"model": row["model"], "framework": row["framework"], "precision": row["precision"]}
    known |= {"setting": names.place(row)} if row.get("node") else {}
    return known | ({"batch": row["batch_size"]} if row.get("batch_size") else {})


def cell(table: str, row: Row, name: str, show: Any = units.significant, ends: str = "", **more: Any) -> Cell:
    """A figure of a row, with its interval, or the reason why it is not there.

    Args:
        table: that declares the column.
        ends: prefix and suffix of the interval's columns, parted by `*`: `latency_ci_*_ms`.
    """
    if row[name] is None:
        return Cell(units.EMPTY, why=EMPTY[table, name])
    low, high = (row[ends.replace("*", end)] for end in ("low", "high")) if ends else (None, None)
    bare = {units.percent: units.bare_percent}.get(show, show)
    return Cell(bare(row[name]), interval=units.interval(low, high, bare), **more)


def explained(one: Cell, why: str) -> Cell:
    """A cell, with a better reason where there is nothing in it."""
    return one._replace(why=why) if one.text == units.EMPTY and why else one


EMPTY = {
    (table, column.name): column.empty.replace("`", "")
    for table, declared in columns.TABLES.items()
    for column in declared
}
