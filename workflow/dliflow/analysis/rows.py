"""Rows of tables: a dict for each, and what several rooms do with them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Row = dict[str, Any]
Rows = list[Row]


def key(row: Row, names: tuple[str, ...]) -> tuple:
    """The values of these columns."""
    return tuple(row.get(name) for name in names)


def grouped(rows: Iterable[Row], columns: tuple[str, ...]) -> dict[tuple, Rows]:
    """Rows by these columns, in the order in which they are met."""
    groups: dict[tuple, Rows] = {}
    for row in rows:
        groups.setdefault(key(row, columns), []).append(row)
    return groups


def usable(performance: Iterable[Row]) -> Rows:
    """Rows of performance.csv whose figures can be believed."""
    return [row for row in performance if row["status"] == "ok" and row["latency_reference_ms"]]
