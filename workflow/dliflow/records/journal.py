"""Work that goes on where it was stopped: records of fixed size, appended to a file under a key."""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import json
import os
import platform
import shutil
import time
import zlib
from pathlib import Path
from types import TracebackType
from typing import Any, Optional

import numpy as np

from dliflow import progress
from dliflow.errors import DliflowError
from dliflow.files import is_at, read_json, write_json
from dliflow.machine import lock, process

EVERY_S = 3.0
LOCK = "lock"


class Journal:
    """An append-only file in a folder of its own, beside what the work will end in.

    `state.json` there tells the key, how many records lie safely on the disk, and their checksum. It is replaced after
    them, so a kill at any moment loses a few seconds and damages nothing. With another key, or when the records are not
    those that the state speaks of, the folder is emptied. As long as a journal is open no other process can open it;
    on a file system without locks it can, which is told.
    """

    def __init__(self, folder: Path, key: str, dtype: Any):
        """Open or begin. `key` is a digest of everything that decides the records, `dtype` that of one record.

        Raises:
            DliflowError: naming the process that has it open.
        """
        self.folder, self.key, self.dtype = folder, key, np.dtype(dtype)
        self._lock = _locked(folder)
        try:
            self.count, self._checksum = self._earlier_state()
            if not self.count:
                _empty(folder)
            self._stream = open(folder / "records.bin", "ab")  # noqa: SIM115 -- closed on exit
            self._stream.truncate(self.count * self.dtype.itemsize)  # what came after the last state may be torn
        except BaseException:
            os.close(self._lock)
            raise
        self._synced = time.monotonic()

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        """Keep what was added, also when the work ends in an error."""
        try:
            if not self._stream.closed:
                self.sync()
                self._stream.close()
        finally:
            os.close(self._lock)

    def _earlier_state(self) -> tuple[int, int]:
        """How many records of this key an earlier process has left, and their checksum."""
        state_file = self.folder / "state.json"
        try:
            state = read_json(state_file)
            if state["key"] != self.key:
                return 0, 0
            count, checksum = int(state["records"]), int(state["crc32"])
            records = self.folder / "records.bin"
            content = records.read_bytes() if records.is_file() else b""
        except FileNotFoundError:
            return 0, 0
        except (KeyError, TypeError, ValueError, OverflowError):
            progress.say(f"{state_file} is damaged: begins anew")
            return 0, 0
        size = count * self.dtype.itemsize
        if len(content) < size or zlib.crc32(content[:size]) != checksum:
            progress.say(f"{records} is damaged, cut off or gone: begins anew")
            return 0, 0
        return count, checksum

    def restart(self, why: str) -> None:
        """Drop all records, and what else lies in the folder, since they are worth nothing; and say so."""
        progress.say(f"{self.folder}: {why}: begins anew")
        self._stream.close()
        _empty(self.folder)
        self.count = self._checksum = 0
        self._stream = open(self.folder / "records.bin", "ab")  # noqa: SIM115 -- closed on exit

    def records(self) -> np.ndarray:
        """All records so far, in the order in which they were added."""
        self._stream.flush()
        return np.fromfile(self.folder / "records.bin", self.dtype)

    def add(self, records: np.ndarray) -> None:
        """Append records; they are safe after the next `sync`."""
        content = np.asarray(records, self.dtype).tobytes()
        self._stream.write(content)
        self._checksum = zlib.crc32(content, self._checksum)
        self.count += len(records)

    def due(self) -> bool:
        """Whether the last `sync` is some seconds ago."""
        return time.monotonic() - self._synced > EVERY_S

    def sync(self) -> None:
        """Make what was added safe: the records first, then the state that counts them."""
        self._stream.flush()
        os.fsync(self._stream.fileno())
        state = {"key": self.key, "records": self.count, "crc32": self._checksum}
        write_json(self.folder / "state.json", state)
        self._synced = time.monotonic()

    def remove(self) -> None:
        """The work is done, and what it ends in is written: remove the folder, and add nothing more."""
        self._stream.close()
        _take_away(self.folder)


def discard(folder: Path) -> None:
    """Remove a journal of work that nobody wants any more.

    Raises:
        DliflowError: when a process is at work there, naming it.
    """
    descriptor = _locked(folder)
    try:
        _take_away(folder)
    finally:
        os.close(descriptor)


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.name == LOCK:
            continue  # whoever else comes must find this one
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _take_away(folder: Path) -> None:
    """Remove a folder that this process has locked, the lock last: as soon as it is gone another process may come."""
    _empty(folder)
    (folder / LOCK).unlink()
    with contextlib.suppress(OSError):  # one has come
        folder.rmdir()


def _locked(folder: Path) -> int:
    """The descriptor of the folder's lock, held by this process until it closes it or ends."""
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(
            folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666
        )
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise DliflowError(
                    f"{folder}: {_owner(descriptor)} is at work here, on the same result; let it end, or stop it, and "
                    "run this again"
                ) from None
            except OSError as error:
                if error.errno not in lock.UNABLE:
                    raise
                progress.say(f"{folder} cannot be locked ({error.strerror}): let no other run work on this meanwhile")
            if is_at(descriptor, folder / LOCK):
                _sign(descriptor)
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # that of a folder which its owner has removed meanwhile


def _sign(descriptor: int) -> None:
    now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    owner = {"process": os.getpid(), "host": platform.node(), "since": now}
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(owner).encode(), 0)


def _owner(descriptor: int) -> str:
    try:
        owner = json.loads(os.pread(descriptor, 4096, 0))
        holder = f"process {owner['process']}"
        if owner["host"] == platform.node():
            holder = process.named(owner["process"])
        return f"{holder} on {owner['host']}, since {owner['since']},"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
