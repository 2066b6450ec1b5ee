"""Processes as the kernel tells of them: memory, times, names (Linux)."""

from __future__ import annotations

import contextlib
import ctypes
import os
import pwd
import signal
import time
from pathlib import Path

from dliflow.machine import system


def peak_rss_mib(pid: int | str = "self") -> float | None:
    """Peak resident memory of a process, by default of this one, in MiB.

    From VmHWM, which starts anew with each program; `ru_maxrss` would carry over the parent's peak.
    """
    for line in (system.read(f"/proc/{pid}/status") or "").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return None


def reset_peak(pid: int | str = "self") -> None:
    """Let `peak_rss_mib` begin anew with what is resident now; nothing where the system does not allow it (proc(5))."""
    with contextlib.suppress(OSError):
        Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")


def give_back() -> None:
    """Give memory that was freed back to the system, where the C library can: glibc keeps it (malloc_trim(3)).

    A peak that begins anew would count it otherwise, though nothing needs it any more.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def descendants(pid: int) -> list[int]:
    """The processes that a process has started, and those that they have; none where the system does not tell."""
    texts = [system.read(str(path)) or "" for path in Path(f"/proc/{pid}/task").glob("*/children")]
    children = [int(child) for text in texts for child in text.split()]
    return [each for child in children for each in (child, *descendants(child))]


def groups(session: int) -> set[int]:
    """The process groups of a session."""
    members = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended
            group, of = path.read_bytes().rpartition(b")")[2].split()[2:4]
            members |= {int(group)} if int(of) == session else set()
    return members


def seconds(process: int | str, *fields: int) -> list[float]:
    """Times of a process, or of `self`, that the kernel counts in clock ticks, usually of 10 ms.

    Args:
        fields: their numbers in /proc/PID/stat, as proc(5) has them: from 3 on.
    """
    text = Path(f"/proc/{process}/stat").read_text(encoding="utf-8")
    values = text.rpartition(")")[2].split()  # the name before it may hold blanks
    return [int(values[field - 3]) / os.sysconf("SC_CLK_TCK") for field in fields]


def age_ms() -> float | None:
    """How long ago this process was started, in ms, to a clock tick; None where the system does not tell."""
    try:
        (started,) = seconds("self", 22)
    except OSError:
        return None
    return (time.clock_gettime(time.CLOCK_BOOTTIME) - started) * 1e3


def signal_name(number: int) -> str:
    """A signal's name, or its number where it has none: real-time signals are numbers."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def named(pid: int) -> str:
    """A process in words: its number, its user and the beginning of its command."""
    try:
        number = Path(f"/proc/{pid}").stat().st_uid
        command = " ".join(Path(f"/proc/{pid}/cmdline").read_text(errors="replace").replace("\0", " ").split())
    except OSError:
        return f"process {pid}"
    try:
        user = pwd.getpwuid(number).pw_name
    except KeyError:
        user = f"user {number}"
    return f"process {pid} of {user} ({command[:100]})"


def started(pid: int | str) -> float | None:
    """When a process was started, seconds after the machine was; with its number it tells it from all others."""
    try:
        return seconds(pid, 22)[0]
    except (OSError, IndexError):
        return None
