"""The machine as found, and the lock that keeps measurements alone on it (Linux)."""

from __future__ import annotations

import contextlib
import fcntl
import os
import platform
import pwd
import sys
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

from dliflow.errors import DliflowError

# What the machine's lock is taken on: folders that are there on every Linux, that no user can make, remove or replace,
# and that no variable moves. Nothing is written there. First one in memory, which is this machine's where `/` is not.
LOCKED_FOLDERS = ("/dev/shm", "/run", "/")
# For the project's own tests, which look at no speed and run side by side: the name of a folder that is locked instead.
TEST_LOCK_FOLDER = "DLIFLOW_TEST_LOCK_FOLDER"

# Flags that decide which kernels a framework picks.
TELLING_FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_tile", "amx_int8", "amx_bf16")


def _read(path: str) -> str | None:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return None


def cpu_info() -> dict[str, str]:
    """The first processor's fields in /proc/cpuinfo; empty where there is no such file."""
    text = _read("/proc/cpuinfo") or ""
    pairs = (line.partition(":") for line in text.split("\n\n")[0].splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def physical_cores() -> int:
    """Cores, not hardware threads, among the processors this process may use."""
    cores = set()
    for cpu in os.sched_getaffinity(0):
        siblings = _read(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        cores.add(siblings or str(cpu))
    return len(cores)


def _caches() -> dict[str, str]:
    """Sizes of the first processor's caches: `L1 Data`, `L2 Unified` ... as the kernel writes them (`32K`)."""
    found = {}
    for folder in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        level, kind, size = (_read(str(folder / name)) for name in ("level", "type", "size"))
        if level and kind and size:
            found[f"L{level} {kind}"] = size
    return found


def last_level_cache_bytes() -> int | None:
    """Size of the last-level caches of the processors that this process may use, each counted once."""
    sizes = {}
    for cpu in os.sched_getaffinity(0):
        folders = Path(f"/sys/devices/system/cpu/cpu{cpu}/cache").glob("index*")
        caches = [[_read(str(folder / name)) for name in ("level", "size", "shared_cpu_list")] for folder in folders]
        _, size, sharing = max(caches, key=lambda cache: int(cache[0] or 0), default=(None, None, None))
        if not size or not size.endswith("K"):  # the kernel writes KiB
            return None
        sizes[sharing or str(cpu)] = int(size[:-1]) << 10
    return sum(sizes.values())


def _temperatures() -> dict[str, float]:
    """Degrees Celsius by thermal zone; empty where there are none."""
    found = {}
    for folder in sorted(Path("/sys/class/thermal").glob("thermal_zone*")):
        value = _read(str(folder / "temp"))
        if value and value.lstrip("-").isdigit():
            found[_read(str(folder / "type")) or folder.name] = int(value) / 1000
    return found


def _container() -> str | None:
    """The kind of container that this runs in, as far as it shows."""
    if Path("/.dockerenv").exists():
        return "docker"
    if Path("/run/.containerenv").exists():
        return "podman"
    named = os.environ.get("container")  # noqa: SIM112 - systemd's name for it
    return named or ("singularity" if "SINGULARITY_NAME" in os.environ else None)


def memory_info() -> dict[str, int]:
    """/proc/meminfo in KiB; empty where there is no such file."""
    lines = (line.split() for line in (_read("/proc/meminfo") or "").splitlines())
    return {words[0].rstrip(":"): int(words[1]) for words in lines if len(words) > 1}


def packages() -> dict[str, str]:
    """Versions of every package in this process's environment."""
    from importlib.metadata import distributions

    return dict(sorted((item.metadata["Name"], item.version) for item in distributions()))


def _cgroup_folders(controller: str) -> list[Path]:
    """Where limits on this process lie: its control group's folder and those around it; cgroups(7), both versions."""
    root, found = Path("/sys/fs/cgroup"), []
    for line in (_read("/proc/self/cgroup") or "0::/").splitlines():
        _, names, path = line.split(":", 2)
        if names and controller not in names.split(","):
            continue
        top = root / controller if names else root
        own = Path(f"{top}{path}")
        found += [folder for folder in (own, *own.parents) if folder == top or top in folder.parents]
    return found


def cpu_quota() -> str | None:
    """The tightest processor quota on this process, as cpu.max has it: `200000 100000` is two processors."""
    found = []
    for folder in _cgroup_folders("cpu"):
        quota, period = (_read(str(folder / f"cpu.cfs_{name}_us")) for name in ("quota", "period"))  # version 1
        first = f"{'max' if quota.startswith('-') else quota} {period}" if quota and period else None
        found += [value for value in (_read(str(folder / "cpu.max")), first) if value]
    limits = [value for value in found if not value.startswith("max")]
    return min(limits, key=lambda value: Fraction("/".join(value.split())), default=next(iter(found), None))


def memory_limit() -> str | None:
    """The tightest memory limit on this process in bytes, or `max`."""
    names = ("memory.max", "memory.limit_in_bytes")  # the second one is version 1's
    found = [_read(str(folder / name)) for folder in _cgroup_folders("memory") for name in names]
    told = [value for value in found if value]
    limits = [int(value) for value in told if value != "max" and int(value) < 1 << 62]  # version 1's no limit is beyond
    return str(min(limits)) if limits else "max" if told else None


def describe() -> dict[str, Any]:
    """CPU, memory, limits, kernel and settings that decide speed; what cannot be read is None or empty."""
    cpu = cpu_info()
    flags = set(cpu.get("flags", cpu.get("Features", "")).split())
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    processors, memory = Path("/sys/devices/system/cpu"), memory_info()
    return {
        "hostname": platform.node(),
        "cpu": cpu.get("model name") or platform.processor() or platform.machine(),
        "architecture": platform.machine(),
        "logical_cpus": os.cpu_count(),
        "usable_cpus": len(os.sched_getaffinity(0)),
        "physical_cores": physical_cores(),
        "flags": [flag for flag in TELLING_FLAGS if flag in flags],
        "virtualised": "hypervisor" in flags,
        "governor": _read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "cgroup_cpu_max": cpu_quota(),
        "affinity": sorted(os.sched_getaffinity(0)),
        "smt": {"1": True, "0": False}.get(_read(str(processors / "smt/active")) or ""),
        "caches": _caches(),
        "microcode": cpu.get("microcode"),
        "numa_nodes": len(list(Path("/sys/devices/system/node").glob("node[0-9]*"))) or None,
        "boost": _read(str(processors / "cpufreq/boost")),
        "no_turbo": _read(str(processors / "intel_pstate/no_turbo")),
        "temperatures_c": _temperatures(),
        "container": _container(),
        "clock": _read("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
        "transparent_hugepages": _read("/sys/kernel/mm/transparent_hugepage/enabled"),
        "cgroup_memory_max": memory_limit(),
        "memory_mib": pages >> 20,
        "memory_available_mib": memory["MemAvailable"] >> 10 if "MemAvailable" in memory else None,
        "swap_used_mib": (memory["SwapTotal"] - memory["SwapFree"]) >> 10 if "SwapTotal" in memory else None,
        "load_1min": os.getloadavg()[0],
        "kernel": platform.release(),
        "os": platform.system(),
        "python": sys.version.split()[0],
    }


def has_bf16() -> bool:
    """Whether the CPU has instructions for bf16 (AVX512-BF16, AMX, or ARM's)."""
    cpu = cpu_info()
    flags = set(cpu.get("flags", cpu.get("Features", "")).split())
    return bool(flags & {"avx512_bf16", "amx_bf16", "bf16"})


def peak_rss_mib() -> float | None:
    """Peak resident memory of this process in MiB.

    From VmHWM, which starts anew with each program; `ru_maxrss` would carry over the parent's peak.
    """
    for line in (_read("/proc/self/status") or "").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return None


def process_seconds(process: int | str, *fields: int) -> list[float]:
    """Times of a process, or of `self`, that the kernel counts in clock ticks, usually of 10 ms.

    Args:
        fields: their numbers in /proc/PID/stat, as proc(5) has them: from 3 on.
    """
    text = Path(f"/proc/{process}/stat").read_text(encoding="utf-8")
    values = text.rpartition(")")[2].split()  # the name before it may hold blanks
    return [int(values[field - 3]) / os.sysconf("SC_CLK_TCK") for field in fields]


def process_age_ms() -> float | None:
    """How long ago this process was started, in ms, to a clock tick; None where the system does not tell."""
    try:
        (started,) = process_seconds("self", 22)
    except OSError:
        return None
    return (time.clock_gettime(time.CLOCK_BOOTTIME) - started) * 1e3


@contextlib.contextmanager
def lock(exclusive: bool) -> Iterator[int]:
    """Hold the machine: alone for a measurement, shared for everything else; yields the descriptor.

    The lock is one for the whole machine, whoever runs, so that a second, independent run is kept apart too. A child
    that inherits the descriptor keeps the lock when its parent dies.

    Raises:
        DliflowError: when this system gives no such lock.
    """
    descriptor = _locked(fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH)
    try:
        yield descriptor
    finally:
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


def wait_for(descriptor: int, kind: int, held: str) -> None:
    """Lock an open file, saying first who holds it when that takes a while.

    Args:
        held: what is held, and a verb.
    """
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        holders = " and ".join(holders_of(descriptor)) or "another job"
        print(f"waiting: {held} held by {holders}", file=sys.stderr, flush=True)
        fcntl.flock(descriptor, kind)


def holders_of(descriptor: int) -> list[str]:
    """Who holds a lock (flock) on an open file: process, user and command of each, as far as the system tells."""
    status = os.fstat(descriptor)
    file = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    found = []
    for line in (_read("/proc/locks") or "").splitlines():
        words = line.split()  # 1: FLOCK  ADVISORY  WRITE 4711 00:19:1 0 EOF; one that waits has an arrow in front
        if words[1:2] == ["FLOCK"] and words[5:6] == [file]:
            found.append(process_named(int(words[4])))
    return found


def process_named(pid: int) -> str:
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


def process_started(pid: int | str) -> float | None:
    """When a process was started, seconds after the machine was; with its number it tells it from all others."""
    try:
        return process_seconds(pid, 22)[0]
    except (OSError, IndexError):
        return None
