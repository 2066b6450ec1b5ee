"""The small JSON files that jobs and runs leave beside their logs, read whatever became of them.

A killed machine or a full disk leaves them empty or half written. They explain results but are none, so one of them
must not stop anything.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Optional

from dliflow.files import read_json


def read(path: Path, *kinds: tuple[str, type | tuple[type, ...]]) -> Optional[dict[str, Any]]:
    """The object in a file; None, with a line on stderr, when that is damaged.

    Args:
        kinds: keys that it must have, each with the type of its value.
    """
    try:
        note = read_json(path)
    except FileNotFoundError:
        return None  # removed meanwhile by the job that it belongs to
    except (ValueError, OSError):  # a UnicodeDecodeError is a ValueError too
        note = None
    if isinstance(note, dict) and all(isinstance(note.get(key), kind) for key, kind in kinds):
        return note
    print(f"{path}: empty or half written, so it is left out; delete it", file=sys.stderr, flush=True)
    return None


def failure(path: Path) -> Optional[dict[str, Any]]:
    """What a `*.failed.json` tells: `stage`, `reason`, `output_tail`; None where there is no such file.

    One that cannot be read still says that the job failed.
    """
    if not path.exists():
        return None
    note = read(path, ("stage", str), ("reason", str))
    log = str(path).replace(".failed.json", ".log")
    lost = f"the job failed, but {path}, which holds the reason, is empty or half written; its log is {log}"
    return note or {"stage": "unknown", "reason": lost}


def timing(path: Path) -> Optional[dict[str, Any]]:
    """What a `*.time.json` tells: `stage`, `started`, `seconds`."""
    number = (int, float)
    return read(path, ("stage", str), ("started", number), ("seconds", number))


def run(path: Path) -> Optional[dict[str, Any]]:
    """What `run.json` tells: `started`, `command`."""
    return read(path, ("started", (int, float)))
