"""The lock that keeps measurements alone on the machine, and who holds it (Linux)."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from dliflow.errors import DliflowError
from dliflow.files import is_at, lock_file
from dliflow.machine import process, system

# What the machine's lock is taken on: folders that are there on every Linux, that no user can make, remove or replace,
# and that no variable moves. Nothing is written there. First one in memory, which is this machine's where `/` is not.
LOCKED_FOLDERS = ("/dev/shm", "/run", "/")  # nosec B108


# For the project's own tests, which look at no speed and run side by side: the name of a folder that is locked instead.
TEST_LOCK_FOLDER = "DLIFLOW_TEST_LOCK_FOLDER"
# What file systems without locks say.
UNABLE = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL, errno.EBADF)


@contextlib.contextmanager
def hold(exclusive: bool) -> Iterator[int]:
    """Hold the machine: alone for a measurement, shared for everything else; yields the descriptor.

    The lock is one for the whole machine, whoever runs, so that a second, independent run is kept apart too. A child
    that inherits the descriptor keeps the lock when its parent dies, and loses it when the block ends.

    Raises:
        DliflowError: when this system gives no such lock.
    """
    descriptor = _locked(fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH)
    try:
        yield descriptor
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)  # for all who inherited it, such as what a framework left running
        os.close(descriptor)


def _locked(kind: int) -> int:
    refused, chosen = [], os.environ.get(TEST_LOCK_FOLDER)
    for folder in (chosen,) if chosen else LOCKED_FOLDERS:
        try:
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            refused.append(f"{folder}: {error.strerror}")
            continue
        try:
            wait_for(descriptor, kind, "this machine is")
        except OSError as error:  # a file system that has no locks
            os.close(descriptor)
            refused.append(f"{folder}: {error.strerror}")
        except BaseException:
            os.close(descriptor)
            raise
        else:
            return descriptor
    raise DliflowError(f"nothing on this machine can be locked, so measurements could overlap: {'; '.join(refused)}")


def take(path: Path, held: str, wait: bool = True) -> int:
    """Lock a file that is there for that, and is made where there is none; its descriptor, which holds the lock.

    Who holds it may remove the file: whoever has waited for that one takes the next. Not all shared file systems have
    locks; then that is told, and nothing is locked.

    Args:
        held: what the lock is of, and a verb.
        wait: for another process that has it.

    Raises:
        DliflowError: when it is not to be waited for, naming that process.
    """
    while True:
        descriptor = lock_file(path)
        try:
            (wait_for if wait else _at_once)(descriptor, fcntl.LOCK_EX, held)
        except OSError as error:
            if error.errno not in UNABLE:
                os.close(descriptor)
                raise
            print(f"{path} cannot be locked ({error.strerror}): let no other run work on this meanwhile", flush=True)
            return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        if is_at(descriptor, path):
            return descriptor
        os.close(descriptor)


def _at_once(descriptor: int, kind: int, held: str) -> None:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        raise DliflowError(f"{held} held by {_named_holders(descriptor)}; let it end, or stop it") from None


def wait_for(descriptor: int, kind: int, held: str) -> None:
    """Lock an open file, saying first who holds it when that takes a while.

    Args:
        held: what is held, and a verb.
    """
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        print(f"waiting: {held} held by {_named_holders(descriptor)}", file=sys.stderr, flush=True)
        fcntl.flock(descriptor, kind)


def _named_holders(descriptor: int) -> str:
    return " and ".join(holders_of(descriptor)) or "another job"


def holders_of(descriptor: int) -> list[str]:
    """Who holds a lock (flock) on an open file: process, user and command of each, as far as the system tells."""
    status = os.fstat(descriptor)
    file = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    holders = []
    for line in (system.read("/proc/locks") or "").splitlines():
        words = line.split()  # 1: FLOCK  ADVISORY  WRITE 4711 00:19:1 0 EOF; one that waits has an arrow in front
        if words[1:2] == ["FLOCK"] and words[5:6] == [file]:
            holders.append(process.named(int(words[4])))
    return holders
