"""Work that goes on where it was stopped: records of fixed size, appended to a file under a key."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Optional

import numpy as np

from dliflow.files import read_json, write_json

EVERY_S = 3.0


class Journal:
    """An append-only file in a folder of its own, beside what the work will end in.

    `state.json` there tells the key and how many records lie safely on the disk. It is replaced after them, so a kill
    at any moment loses a few seconds and damages nothing. With another key the folder is emptied.
    """

    def __init__(self, folder: Path, key: str, dtype: Any):
        """Open or begin. `key` is a digest of everything that decides the records, `dtype` that of one record."""
        self.folder, self.key, self.dtype = folder, key, np.dtype(dtype)
        known = read_json(folder / "state.json") if (folder / "state.json").exists() else {}
        self.count = known["records"] if known.get("key") == key else 0
        if not self.count:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        self._stream = open(folder / "records.bin", "ab")  # noqa: SIM115 -- closed on exit
        self._stream.truncate(self.count * self.dtype.itemsize)  # what came after the last state may be torn
        self._synced = time.monotonic()

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        """Keep what was added, also when the work ends in an error."""
        self.sync()
        self._stream.close()

    def records(self) -> np.ndarray:
        """All records so far, in the order in which they were added."""
        self._stream.flush()
        return np.fromfile(self.folder / "records.bin", self.dtype)

    def add(self, records: np.ndarray) -> None:
        """Append records; they are safe after the next `sync`."""
        self._stream.write(np.asarray(records, self.dtype).tobytes())
        self.count += len(records)

    def due(self) -> bool:
        """Whether the last `sync` is some seconds ago."""
        return time.monotonic() - self._synced > EVERY_S

    def sync(self) -> None:
        """Make what was added safe: the records first, then the state that counts them."""
        self._stream.flush()
        os.fsync(self._stream.fileno())
        write_json(self.folder / "state.json", {"key": self.key, "records": self.count})
        self._synced = time.monotonic()

    def remove(self) -> None:
        """The work is done: remove the folder. To be called after the journal was closed."""
        shutil.rmtree(self.folder)
