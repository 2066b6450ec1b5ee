"""The tables as rows: a dict for each, numbers as numbers, None where a figure could not be had."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any, NamedTuple

from dliflow.errors import DliflowError

Row = dict[str, Any]
Rows = list[Row]

# What tells configurations of a model apart, and what one latency figure belongs to.
CONFIGURATION = ("model", "framework", "variant", "precision", "device")
SETTING = ("model", "device", "node", "scenario")
POINT = (*CONFIGURATION, "node", "scenario", "parameters", "batch_size")

TEXT = {
    *("model", "dataset", "framework", "framework_version", "variant", "precision", "device", "node", "scenario"),
    *("parameters", "threads", "status", "reason", "warnings", "baseline", "baseline_reason", "verdict", "stopped_by"),
    "warmup_stopped_by",
    *("published_source", "purpose", "first", "first_version", "second", "second_version", "configuration"),
    *("cpu", "hostname", "finished_at", "record", "launch", "inputs_exceed_cache", "pacer", "missing"),
}
WHOLE = {"batch_size", "images", "repetition", "repetitions", "requests", "threads_in_effect", "model_bytes"}
WHOLE |= {"distinct_batches", "groups", "rounds", "group", "round", "turn"}


class Tables(NamedTuple):
    """All tables, each under its file's name."""

    parity: Rows
    accuracy: Rows
    performance: Rows
    measurements: Rows
    comparison: Rows
    rounds: Rows


def key(row: Row, columns: tuple[str, ...]) -> tuple:
    """The values of these columns."""
    return tuple(row.get(column) for column in columns)


def _value(column: str, text: str) -> Any:
    if text == "":
        return None
    if column in TEXT:
        return text
    return int(float(text)) if column in WHOLE else float(text)


def table(path: Path) -> Rows:
    """One table. A framework called `null` or a version `5.0` stays the text that it is.

    Raises:
        DliflowError: naming the file and what to do, when it is not the whole table that the job wrote.
    """
    try:
        with open(path, newline="", encoding="utf-8") as stream:
            columns, *lines = csv.reader(stream, strict=True)
        rows = [dict(zip(columns, map(_value, columns, line), strict=True)) for line in lines]
        if not {"status", "record"} & set(columns) or not _ends_with_its_line(path):
            raise ValueError("it ends too early")
    except (ValueError, csv.Error) as error:
        raise DliflowError(f"{path}: empty, half written or edited ({error}); delete it to make it again") from error
    return rows


def _ends_with_its_line(path: Path) -> bool:
    with open(path, "rb") as stream:
        return stream.read()[-1:] == b"\n"


def tables(folder: Path) -> Tables:
    """All of them, from the folder where they lie."""
    return Tables(*(table(folder / f"{name}.csv") for name in Tables._fields))
