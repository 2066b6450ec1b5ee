"""What happened to a process, and beside it, while it measured (Linux)."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Sequence
from typing import Any

from dliflow.machine import process


def _processor_times() -> dict[str, float] | None:
    """Seconds that the usable processors spent busy, and that the host took away, since boot; proc(5), /proc/stat."""
    usable = {f"cpu{cpu}" for cpu in os.sched_getaffinity(0)}
    try:
        with open("/proc/stat", encoding="ascii") as stream:
            lines = [line.split() for line in stream]
        fields = [[int(field) for field in line[1:9]] for line in lines if line[0] in usable]
    except (OSError, ValueError):
        return None
    if len(fields) < len(usable):
        return None
    tick = os.sysconf("SC_CLK_TCK")
    user, nice, system, _, _, interrupts, soft_interrupts, steal = map(sum, zip(*fields))
    return {"busy_s": (user + nice + system + interrupts + soft_interrupts) / tick, "steal_s": steal / tick}


def frequencies_mhz() -> dict[str, float]:
    """The present frequency of each processor that this process may use; empty where the system does not tell."""
    frequencies = {}
    for cpu in sorted(os.sched_getaffinity(0)):
        try:
            with open(f"/sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_cur_freq", encoding="ascii") as stream:
                frequencies[str(cpu)] = int(stream.read()) / 1e3
        except (OSError, ValueError):
            continue
    return frequencies


def process_counters() -> dict[str, float]:
    """Counters of this process alone, with all its threads; what came between two of them is their difference."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "wall_s": time.monotonic(),
        "own_cpu_s": usage.ru_utime + usage.ru_stime,
        "involuntary_switches": usage.ru_nivcsw,
        "major_faults": usage.ru_majflt,
        "minor_faults": usage.ru_minflt,
    }


def snapshot(helpers: Sequence[int] = ()) -> dict[str, Any]:
    """Counters of this process and of the machine, to be given to `between`.

    Args:
        helpers: processes that work for this one, by their ids; their time, and that of what they have started, is not
            that of others.
    """
    working = [each for helper in helpers for each in (helper, *process.descendants(helper))]
    return {
        "own": process_counters(),
        # User and system, its own and of children that it has waited for.
        "helpers_s": sum(sum(process.seconds(each, 14, 15, 16, 17)) for each in working),
        "processors": _processor_times(),
        "frequencies_mhz": frequencies_mhz(),
    }


def between(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """What came between two snapshots.

    `others_cpu_s` is processor time of everything but this process and its helpers, in seconds over the processors
    that it may use (a clock tick of each, usually 10 ms, is its resolution); `steal_s` what a hypervisor gave to
    others. None where the system does not tell.
    """
    of_process = {name: after["own"][name] - value for name, value in before["own"].items()}
    known_s = of_process["own_cpu_s"] + after["helpers_s"] - before["helpers_s"]
    first, last = before["processors"], after["processors"]
    processors_read = first is not None and last is not None
    return {
        **of_process,
        "others_cpu_s": max(0.0, last["busy_s"] - first["busy_s"] - known_s) if processors_read else None,
        "steal_s": last["steal_s"] - first["steal_s"] if processors_read else None,
        "frequencies_before_mhz": before["frequencies_mhz"],
        "frequencies_after_mhz": after["frequencies_mhz"],
    }
