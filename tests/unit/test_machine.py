"""The machine as found, its lock, and what a measurement may inherit."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import time

import pytest

from dliflow import machine, threads


def test_the_machine_is_described():
    found = machine.describe()
    assert found["cpu"]
    assert 1 <= found["physical_cores"] <= found["usable_cpus"] <= found["logical_cpus"]
    assert found["memory_mib"] > 100


def test_peak_memory_is_the_process_s_own():
    ballast = bytearray(400 << 20)
    code = "from dliflow import machine; print(machine.peak_rss_mib())"
    child = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": "workflow"}, capture_output=True, text=True
    )
    assert 1 < float(child.stdout) < 200 < machine.peak_rss_mib()
    del ballast


def hold(exclusive, seconds, queue):
    with machine.lock(exclusive):
        queue.put((exclusive, "in", time.monotonic()))
        time.sleep(seconds)
        queue.put((exclusive, "out", time.monotonic()))


def spans(kinds, monkeypatch, tmp_path):
    monkeypatch.setattr(machine, "LOCK_FILE", tmp_path / "lock")
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    processes = [context.Process(target=hold, args=(kind, 0.3, queue)) for kind in kinds]
    for process in processes:
        process.start()
    events = sorted((queue.get(timeout=20) for _ in range(2 * len(kinds))), key=lambda event: event[2])
    for process in processes:
        process.join()
    return [what for _, what, _ in events]


def test_measurements_never_overlap(monkeypatch, tmp_path):
    assert spans([True, True, False], monkeypatch, tmp_path) == ["in", "out"] * 3


def test_other_jobs_may(monkeypatch, tmp_path):
    assert spans([False, False], monkeypatch, tmp_path) == ["in", "in", "out", "out"]


def test_inherited_thread_variables_are_taken_out():
    kept, removed = threads.isolated({"PATH": "/bin", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "3"})
    assert kept == {"PATH": "/bin"}
    assert removed == {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "3"}
    assert threads.parse("default") is None
    assert threads.parse("4") == 4


CGROUPS = {
    "version 2": (
        {
            "/proc/self/cgroup": "0::/user.slice/job",
            "/sys/fs/cgroup/user.slice/job/cpu.max": "max 100000",
            "/sys/fs/cgroup/user.slice/cpu.max": "150000 100000",
            "/sys/fs/cgroup/user.slice/job/memory.max": "max",
            "/sys/fs/cgroup/user.slice/memory.max": "1000",
        },
        ("150000 100000", "1000"),
    ),
    "version 1": (
        {
            "/proc/self/cgroup": "4:memory:/a/b\n1:cpu,cpuacct:/c",
            "/sys/fs/cgroup/cpu/c/cpu.cfs_quota_us": "50000",
            "/sys/fs/cgroup/cpu/c/cpu.cfs_period_us": "100000",
            "/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1",
            "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
            "/sys/fs/cgroup/memory/a/b/memory.limit_in_bytes": "9223372036854771712",
            "/sys/fs/cgroup/memory/a/memory.limit_in_bytes": "2000",
        },
        ("50000 100000", "2000"),
    ),
    "unlimited": (
        {
            "/proc/self/cgroup": "0::/",
            "/sys/fs/cgroup/cpu.max": "max 100000",
            "/sys/fs/cgroup/memory.max": "max",
        },
        ("max 100000", "max"),
    ),
    "none": ({}, (None, None)),
}


@pytest.mark.parametrize("name", CGROUPS)
def test_the_tightest_limit_of_all_groups_around_the_process_counts(monkeypatch, name):
    files, expected = CGROUPS[name]
    monkeypatch.setattr(machine, "_read", files.get)
    assert (machine.cpu_quota(), machine.memory_limit()) == expected


def test_a_process_knows_its_age():
    assert 0 < machine.process_age_ms() < 86_400_000
