"""Tables for papers in Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dliflow.files import write_text
from dliflow.report.exports.papers import Table

ESCAPES = str.maketrans({letter: f"\\{letter}" for letter in "\\`*_|<~#"})


def escaped(text: str) -> str:
    """A text that is shown as it is."""
    return text.translate(ESCAPES)


def line(cells: Sequence[str]) -> str:
    """One line of a table."""
    return f"| {' | '.join(map(escaped, cells))} |"


def table(of: Table) -> str:
    """A heading, the table, and the notes below it."""
    aligned = "|".join(["---", *["---:"] * (len(of.header) - 1)])
    lines = [line(of.header), f"|{aligned}|", *map(line, of.rows)]
    return "\n\n".join([f"### {escaped(of.title)}", "\n".join(lines), escaped(" ".join(of.notes))])


def write(tables: Sequence[Table], out: Path) -> None:
    """Write tables into one file."""
    write_text(out, "\n\n".join(map(table, tables)) + "\n" if tables else "No figures.\n")
