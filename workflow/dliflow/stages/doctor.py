"""Say what on this machine makes measurements doubtful, and how to mend it.

    PYTHONPATH=workflow python -m dliflow doctor

Ends with status 1 when something was found. Run it while nothing else runs.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np

from dliflow import disturbance, machine

LISTENING_S = 2.0
ROUNDS = 40


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options: there are none."""


def settings(found: dict[str, Any]) -> list[str]:
    """What the machine's settings are to blame for.

    Args:
        found: as `machine.describe` gives it.
    """
    told = []
    if found["governor"] not in (None, "performance"):
        told.append(
            f"frequency governor '{found['governor']}': frequencies follow the load, so short requests run slower; "
            "sudo cpupower frequency-set -g performance"
        )
    if found["no_turbo"] == "0" or found["boost"] == "1":
        how = "intel_pstate/no_turbo" if found["no_turbo"] == "0" else "cpufreq/boost"
        value = "1" if found["no_turbo"] == "0" else "0"
        told.append(
            "turbo frequencies are on: speed depends on temperature and on how many cores work; for steady figures "
            f"echo {value} | sudo tee /sys/devices/system/cpu/{how}"
        )
    if found["smt"]:
        told.append(
            "simultaneous multithreading is on: two hardware threads share a core; name one of each in "
            "launch.cpus (lscpu --extended), or echo off | sudo tee /sys/devices/system/cpu/smt/control"
        )
    if found["virtualised"]:
        told.append(
            "this is a virtual machine: neighbours on the same host change its speed unseen; measure on real hardware, "
            "or trust only configurations that took turns, and many repetitions"
        )
    if found["usable_cpus"] < found["logical_cpus"]:
        told.append(
            f"only {found['usable_cpus']} of {found['logical_cpus']} processors may be used (affinity): frameworks "
            "that count all of them start too many threads; set threads in the config"
        )
    quota = (found["cgroup_cpu_max"] or "max").split()[0]
    if quota != "max":
        told.append(
            f"a cgroup limits processor time (cpu.max {found['cgroup_cpu_max']}): requests pause when it is spent; "
            "lift the limit (docker run without --cpus; use --cpuset-cpus), and set threads in the config"
        )
    if (found["numa_nodes"] or 1) > 1:
        told.append(
            f"{found['numa_nodes']} NUMA nodes: memory may lie on another one than the threads; set "
            "launch.numa_node in the config"
        )
    if found["swap_used_mib"]:
        told.append(f"{found['swap_used_mib']} MiB are swapped out: pages may come from disk; free memory, swapoff -a")
    available = found["memory_available_mib"]
    if available is not None and available < 2048:
        told.append(f"only {available} MiB of memory are free: large frameworks need up to 2 GiB; free some")
    if found["clock"] not in (None, "tsc", "arch_sys_counter"):
        told.append(f"the clock source is '{found['clock']}': each reading is slow; boot with clocksource=tsc")
    return told


def noise() -> list[str]:
    """What shows in some seconds of listening and probing."""
    told = []
    before = disturbance.snapshot()
    time.sleep(LISTENING_S)
    after = disturbance.between(before, disturbance.snapshot())
    others = after["others_cpu_s"]
    if others is not None and others / after["wall_s"] > 0.05:
        told.append(f"other processes take {others / after['wall_s']:.0%} of one processor just now; stop them (top)")
    if after["steal_s"]:
        told.append(f"the hypervisor took {after['steal_s']:.2f} s within {LISTENING_S:g} s; use another host")
    probes = [disturbance.probe() for _ in range(ROUNDS)]
    for cpu in probes[0]:
        medians = np.array([np.median(probe[cpu]) for probe in probes]) / 1e6
        low, high = np.percentile(medians, [5, 95])
        if high > 1.1 * low:
            told.append(
                f"processor {cpu} changes speed: the same work took {low:.2f} to {high:.2f} ms (5th to 95th "
                f"percentile of {ROUNDS} probes); something shares its core; leave it out of launch.cpus"
            )
    means = [np.mean([np.median(probe[cpu]) for probe in probes]) / 1e6 for cpu in probes[0]]
    if max(means) > 1.1 * min(means):
        told.append(
            f"processors differ: {min(means):.2f} to {max(means):.2f} ms for the same work; name equal ones in "
            "launch.cpus"
        )
    return told


def run(args: argparse.Namespace) -> int:
    """Print what was found; 1 when there was anything."""
    found = machine.describe()
    print(
        f"{found['cpu']}, {found['physical_cores']} cores, {found['usable_cpus']} processors usable, {found['kernel']}"
    )
    told = [*settings(found), *noise()]
    for number, line in enumerate(told, 1):
        print(f"{number}. {line}")
    if not told:
        print("Nothing found that would disturb measurements.")
    return 1 if told else 0
