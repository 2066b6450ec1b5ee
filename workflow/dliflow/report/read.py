"""The tables as rows: a dict for each, values of the declared kinds, None where a figure could not be had."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from dliflow.analysis import columns
from dliflow.analysis.rows import Rows
from dliflow.errors import DliflowError
from dliflow.files import read_json
from dliflow.study import paths

CONFIGURATION, SETTING, POINT = columns.CONFIGURATION, columns.SETTING, columns.POINT

READ: dict[str, Callable[[str], Any]] = {
    columns.TEXT: lambda text: sys.intern(columns.meant(text)),  # the same few texts stand in thousands of rows
    columns.WHOLE: int,
    columns.NUMBER: float,
    columns.YES_NO: lambda text: {"True": True, "False": False}[text],
}


class Tables(NamedTuple):
    """All tables, each under its file's name."""

    parity: Rows
    accuracy: Rows
    performance: Rows
    measurements: Rows
    comparison: Rows
    rounds: Rows
    profile: Rows
    distributions: Rows
    throughput: Rows
    tuning: Rows
    changes: Rows
    nodes: Rows

    # What is concluded of a large study takes a while, and is kept (`conclusion`): of these rows, not of equal ones.
    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)


def _value(column: columns.Column, text: str) -> Any:
    if text == "":
        return None
    try:
        return READ[column.kind](text)
    except (ValueError, KeyError):
        raise ValueError(f"{column.name}: {text[:60]!r} is no {column.kind}") from None


def table(path: Path) -> Rows:
    """One table. A framework called `null` or a version `5.0` stays the text that it is.

    Raises:
        DliflowError: naming the file and what to do, when it is not the whole table that the job wrote.
    """
    declared = columns.TABLES[path.stem]
    try:
        with open(path, newline="", encoding="utf-8") as stream:
            header, *lines = csv.reader(stream, strict=True)
        if header != columns.names(path.stem) or not _ends_with_its_line(path):
            raise ValueError("its columns are not those of this table, or it ends too early")
        if any(len(line) != len(declared) for line in lines):
            raise ValueError("a line ends too early")
        rows = [{column.name: _value(column, text) for column, text in zip(declared, line)} for line in lines]
    except (ValueError, csv.Error) as error:
        raise DliflowError(f"{path}: empty, half written or edited ({error}); delete it to make it again") from error
    return rows


def _ends_with_its_line(path: Path) -> bool:
    with open(path, "rb") as stream:
        return stream.read()[-1:] == b"\n"


def tables(folder: Path) -> Tables:
    """All of them, from the folder where they lie."""
    return Tables(*(table(folder / f"{name}.csv") for name in Tables._fields))


def about(folder: Path) -> dict[str, Any]:
    """What the study asked for, and of what models and images: from the folder of the tables."""
    content: dict[str, Any] = read_json(folder / Path(paths.ABOUT).name)
    return content


def records(folder: Path) -> dict[str, str]:
    """The digests of the records that the tables were made of, by path; none where the study is not finished."""
    mark = folder / Path(paths.MARKS["tables"]).name
    return read_json(mark)["made_of"] if mark.exists() else {}
