"""Progress of long jobs: a line every ten seconds, in the job's log and on the terminal of whoever started the run."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from typing import Optional

from dliflow.errors import plain

EVERY_S = 10.0

# Clears the screen from the beginning of the cursor's line on, where the display of a run may stand.
CLEAR = "\r\x1b[J"

# The supervisor hands its own standard error to the stage by this variable: a descriptor's number.
DESCRIPTOR = "DLIFLOW_PROGRESS_FD"

# It hands over an empty file for the reason of a failure, too, apart from the log, in which anybody may write anything:
# the descriptor's number, and which file that is, since a child of the stage may have another one under that number.
REASON = "DLIFLOW_REASON_FD"


def duration(seconds: float) -> str:
    """As people say it: `5 s`, `3 min`, `2 h 2 min`."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def cleared(text: str, descriptor: int) -> str:
    """A text as a job writes it on the terminal, over the display of the run; elsewhere the text alone."""
    return f"{CLEAR}{text}" if os.isatty(descriptor) and os.environ.get("TERM", "dumb") != "dumb" else text


def say(line: str) -> None:
    """Print a line to the job's log and to the terminal."""
    line = plain(line)
    print(line, flush=True)
    if DESCRIPTOR in os.environ:
        with contextlib.suppress(OSError):  # a terminal that is gone must not end the job
            descriptor = int(os.environ[DESCRIPTOR])
            os.write(descriptor, f"{cleared(line, descriptor)}\n".encode())


def place_of(descriptor: int) -> str:
    """A file as the variable `REASON` names it."""
    status = os.fstat(descriptor)
    return f"{descriptor} {status.st_dev} {status.st_ino}"


def tell_reason(reason: str) -> None:
    """Hand the supervisor, where there is one, the reason for which this stage fails."""
    place = os.environ.get(REASON, "")
    with contextlib.suppress(OSError, ValueError):
        descriptor = int(place.partition(" ")[0])
        if place_of(descriptor) == place:
            os.pwrite(descriptor, plain(reason).encode("utf-8"), 0)


def meter(what: str, total: Optional[int], done: int = 0, unit: str = "images") -> Callable[[int], None]:
    """A function to be called with the number of images (or of another unit) done, as often as one likes.

    The first line comes after ten seconds, so short jobs print nothing. Images that were `done` before the job began
    do not count for the rate. A `total` that is not known is None.
    """
    started = shown = time.monotonic()

    def report(count: int) -> None:
        nonlocal shown
        now = time.monotonic()
        if now - shown < EVERY_S or count <= done:
            return
        shown = now
        rate = (count - done) / (now - started)
        of, left = ("", "") if total is None else (f" of {total:,}", f", {duration((total - count) / rate)} left")
        say(f"{what}: {count:,}{of} {unit}, {rate:.3g}/s{left}")

    return report
