"""The machine as found, and its lock."""

from __future__ import annotations

import ctypes
import fcntl
import importlib.metadata
import multiprocessing
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from eventually import eventually
from project import ROOT

from dliflow.errors import DliflowError
from dliflow.machine import facts, lock, process, system


def test_the_machine_is_described():
    machine = facts.describe()
    assert machine["cpu"]
    assert 1 <= machine["physical_cores"] <= machine["usable_cpus"] <= machine["logical_cpus"]
    assert machine["memory_mib"] > 100


def test_packages_are_those_that_the_interpreter_itself_tells_of():
    told = sorted((item.metadata["Name"], item.version) for item in importlib.metadata.distributions())
    assert facts.packages() == dict(told) and "numpy" in facts.packages()


def test_memory_that_was_freed_goes_back_to_the_system():
    """In a process of its own, whose heap has holes: glibc keeps all but what is at its end, unless it is asked."""
    code = """
from dliflow.machine import process
blocks = [bytes(1000) for _ in range(100_000)]
kept = blocks[::500]
blocks.clear()
process.give_back()
process.reset_peak()
print(process.peak_rss_mib())
"""
    environment = {**os.environ, "PYTHONPATH": "workflow"}
    child = subprocess.run([sys.executable, "-c", code], env=environment, cwd=ROOT, capture_output=True, text=True)
    if not hasattr(ctypes.CDLL(None), "malloc_trim"):
        pytest.skip("this C library gives memory back when it likes")
    assert float(child.stdout) < 60, child.stderr


def test_peak_memory_is_the_process_s_own():
    ballast = bytearray(400 << 20)
    code = "from dliflow.machine import process; print(process.peak_rss_mib())"
    child = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT / "workflow")},
        capture_output=True,
        text=True,
    )
    assert 1 < float(child.stdout) < 200 < process.peak_rss_mib()
    del ballast


FORK = multiprocessing.get_context("fork")


@pytest.fixture
def own_folder(monkeypatch, tmp_path):
    """The lock is taken on a folder of the test's own, as if that were the machine's."""
    monkeypatch.delenv(lock.TEST_LOCK_FOLDER, raising=False)
    monkeypatch.setattr(lock, "LOCKED_FOLDERS", [tmp_path])


def hold(exclusive, stay, queue):
    with lock.hold(exclusive):
        queue.put(("in", time.monotonic()))
        stay()
        queue.put(("out", time.monotonic()))


def spans(kinds, stay):
    """Who comes in and goes out when, of processes that hold the lock as long as `stay` takes."""
    queue = FORK.Queue()
    processes = [FORK.Process(target=hold, args=(kind, stay, queue)) for kind in kinds]
    for child in processes:
        child.start()
    events = sorted((queue.get(timeout=100) for _ in range(2 * len(kinds))), key=lambda event: event[1])
    for child in processes:
        child.join()
    return [what for what, _ in events]


def test_measurements_never_overlap(own_folder):
    assert spans([True, True, False], lambda: time.sleep(0.3)) == ["in", "out"] * 3


def test_other_jobs_may(own_folder):
    together = FORK.Barrier(2, timeout=60)  # none goes out before the other one is in
    assert spans([False, False], together.wait) == ["in", "in", "out", "out"]


HELD = """
import os, sys
from dliflow.machine import lock
if len(sys.argv) > 1:
    os.setgid(65534), os.setuid(65534)
with lock.hold(exclusive=True):
    print("held", flush=True)
    sys.stdin.read()
"""


def holder(environment, *arguments):
    """A process that asks for the machine as it is, with no folder of the test's own."""
    outside = {name: value for name, value in os.environ.items() if name != lock.TEST_LOCK_FOLDER}
    return subprocess.Popen(
        [sys.executable, "-c", HELD, *arguments],
        env={**outside, "PYTHONPATH": str(ROOT / "workflow"), **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def excluded(first, second):
    """Let one hold the machine, and another one come: who it was, and what the other one said while it waited.

    Args:
        first: the arguments of `holder`, `second` likewise.
    """
    processes = [holder(*first)]
    try:
        assert processes[0].stdout.readline() == "held\n"
        processes.append(holder(*second))
        waiting = processes[1].stderr.readline()
        processes[0].communicate("")
        assert processes[1].stdout.readline() == "held\n"
        return processes[0].pid, waiting
    finally:
        for process in processes:
            process.kill()
            process.communicate()


@pytest.fixture
def free_machine():
    """No study is measuring beside the tests, which would be waited for; other tests give the lock back soon."""
    folder = next(folder for folder in lock.LOCKED_FOLDERS if Path(folder).is_dir())

    def free():
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        finally:
            os.close(descriptor)
        return True

    if not eventually(free):
        pytest.skip("a study is measuring on this machine")


def test_the_lock_is_the_machine_s_whatever_the_temporary_folder(free_machine, tmp_path):
    pid, waiting = excluded([{"TMPDIR": str(tmp_path)}], [{}])
    assert f"waiting: this machine is held by process {pid} of " in waiting


@pytest.mark.skipif(os.geteuid() != 0, reason="takes a user who can become another one")
def test_users_exclude_each_other(free_machine):
    for first, second in ([{}, "other"], [{}]), ([{}], [{}, "other"]):
        pid, waiting = excluded(first, second)
        assert f"waiting: this machine is held by process {pid} of {'nobody' if first[1:] else 'root'} (" in waiting


def test_a_system_without_locks_is_told(own_folder, monkeypatch, tmp_path):
    monkeypatch.setattr(lock, "LOCKED_FOLDERS", [tmp_path / "none"])
    message = r"nothing on this machine can be locked, .*none: No such file"
    with pytest.raises(DliflowError, match=message), lock.hold(exclusive=True):
        pass


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
    monkeypatch.setattr(system, "read", files.get)
    assert (facts.cpu_quota(), facts.memory_limit()) == expected


def test_a_process_knows_its_age():
    assert 0 < process.age_ms() < 86_400_000


@pytest.mark.parametrize(
    ("available_kib", "limit", "expected"),
    [(4 << 20, None, 4096), (4 << 20, "max", 4096), (4 << 20, str(1 << 30), 1024), (None, str(1 << 30), None)],
)
def test_memory_that_processes_can_take_is_what_is_free_within_the_limit(monkeypatch, available_kib, limit, expected):
    monkeypatch.setattr(facts, "memory_info", lambda: {} if available_kib is None else {"MemAvailable": available_kib})
    monkeypatch.setattr(facts, "memory_limit", lambda: limit)
    assert facts.memory_available_mib() == expected
