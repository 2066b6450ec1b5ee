"""Say what makes measurements doubtful on this machine, or is missing, and how to mend it.

What is doubtful for measuring shows in the machine's settings and in some seconds of listening, so run it while nothing
else runs. What is missing is looked for without asking anything of the network.

Exit status: 0 when nothing was found, 1 when something was, 2 when the config is wrong.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from dliflow.commands import CHECKOUT
from dliflow.machine import disturbance, energy, facts
from dliflow.study import config, prerequisites

LISTENING_S = 2.0
ROUNDS = 40
PROBE_BYTES = 1 << 21  # SHA-256 of so much takes one to ten milliseconds
PROBES = 7


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--configfile",
        type=Path,
        nargs="+",
        default=[],
        help="the study that is to run, as Snakemake takes it; without it that of config/config.yaml",
    )


def settings(facts: dict[str, Any]) -> list[str]:
    """What the machine's settings are to blame for.

    Args:
        facts: as `facts.describe` gives it.
    """
    doubts = []
    if facts["governor"] not in (None, "performance"):
        doubts.append(
            f"frequency governor '{facts['governor']}': frequencies follow the load, so short requests run slower; "
            "sudo cpupower frequency-set -g performance"
        )
    if facts["no_turbo"] == "0" or facts["boost"] == "1":
        how = "intel_pstate/no_turbo" if facts["no_turbo"] == "0" else "cpufreq/boost"
        value = "1" if facts["no_turbo"] == "0" else "0"
        doubts.append(
            "turbo frequencies are on: speed depends on temperature and on how many cores work; for steady figures "
            f"echo {value} | sudo tee /sys/devices/system/cpu/{how}"
        )
    if facts["smt"]:
        doubts.append(
            "simultaneous multithreading is on: two hardware threads share a core; name one of each in "
            "launch.cpus (lscpu --extended), or echo off | sudo tee /sys/devices/system/cpu/smt/control"
        )
    if facts["virtualised"]:
        doubts.append(
            "this is a virtual machine: neighbours on the same host change its speed unseen; measure on real hardware, "
            "or trust only what took turns, and many groups"
        )
    if facts["usable_cpus"] < facts["logical_cpus"]:
        doubts.append(
            f"only {facts['usable_cpus']} of {facts['logical_cpus']} processors may be used (affinity): frameworks "
            "that count all of them start too many threads; set threads in the config"
        )
    quota = (facts["cgroup_cpu_max"] or "max").split()[0]
    if quota != "max":
        doubts.append(
            f"a cgroup limits processor time (cpu.max {facts['cgroup_cpu_max']}): requests pause when it is spent; "
            "lift the limit (docker run without --cpus; use --cpuset-cpus), and set threads in the config"
        )
    if (facts["numa_nodes"] or 1) > 1:
        doubts.append(
            f"{facts['numa_nodes']} NUMA nodes: memory may lie on another one than the threads; set "
            "launch.numa_node in the config"
        )
    if facts["swap_used_mib"]:
        doubts.append(
            f"{facts['swap_used_mib']} MiB are swapped out: pages may come from disk; free memory, swapoff -a"
        )
    available = facts["memory_available_mib"]
    if available is not None and available < 2048:
        doubts.append(f"only {available} MiB of memory are free: large frameworks need up to 2 GiB; free some")
    if facts["clock"] not in (None, "tsc", "arch_sys_counter"):
        doubts.append(f"the clock source is '{facts['clock']}': each reading is slow; boot with clocksource=tsc")
    return doubts


def probe() -> dict[str, list[int]]:
    """How fast each processor is just now: ns of a fixed piece of work, some times, on all usable ones at once.

    The work is SHA-256 of two mebibytes, for which the interpreter's lock is released. One core would not do: in
    a virtual machine they slow down one by one.
    """
    block = bytes(PROBE_BYTES)
    durations_by_cpu: dict[str, list[int]] = {}

    def work(cpu: int) -> None:
        os.sched_setaffinity(0, {cpu})  # of this thread alone
        durations = []
        for _ in range(PROBES):
            started = time.perf_counter_ns()
            hashlib.sha256(block).digest()
            durations.append(time.perf_counter_ns() - started)
        durations_by_cpu[str(cpu)] = durations

    workers = [threading.Thread(target=work, args=(cpu,)) for cpu in sorted(os.sched_getaffinity(0))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return dict(sorted(durations_by_cpu.items(), key=lambda item: int(item[0])))


def noise() -> list[str]:
    """What shows in some seconds of listening and probing."""
    doubts = []
    before = disturbance.snapshot()
    time.sleep(LISTENING_S)
    after = disturbance.between(before, disturbance.snapshot())
    others = after["others_cpu_s"]
    share = (others or 0.0) / after["wall_s"]
    if share > 0.05:
        doubts.append(f"other processes take {100 * share:.0f} % of one processor just now; stop them (top)")
    if after["steal_s"]:
        doubts.append(f"the hypervisor took {after['steal_s']:.2f} s within {LISTENING_S:g} s; use another host")
    probes = [probe() for _ in range(ROUNDS)]
    for cpu in probes[0]:
        medians = np.array([np.median(probe[cpu]) for probe in probes]) / 1e6
        low, high = np.percentile(medians, [5, 95])
        if high > 1.1 * low:
            doubts.append(
                f"processor {cpu} changes speed: the same work took {low:.2f} to {high:.2f} ms (5th to 95th "
                f"percentile of {ROUNDS} probes); something shares its core; leave it out of launch.cpus"
            )
    means = [np.mean([np.median(probe[cpu]) for probe in probes]) / 1e6 for cpu in probes[0]]
    if max(means) > 1.1 * min(means):
        doubts.append(
            f"processors differ: {min(means):.2f} to {max(means):.2f} ms for the same work; name equal ones in "
            "launch.cpus"
        )
    return doubts


def printed(heading: str, findings: list[str]) -> None:
    """Print findings, numbered below their heading."""
    print(f"\n{heading}:" if findings else f"\n{heading}: nothing", flush=True)
    for number, line in enumerate(findings, 1):
        print(f"{number:>3}. {line}", flush=True)


def run(args: argparse.Namespace) -> int:
    """Print what was found; 1 when there was anything."""
    study = config.of_files(args.configfile, CHECKOUT)
    machine = facts.describe()
    cores, usable = machine["physical_cores"], machine["usable_cpus"]
    print(f"Machine: {machine['cpu']}, {cores} cores, {usable} processors usable, Linux {machine['kernel']}")
    print(f"Frameworks: {', '.join(study['frameworks'])}")
    print(f"Energy of a request: {energy.told()}")
    print(f"Packages come from {prerequisites.index()[0]}")
    missing = prerequisites.missing(study, CHECKOUT)
    printed("Missing, and what needs it", missing)
    doubtful = [*settings(machine), *noise()]
    printed("Doubtful for measuring", doubtful)
    return 1 if missing or doubtful else 0
