"""Child processes that do not outlive those for whom they work (Linux)."""

from __future__ import annotations

import ctypes
import os
import select
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

from dliflow.machine import process

PR_SET_PDEATHSIG = 1  # from <sys/prctl.h>
LOOK_EVERY_S = 2.0  # on kernels before 5.3, which cannot tell when a process ends

# By this variable Snakemake tells its jobs which process is the one that they work for, as `written` gives it.
WORKFLOW = "DLIFLOW_WORKFLOW"


def dying_with_parent(number: int = signal.SIGKILL) -> Callable[[], None]:
    """What a child is to call before it becomes the program: then it is killed when this process, its parent, dies.

    Args:
        number: the signal that it gets.
    """
    parent = os.getpid()
    libc = ctypes.CDLL(None)  # before the fork, after which little is safe

    def tie() -> None:
        libc.prctl(PR_SET_PDEATHSIG, number)
        if os.getppid() != parent:  # it has died meanwhile
            os.kill(os.getpid(), number)

    return tie


def written(pid: int) -> str:
    """A process as text that no later process will have: its number, its start, and where that number holds."""
    return f"{pid} {process.started(pid)} {_namespace()}"


def _namespace() -> str:
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return "unknown"


def wait_for_end(text: str) -> None:
    """Sleep until the process that `written` told of has ended.

    One that counts in another namespace of process numbers cannot be seen from here: then this sleeps for ever.
    """
    number, _, namespace = text.split(" ", 2)
    if namespace != _namespace():
        threading.Event().wait()
    pid = int(number)
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    except (OSError, AttributeError):  # a kernel before 5.3, or a Python that was built on one
        while written(pid) == text:
            time.sleep(LOOK_EVERY_S)
        return
    if written(pid) == text:  # else the number has gone to a later process
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        poll.poll()
    os.close(descriptor)
