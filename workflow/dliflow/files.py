"""Files appear whole or not at all; checksums."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import glob
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from dliflow.errors import DliflowError

BLOCK = 1 << 18  # bytes of a file that are read at once
END = 64  # bytes at the end of a file that are not all zeros, whatever its format


def sha256(path: Path) -> str:
    """SHA-256 of a file as lower-case hex."""
    return checksum(path, "sha256")


def checksum(path: Path, algorithm: str) -> str:
    """A file's checksum as lower-case hex, by an algorithm of hashlib."""
    hashed, block = hashlib.new(algorithm, usedforsecurity=False), memoryview(bytearray(BLOCK))
    with open(path, "rb") as stream:  # hashlib.file_digest does the same, from Python 3.11 on
        while size := stream.readinto(block):
            hashed.update(block[:size])
    return hashed.hexdigest()


def digest(value: Any, length: int = 12) -> str:
    """Short, stable digest of a JSON-serialisable value, whatever the order of its keys."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:length]


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; when the block ends well, it is renamed to `path`.

    The block may create a file or a folder there. On an error the temporary one is removed and
    `path` stays as it was. What it has made is on the disk before it has its name, so that a machine that loses its
    power leaves the older one or the new one. What a process that was killed has left of the same is removed.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    _clear(path)
    scratch = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    with _held(scratch, fcntl.LOCK_SH):
        try:
            new = scratch / path.name
            yield new
            if new.is_dir():
                sync_all(new)
                if path.is_dir():
                    path.replace(scratch / "old")  # a folder cannot be renamed onto a full one
            elif new.is_file():
                _sync(new)
            new.replace(path)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def _sync(path: Path) -> None:
    with open(path, "rb") as stream:
        os.fsync(stream.fileno())


def sync_all(folder: Path) -> None:
    """Have all files of a folder on the disk, with what else its file system has to write: one call for thousands."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if ctypes.CDLL(None, use_errno=True).syncfs(descriptor):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(folder))
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _held(folder: Path, kind: int) -> Iterator[bool]:
    """Lock a folder, so that nobody takes it for one that was left behind; whether it could be, without waiting."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        locked = True
    except OSError:  # another process has it, or its file system has no locks
        locked = False
    try:
        yield locked
    finally:
        os.close(descriptor)


def lock_file(path: Path) -> int:
    """Open a file that is there to be locked (flock), and is made where there is none; its descriptor.

    One that another user has made is opened as that user allows: to lock it takes no right to write. A link is not
    followed, since in a folder that others can write to it may lead anywhere.
    """
    flags = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | flags, 0o666)
    except PermissionError:
        if not path.is_file():
            raise  # there is none, and none can be made
        return os.open(path, os.O_RDONLY | flags)


def is_at(descriptor: int, path: Path) -> bool:
    """Whether an open file still lies at a path: whoever held a lock may have removed the file while it was opened."""
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(descriptor), os.lstat(path))
    return False


def _clear(path: Path) -> None:
    """Remove the temporary folders that processes which were killed inside of `replacing(path)` have left."""
    for folder in path.parent.glob(f".{glob.escape(path.name)}.????????"):
        with contextlib.suppress(OSError), _held(folder, fcntl.LOCK_EX) as left:
            if left:
                shutil.rmtree(folder, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    with replacing(path) as scratch:
        scratch.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file whole or not at all; NaN and infinity are refused."""
    write_text(path, json.dumps(value, indent=1, allow_nan=False) + "\n")


class Damaged(DliflowError, ValueError):
    """A file that is not what it was written as: empty, cut off, or of another kind."""


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        FileNotFoundError: when there is none.
        Damaged: when it holds no JSON, or is no file, which would be waited for.
    """
    path = Path(path)
    if path.exists() and not path.is_file():
        raise Damaged(f"{path}: is no regular file; delete it, and it is made again")
    content = path.read_bytes()
    try:
        return json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        how = f"not JSON ({error})" if content.strip(b"\0 \n") else "empty"
        raise Damaged(f"{path}: {how}; delete it, and it is made again") from None


def not_whole(paths: Iterable[str]) -> list[str]:
    """Those of our files that are there but empty, ending in zeros or no files; of JSON also those that are cut off.

    That takes a glance at their end.
    """
    return [path for path in sorted(set(paths)) if os.path.lexists(path) and not _ends_well(Path(path))]


def _ends_well(path: Path) -> bool:
    if not path.is_file():
        return False
    with open(path, "rb") as stream:
        stream.seek(max(0, path.stat().st_size - END))
        end = stream.read()
    if path.suffix != ".json":
        return bool(end.strip(b"\0"))
    if end.endswith(b"\n}\n"):  # as `write_json` ends an object, and nothing inside of it
        return True
    try:
        read_json(path)
    except Damaged:
        return False
    return True


def payload(manifest: str | Path, suffix: str = "") -> Path:
    """What a manifest speaks of: the folder or file of the same name beside it."""
    return Path(manifest).with_suffix(suffix)
