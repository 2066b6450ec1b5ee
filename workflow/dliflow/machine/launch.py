"""How a measuring process is launched: on which processors, with whose memory, at what priority (Linux).

The variables of `launch.environment` are given to it when it starts, by the supervisor.

What cannot be met is refused, never approximated: figures from elsewhere than asked would be believed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import threading
import time
from pathlib import Path
from typing import Any, Optional, Union

from dliflow.errors import DliflowError
from dliflow.machine import cpulist, numa

AUTOGROUP = Path("/proc/self/autogroup")
ONLINE = Path("/sys/devices/system/cpu/online")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the option."""
    parser.add_argument(
        "--launch",
        type=json.loads,
        required=True,
        help="JSON: `cpus`, `numa_node`, `priority`, where null leaves as it is, and `environment`",
    )


def normal(asked: dict[str, Any], origin: str) -> dict[str, Any]:
    """The config's `launch` written in one way, `0-3` for `3,0,1,2`, variables sorted: only another choice counts.

    Raises:
        DliflowError: naming `origin`, the key, the value and the fix.
    """
    asked = {**asked, "environment": dict(sorted(asked["environment"].items()))}
    if asked["cpus"] is None:
        return asked
    try:
        return {**asked, "cpus": cpulist.written(cpulist.parse(asked["cpus"]))}
    except ValueError as error:
        raise DliflowError(f"{origin}: launch.cpus: '{asked['cpus']}': {error}") from None


def apply(asked: dict[str, Any]) -> None:
    """Put this process, with all threads that it has and will have, where `asked` says.

    To be called before a framework is imported, whose own number of threads then follows the processors, and before
    the inputs are made, since memory stays where it was first written.

    Args:
        asked: the config's `launch`, as `normal` gives it.

    Raises:
        DliflowError: naming the key, the value and the fix, when this machine does not give it.
    """
    _enter(asked)
    for thread in _threads():  # numpy has started some when it was imported
        with contextlib.suppress(ProcessLookupError):  # ended meanwhile
            if bound(asked) is not None:
                os.sched_setaffinity(thread, os.sched_getaffinity(0))
            if asked["priority"] is not None:
                os.setpriority(os.PRIO_PROCESS, thread, asked["priority"])
    if asked["priority"] is not None and os.getsid(0) == os.getpid():
        _lift_session(asked["priority"])


def check(asked: dict[str, Any]) -> None:
    """Raise what `apply` would on this machine, and change nothing: a thread tries it on itself, and ends."""
    refused: list[DliflowError] = []

    def attempt() -> None:
        try:
            _enter(asked)
        except DliflowError as error:
            refused.append(error)

    thread = threading.Thread(target=attempt)
    thread.start()
    thread.join()
    if refused:
        raise refused[0]


def in_effect(asked: dict[str, Any], pid: Union[int, str] = "self") -> dict[str, Any]:
    """What was asked, and what is in effect now over all threads of a process; to be called after the requests.

    `outside` lists processors that threads may run on though they are not among those asked for: a framework may pin
    its threads as it likes. `session_priority` is the nice value of the process's session, where the kernel groups by
    sessions. What the system does not tell is None.

    Args:
        pid: of the process, by default this one; of a child that has its priority, session and memory policy from here.
    """
    allowed: set[int] = set()
    for thread in _threads(pid):
        with contextlib.suppress(ProcessLookupError):
            allowed |= os.sched_getaffinity(thread)
    wanted = bound(asked)
    effective = {
        "cpus": cpulist.written(allowed),
        "outside": cpulist.written(allowed - wanted) if wanted is not None else "",
        "priority": os.getpriority(os.PRIO_PROCESS, 0),
        "session_priority": _session_priority(),
        "memory": numa.memory_policy(),
    }
    return {"asked": asked, "in_effect": effective}


def _threads(pid: Union[int, str] = "self") -> list[int]:
    return [int(path.name) for path in Path(f"/proc/{pid}/task").iterdir()]


def _enter(asked: dict[str, Any]) -> None:
    """Do it for the calling thread, and what it starts."""
    wanted = bound(asked)
    if wanted is not None:
        _pin(wanted, asked)
    if asked["numa_node"] is not None:
        numa.bind_memory(asked["numa_node"])
    if asked["priority"] is not None:
        _renice(asked["priority"])


def bound(asked: dict[str, Any]) -> Optional[set[int]]:
    """The processors asked for, by number or by node; None for any."""
    cpus = None if asked["cpus"] is None else set(cpulist.parse(asked["cpus"]))
    if asked["numa_node"] is None:
        return cpus
    node = numa.processors(asked["numa_node"])
    if cpus is not None and not cpus <= node:
        raise DliflowError(
            f"launch.cpus: {asked['cpus']}: {cpulist.written(cpus - node)} is not of launch.numa_node "
            f"{asked['numa_node']}, which has {cpulist.written(node)}; name processors of that node, or leave one of "
            "the keys out"
        )
    return node if cpus is None else cpus


def _pin(bound: set[int], asked: dict[str, Any]) -> None:
    """Beyond what is inherited where the kernel allows it: isolated processors are to be had in no other way."""
    before = os.sched_getaffinity(0)
    with contextlib.suppress(OSError):  # not one of them can be had
        os.sched_setaffinity(0, bound)
        if os.sched_getaffinity(0) == bound or asked["cpus"] is None:
            return  # of a node it takes those that a container or batch system leaves
    key, value = (
        ("launch.cpus", asked["cpus"]) if asked["cpus"] is not None else ("launch.numa_node", asked["numa_node"])
    )
    os.sched_setaffinity(0, before)
    raise DliflowError(
        f"{key}: {value}: this process cannot have all of these processors; it has {cpulist.written(before)}, the "
        f"machine {ONLINE.read_text().strip()}. Name others; a container or batch system may have to be asked for more"
    )


def _renice(priority: int) -> None:
    try:
        os.setpriority(os.PRIO_PROCESS, 0, priority)  # of this thread, in Linux
    except PermissionError:
        present = os.getpriority(os.PRIO_PROCESS, 0)
        raise DliflowError(
            f"launch.priority: {priority}: this user may not go below the present nice value, {present}. Raise the "
            "limit ('nice' in /etc/security/limits.conf; docker run --cap-add SYS_NICE), or ask for "
            f"{present} or more"
        ) from None


def _lift_session(priority: int) -> None:
    """Give the session the same nice value.

    Where the kernel groups processes by session (sched(7), autogroup; the default of most distributions) a process's
    own value only counts inside its session, and every measurement is alone in its own.
    """
    if not AUTOGROUP.exists():
        return
    try:
        for last in (False, False, True):
            try:
                AUTOGROUP.write_text(str(priority), encoding="ascii")
                return
            except BlockingIOError:  # all users together get one such change in a tenth of a second
                if last:
                    raise
                time.sleep(0.15)
    except OSError as error:
        raise DliflowError(
            f"launch.priority: {priority}: {AUTOGROUP} refuses it ({error.strerror}), and without it the priority has "
            "no effect; sudo sysctl kernel.sched_autogroup_enabled=0, or leave the key out"
        ) from None


def _session_priority() -> Optional[int]:
    try:
        return int(AUTOGROUP.read_text(encoding="ascii").split()[-1])  # "/autogroup-12 nice 0"
    except (OSError, IndexError, ValueError):
        return None
