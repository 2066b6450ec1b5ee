"""One workbook: a sheet for each table, and one on what the columns mean.

Each cell is written as what its column is declared to be, so that no text ever becomes a formula, a link or a number.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from dliflow.analysis import columns
from dliflow.analysis.columns import Column
from dliflow.analysis.rows import Rows
from dliflow.files import replacing
from dliflow.report.read import Tables

GENERAL = "General"
FORMATS = {  # of numbers, by their unit
    **{
        "ms": "#,##0.000",
        "s": "#,##0.0",
        "images/s": "#,##0.0",
        "MiB": "#,##0.0",
        "µs": "#,##0.0",
        "mJ": "#,##0.0",
        "bytes": "#,##0",
    },
    **{"share": "0.0%", "probability": "0.000", "ratio": "0.000", "score": "0.0E+00"},
    **{"count": "#,##0", "images": "#,##0", columns.MIXED: GENERAL},
}
ROWS, CHARACTERS = 1_048_575, 32_767  # that a sheet, below its header, and a cell can hold
LEGEND = "columns"
WIDEST, LETTER, MARGIN = 360, 7, 20  # pixels of a column at most, of a letter, and beside the text
SEEN = 200  # rows by which the width of a column is chosen
BOLD = {"bold": True, "bottom": 1}


def shortened(text: str) -> str:
    """A text that a cell can hold."""
    return text if len(text) <= CHARACTERS else text[: CHARACTERS - 1] + "…"


def writers(sheet: Worksheet, quoted: Format) -> dict[str, Callable[[int, int, Any, Format], Any]]:
    """By kind of column, what writes a value into a cell.

    Args:
        quoted: the format of a text that would be taken for a formula.
    """

    def text(row: int, place: int, value: str, form: Format) -> None:
        sheet.write_string(row, place, shortened(value), quoted if value.startswith(columns.FORMULA) else form)

    return {
        columns.TEXT: text,
        columns.WHOLE: sheet.write_number,
        columns.NUMBER: sheet.write_number,
        columns.YES_NO: sheet.write_boolean,
    }


def note(column: Column) -> str:
    """What stands beside a column's name."""
    unit = f"[{column.unit}] " if column.unit else ""
    return f"{unit}{column.meaning}. Empty: {column.empty}.".replace("`", "")


def header(sheet: Worksheet, names: list[str], lines: int, bold: Format) -> None:
    """Names that stay in sight, and by which a sheet can be filtered.

    Args:
        lines: below the header.
    """
    for place, name in enumerate(names):
        sheet.write_string(0, place, name, bold)
    sheet.freeze_panes(1, 0)
    sheet.autofilter(0, 0, max(lines, 1), len(names) - 1)


def fit(sheet: Worksheet, names: list[str], lines: Sequence[Sequence[Any]]) -> None:
    """Columns as wide as what stands in them."""
    for place, cells in enumerate(zip(names, *lines)):
        longest = max(len(f"{cell:,.3f}" if isinstance(cell, float) else str(cell)) for cell in cells)
        sheet.set_column_pixels(place, place, min(WIDEST, LETTER * longest + MARGIN))


def fill(book: xlsxwriter.Workbook, table: str, rows: Rows, bold: Format, quoted: Format) -> None:
    """The sheet of a table."""
    declared, sheet, shown = columns.TABLES[table], book.add_worksheet(table), rows[:ROWS]
    fit(sheet, columns.names(table), [[row[column.name] for column in declared] for row in shown[:SEEN]])
    header(sheet, columns.names(table), len(shown), bold)
    for place, column in enumerate(declared):
        sheet.write_comment(0, place, note(column), {"x_scale": 2.5})
    write = writers(sheet, quoted)
    forms = [book.add_format({"num_format": FORMATS.get(column.unit, GENERAL)}) for column in declared]
    for line, row in enumerate(shown, 1):
        for place, column in enumerate(declared):
            if row[column.name] is not None:
                write[column.kind](line, place, row[column.name], forms[place])


def legend(book: xlsxwriter.Workbook, tables: dict[str, Rows], bold: Format) -> None:
    """The sheet that tells what stands in the others."""
    sheet = book.add_worksheet(LEGEND)
    lines = []
    for table, rows in tables.items():
        cut = f"{len(rows):,} rows, of which a sheet holds the first {ROWS:,}; {table}.parquet has all"
        lines += [(table, "", "", "", cut, "")] if len(rows) > ROWS else []
        lines += [
            (table, column.name, column.kind, column.unit, column.meaning, column.empty)
            for column in columns.TABLES[table]
        ]
    names = ["table", "column", "kind", "unit", "meaning", "empty when"]
    fit(sheet, names, lines)
    header(sheet, names, len(lines), bold)
    for line, cells in enumerate(lines, 1):
        for place, text in enumerate(cells):
            sheet.write_string(line, place, text.replace("`", ""))


def write(tables: Tables, out: Path) -> None:
    """Write the workbook of all tables."""
    by_name = tables._asdict()
    with replacing(out) as scratch:
        # Row after row goes to the file: the cells of a large study would take gigabytes of memory.
        book = xlsxwriter.Workbook(str(scratch), {"nan_inf_to_errors": True, "constant_memory": True})
        bold, quoted = book.add_format(BOLD), book.add_format({"quote_prefix": True})
        for table, rows in by_name.items():
            fill(book, table, rows, bold, quoted)
        legend(book, by_name, bold)
        book.close()
