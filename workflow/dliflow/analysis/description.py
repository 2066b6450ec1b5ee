"""docs/tables.md, made of the declaration of the columns; a test fails where the file is another one.

PYTHONPATH=workflow .venv/bin/python -m dliflow.analysis.description > docs/tables.md
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from dliflow.analysis import columns

TEXTS = Path(__file__).with_name("tables.md")  # what stands around the columns


def table(described: Iterable[columns.Column]) -> str:
    """Columns as a table in Markdown; neighbours that differ in their name only share a line."""
    lines = ["| column | kind | unit | meaning | empty when |", "|---|---|---|---|---|"]
    for alike, group in itertools.groupby(described, lambda column: replace(column, name="")):
        names = ", ".join(f"`{column.name}`" for column in group)
        lines.append(f"| {names} | {alike.kind} | {alike.unit} | {alike.meaning} | {alike.empty} |")
    return "\n".join(lines)


def of(name: str) -> str:
    """The columns of a table, those that it shares with others by name only where it has not all of them."""
    declared = columns.TABLES[name]
    shared = [f"`{column.name}`" for column in columns.SHARED if column in declared]
    these = f"Of the shared columns: {', '.join(shared)}.\n\n" if len(shared) < len(columns.SHARED) else ""
    return these + table(column for column in declared if column not in columns.SHARED)


def text() -> str:
    """The whole page."""
    page = TEXTS.read_text(encoding="utf-8").replace("<!-- shared -->", table(columns.SHARED))
    for name in columns.TABLES:
        page = page.replace(f"<!-- {name} -->", of(name))
    return page


if __name__ == "__main__":
    sys.stdout.write(text())
