"""What is in a collection: its studies, their marks, and their tables, which DuckDB reads.

All that is read is checked: against the schema, against the folder's name, against the checksums in study.json.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Optional

import duckdb

from dliflow import integrity
from dliflow.analysis import columns
from dliflow.analysis.rows import Row, Rows
from dliflow.collection import entry
from dliflow.errors import DliflowError
from dliflow.report.exports import parquet
from dliflow.report.strain import without_advice
from dliflow.wording import suggestion

MACHINE = re.compile(r"[0-9a-f]{12}")
INVALID = "invalid.json"
SUMMARY = "page/summary.json"
FILE, PLACE = "file of the row", "file_row_number"  # columns that no table has; DuckDB names the second one
# What was so in every study of before a column told of it.
ALWAYS = {"api": "python", "settings": "{}"}


class Entry(NamedTuple):
    """A study of a collection."""

    folder: Path
    content: dict[str, Any]
    """Of its study.json."""
    invalid: Optional[str]
    """Why it is not to be used; None where it is."""

    @property
    def path(self) -> str:
        """Its folder from the collection's, as people type it."""
        return f"{self.folder.parent.name}/{self.folder.name}"


def entries(collection: Path) -> list[Entry]:
    """All studies, from the oldest on.

    Raises:
        DliflowError: when there is none, or when one is not whole.
    """
    machines = [machine for machine in _folders(collection) if MACHINE.fullmatch(machine.name)]
    every = [each for machine in machines for each in of_machine(machine)]
    if not every:
        raise DliflowError(f"{collection}: there are no studies; add one: ./dliflow publish {collection}")
    return sorted(every, key=lambda each: (each.content["last"], each.path))


def of_machine(folder: Path) -> list[Entry]:
    """The studies in the folder of a machine; none where there is no such folder."""
    return [entry_of(each) for each in _folders(folder)]


def _folders(parent: Path) -> list[Path]:
    """Those that do not begin with a dot, as what is being written does."""
    if not parent.is_dir():
        return []
    return sorted(path for path in parent.iterdir() if path.is_dir() and not path.name.startswith("."))


def _json(path: Path) -> Any:
    """Of a file of a collection.

    Raises:
        DliflowError: when there is none, or none that is JSON.
    """
    try:
        return json.loads(path.read_bytes().decode("utf-8"))
    except FileNotFoundError:
        raise DliflowError(f"{path.parent}: has no {path.name}, so it is no study; {entry.REMEDY}") from None
    except (ValueError, OSError) as error:
        raise DliflowError(f"{path}: is damaged ({error}); {entry.REMEDY}") from None


def entry_of(folder: Path) -> Entry:
    """The study in a folder.

    Raises:
        DliflowError: when it is damaged, of a newer dliflow, or lies under another name than its own.
    """
    content = entry.check(_json(folder / entry.FILE), folder / entry.FILE)
    own = f"{content['fingerprint']}/{content['name']}"
    found = Entry(folder, content, _reason(folder / INVALID))
    if own != found.path:
        raise DliflowError(f"{folder}: was renamed: by its {entry.FILE} it is {own}; give it that name again")
    return found


def _reason(mark: Path) -> Optional[str]:
    """Why a study is invalid."""
    if not os.path.lexists(mark):
        return None
    content = _json(mark)
    if not isinstance(content, dict) or not isinstance(content.get("reason"), str):
        raise DliflowError(f'{mark}: holds no reason; right would be {{"schema": 1, "reason": "why"}}')
    reason: str = content["reason"]
    return reason


def doubt(of: Entry) -> str:
    """What its page says of a machine that was too busy to measure on, before any figure; empty where nothing."""
    complaints = _json(of.folder / SUMMARY).get("doubts", {}).get("machine", ())  # the first collections have none
    return ". ".join(map(without_advice, complaints))


def chosen(collection: Path, path: str) -> Entry:
    """The study of this path (`FINGERPRINT/NAME`), or of this name where only one has it.

    Raises:
        DliflowError: naming those that may be meant.
    """
    every = entries(collection)
    fitting = [each for each in every if path in (each.path, each.folder.name)]
    if len(fitting) > 1:
        raise DliflowError(f"{path}: is the name of {len(fitting)} studies: {', '.join(each.path for each in fitting)}")
    if not fitting:
        raise DliflowError(f"{path}: there is no such study{suggestion(path, [each.path for each in every])}")
    return fitting[0]


def mark_invalid(of: Entry, reason: str) -> bool:
    """Say why a study is not to be used; False when that stood there already.

    Raises:
        DliflowError: when it is marked with another reason, or cannot be marked.
    """
    if not reason.strip():
        raise DliflowError("REASON is empty; right would be why the study is not to be used")
    if of.invalid is not None:
        if of.invalid == reason:
            return False
        raise DliflowError(f"{of.path}: is marked already, and marks stay: {of.invalid}")
    mark = of.folder / INVALID
    content = {"schema": 1, "reason": reason, "marked_at": time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime())}
    try:
        with tempfile.TemporaryDirectory(prefix=f".{mark.name}.", dir=mark.parent) as folder:
            scratch = Path(folder, mark.name)
            scratch.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
            os.link(scratch, mark)  # unlike a renaming, it never replaces the mark of somebody who was first
    except OSError as error:
        raise DliflowError(f"{mark}: {error.strerror}; it is not marked") from error
    return True


def verify(of: Entry, beginning: str = "") -> None:
    """Refuse files that are gone or damaged.

    Args:
        beginning: of the paths of those that are looked at.
    """
    files = {name: digest for name, digest in of.content["files"].items() if name.startswith(beginning)}
    integrity.verify(of.folder, files, entry.REMEDY)


def rows(studies: Sequence[Entry], table: str, names: Optional[Sequence[str]] = None) -> list[Rows]:
    """The rows of a table, of each of these studies; a column that a study does not have yet is None, or what it was.

    Args:
        names: of the columns; all when absent.

    Raises:
        DliflowError: when a file is gone or damaged.
    """
    if not studies:
        return []
    for each in studies:
        verify(each, f"tables/{table}.parquet")
    files = [each.folder / f"tables/{table}.parquet" for each in studies]
    wanted = columns.names(table) if names is None else list(names)
    with duckdb.connect(":memory:") as connection:
        every = connection.sql(
            # All that is put in is a literal, in a database in memory.
            f"SELECT * FROM read_parquet([{', '.join(map(parquet.file, files))}], union_by_name = true, "  # nosec B608
            f"filename = {parquet.literal(FILE)}, {PLACE} = true)"
        )
        there = [name for name in wanted if name in every.columns]
        lines = every.select(*map(duckdb.ColumnExpression, (PLACE, FILE, *there))).order(PLACE).fetchall()
    missing = {name: ALWAYS.get(name) for name in wanted}
    by_file: dict[str, Rows] = {str(file): [] for file in files}
    for _, file, *values in lines:
        by_file[file].append({**missing, **_known(zip(there, values))})
    return list(by_file.values())


def _known(cells: Iterable[tuple[str, Any]]) -> Row:
    """Cells that hold something; in older studies some columns are missing."""
    return {name: value for name, value in cells if value is not None}


def machines(studies: Iterable[Entry]) -> dict[str, dict[str, Any]]:
    """The facts of each machine, by fingerprint."""
    return {each.content["fingerprint"]: each.content["machine"] for each in studies}
