"""Marks of what is complete: written last, and only by a rule's own job.

What the end of a failed run writes lies at the same places without them: a file there is no sign of a finished study.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from dliflow.files import sha256, write_json


def write(mark: Path, sources: Iterable[str | Path]) -> None:
    """Say of which files, by checksum, what lies beside the mark was made."""
    write_json(mark, {"made_of": {str(path): sha256(Path(path)) for path in sources}})


def remove(marks: Iterable[str | Path]) -> None:
    """Take marks away; those that are not there count as taken away."""
    for mark in marks:
        Path(mark).unlink(missing_ok=True)
