"""Parquet: each table with the declared types, gaps as nulls, and its columns' units and meanings in the file."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import Optional

import duckdb

from dliflow.analysis import columns
from dliflow.files import replacing

TYPES = {columns.TEXT: "VARCHAR", columns.WHOLE: "BIGINT", columns.NUMBER: "DOUBLE", columns.YES_NO: "BOOLEAN"}
KEY = "dliflow"  # of the file's metadata: JSON, a list of the declared columns


def literal(text: str) -> str:
    """A text in SQL, for the places where no parameter may stand."""
    return "'" + text.replace("'", "''") + "'"


def file(path: Path) -> str:
    """A path in SQL that is read: of this file alone, whatever its name would mean as a pattern."""
    return literal(re.sub(r"[*?\[]", r"[\g<0>]", str(path)))


def write(table: str, source: Path, out: Path, node: Optional[str] = None) -> None:
    """Write a table as Parquet.

    Args:
        table: its name.
        source: its CSV file.
        out: the file to write.
        node: whose rows are written; those of all when absent.
    """
    declared = columns.TABLES[table]
    types = ", ".join(f"{literal(column.name)}: {literal(TYPES[column.kind])}" for column in declared)
    described = json.dumps([asdict(column) for column in declared], ensure_ascii=False)
    # All is said, so that nothing is guessed: a framework called `null` or a version 5.0 stays the text that it is.
    read = (
        f"read_csv({file(source)}, columns = {{{types}}}, auto_detect = false, header = true, delim = ',', "
        "quote = '\"', escape = '\"', nullstr = '', parallel = false)"
    )
    rows = read if node is None else f"{read} WHERE node = {literal(node)}"
    with replacing(out) as scratch, duckdb.connect(":memory:") as connection:
        connection.execute(
            # All that is put in is a literal, in a database in memory.
            f"COPY (SELECT * FROM {rows}) TO {literal(str(scratch))} "  # nosec B608
            f"(FORMAT parquet, COMPRESSION zstd, KV_METADATA {{{KEY}: {literal(described)}}})"
        )
