"""The machine as found (Linux)."""

from __future__ import annotations

import os
import platform
import re
import sys
import sysconfig
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

from dliflow.files import digest
from dliflow.machine import cpulist, system

# Flags that decide which kernels a framework picks.
TELLING_FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_tile", "amx_int8", "amx_bf16")


def cpu_info() -> dict[str, str]:
    """The first processor's fields in /proc/cpuinfo; empty where there is no such file."""
    text = system.read("/proc/cpuinfo") or ""
    pairs = (line.partition(":") for line in text.split("\n\n")[0].splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def cores() -> list[list[int]]:
    """The processors that this process may use, by core: with SMT a core has several. In rising order."""
    by_core: dict[str, list[int]] = {}
    for cpu in sorted(os.sched_getaffinity(0)):
        siblings = system.read(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        by_core.setdefault(siblings or str(cpu), []).append(cpu)
    return list(by_core.values())


def physical_cores() -> int:
    """Cores, not hardware threads, among the processors this process may use."""
    return len(cores())


class Processors(NamedTuple):
    """What of a machine decides which launch parameters are worth trying: the processors that a process may use."""

    cores: int
    cpus: int
    """Hardware threads: with SMT more than the cores."""
    flags: frozenset[str]
    """Those of `TELLING_FLAGS` that the CPU has."""
    hybrid: bool
    """Whether there are cores of two kinds."""


def processors() -> Processors:
    """Those that this process may use now, after `launch.apply`."""
    flags = frozenset(TELLING_FLAGS) & _flags()
    return Processors(physical_cores(), len(os.sched_getaffinity(0)), flags, _hybrid())


def _flags() -> set[str]:
    """What the CPU's instructions are called in /proc/cpuinfo."""
    cpu = cpu_info()
    return set(cpu.get("flags", cpu.get("Features", "")).split())


def _hybrid() -> bool:
    """Whether usable processors are of two kinds, as the kernel tells: Intel's two sets, or ARM's capacities."""
    usable = os.sched_getaffinity(0)
    sets = [system.read(f"/sys/devices/cpu_{kind}/cpus") for kind in ("core", "atom")]
    if all(sets):
        return all(usable & set(cpulist.parse(text)) for text in sets if text)
    return len({system.read(f"/sys/devices/system/cpu/cpu{cpu}/cpu_capacity") for cpu in usable}) > 1


def _caches() -> dict[str, str]:
    """Sizes of the first processor's caches: `L1 Data`, `L2 Unified` ... as the kernel writes them (`32K`)."""
    sizes = {}
    for folder in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        level, kind, size = (system.read(str(folder / name)) for name in ("level", "type", "size"))
        if level and kind and size:
            sizes[f"L{level} {kind}"] = size
    return sizes


def last_level_cache_bytes() -> int | None:
    """Size of the last-level caches of the processors that this process may use, each counted once."""
    sizes = {}
    for cpu in os.sched_getaffinity(0):
        folders = Path(f"/sys/devices/system/cpu/cpu{cpu}/cache").glob("index*")
        caches = [
            [system.read(str(folder / name)) for name in ("level", "size", "shared_cpu_list")] for folder in folders
        ]
        _, size, sharing = max(caches, key=lambda cache: int(cache[0] or 0), default=(None, None, None))
        if not size or not size.endswith("K"):  # the kernel writes KiB
            return None
        sizes[sharing or str(cpu)] = int(size[:-1]) << 10
    return sum(sizes.values())


def _temperatures() -> dict[str, float]:
    """Degrees Celsius by thermal zone; empty where there are none."""
    temperatures = {}
    for folder in sorted(Path("/sys/class/thermal").glob("thermal_zone*")):
        value = system.read(str(folder / "temp"))
        if value and value.lstrip("-").isdigit():
            temperatures[system.read(str(folder / "type")) or folder.name] = int(value) / 1000
    return temperatures


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
    lines = (line.split() for line in (system.read("/proc/meminfo") or "").splitlines())
    return {words[0].rstrip(":"): int(words[1]) for words in lines if len(words) > 1}


def site() -> Path:
    """Where the packages of this environment lie."""
    return Path(sysconfig.get_paths()["platlib"])


def packages() -> dict[str, str]:
    """Versions of every package in this process's environment."""
    from importlib.metadata import distributions

    found = []
    for item in distributions():
        # `item.metadata` parses whole descriptions as mails: a quarter of a second in every record.
        head = (item.read_text("METADATA") or item.read_text("PKG-INFO") or "").partition("\n\n")[0]
        fields = dict(re.findall(r"(?m)^(Name|Version):[ \t]*(.*\S)", head))
        found.append((fields["Name"], fields["Version"]))
    return dict(sorted(found))


def _cgroup_folders(controller: str) -> list[Path]:
    """Where limits on this process lie: its control group's folder and those around it; cgroups(7), both versions."""
    root, folders = Path("/sys/fs/cgroup"), []
    for line in (system.read("/proc/self/cgroup") or "0::/").splitlines():
        _, names, path = line.split(":", 2)
        if names and controller not in names.split(","):
            continue
        top = root / controller if names else root
        innermost = Path(f"{top}{path}")
        folders += [folder for folder in (innermost, *innermost.parents) if folder == top or top in folder.parents]
    return folders


def cpu_quota() -> str | None:
    """The tightest processor quota on this process, as cpu.max has it: `200000 100000` is two processors."""
    quotas = []
    for folder in _cgroup_folders("cpu"):
        quota, period = (system.read(str(folder / f"cpu.cfs_{name}_us")) for name in ("quota", "period"))  # version 1
        first = f"{'max' if quota.startswith('-') else quota} {period}" if quota and period else None
        quotas += [value for value in (system.read(str(folder / "cpu.max")), first) if value]
    limits = [value for value in quotas if not value.startswith("max")]
    return min(limits, key=lambda value: Fraction("/".join(value.split())), default=next(iter(quotas), None))


def memory_limit() -> str | None:
    """The tightest memory limit on this process in bytes, or `max`."""
    names = ("memory.max", "memory.limit_in_bytes")  # the second one is version 1's
    contents = [system.read(str(folder / name)) for folder in _cgroup_folders("memory") for name in names]
    values = [value for value in contents if value]
    limits = [int(value) for value in values if value != "max" and int(value) < 1 << 62]  # beyond: version 1's "none"
    return str(min(limits)) if limits else "max" if values else None


def memory_available_mib() -> int | None:
    """Memory that new processes can take without swapping; None where the system does not tell.

    A limit on this process counts as a whole: what else is inside of it is not known.
    """
    available, limit = memory_info().get("MemAvailable"), memory_limit()
    if available is None:
        return None
    return min(available >> 10, int(limit) >> 20) if limit and limit.isdigit() else available >> 10


def describe() -> dict[str, Any]:
    """CPU, memory, limits, kernel and settings that decide speed; what cannot be read is None or empty."""
    cpu, flags = cpu_info(), _flags()
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
        "governor": system.read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "cgroup_cpu_max": cpu_quota(),
        "affinity": sorted(os.sched_getaffinity(0)),
        "smt": {"1": True, "0": False}.get(system.read(str(processors / "smt/active")) or ""),
        "caches": _caches(),
        "gpus": gpus(),
        "microcode": cpu.get("microcode"),
        "numa_nodes": len(list(Path("/sys/devices/system/node").glob("node[0-9]*"))) or None,
        "boost": system.read(str(processors / "cpufreq/boost")),
        "no_turbo": system.read(str(processors / "intel_pstate/no_turbo")),
        "temperatures_c": _temperatures(),
        "container": _container(),
        "clock": system.read("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
        "transparent_hugepages": system.read("/sys/kernel/mm/transparent_hugepage/enabled"),
        "cgroup_memory_max": memory_limit(),
        "memory_mib": pages >> 20,
        "memory_available_mib": memory["MemAvailable"] >> 10 if "MemAvailable" in memory else None,
        "swap_used_mib": (memory["SwapTotal"] - memory["SwapFree"]) >> 10 if "SwapTotal" in memory else None,
        "load_1min": os.getloadavg()[0],
        "kernel": platform.release(),
        "os": platform.system(),
        "python": sys.version.split()[0],
    }


def gpus(folder: Path = Path("/proc/driver/nvidia/gpus")) -> list[str]:
    """The models of NVIDIA's GPUs, as their driver tells; others are not told."""
    cards = (system.read(str(path)) or "" for path in sorted(folder.glob("*/information")))
    return [model[1].strip() for text in cards if (model := re.search(r"(?m)^Model:(.+)$", text))]


def stable(facts: dict[str, Any]) -> dict[str, Any]:
    """What makes two machines the same for a figure of speed: hardware, kernel and microcode.

    Memory is in whole GiB: the kernel keeps some MiB more or less for itself from start to start. Names and limits of
    containers are left out, and so is how busy or fast the machine was.

    Args:
        facts: as `describe` gives them, now or in a record.

    Raises:
        KeyError: when they are not.
    """
    same = {name: facts[name] for name in ("cpu", "architecture", "logical_cpus", "kernel", "microcode")}
    with_gpus = {"gpus": facts["gpus"]} if facts.get("gpus") else {}  # nothing where there are none, as before these
    return {**same, "memory_gib": round(facts["memory_mib"] / 1024), **with_gpus}


def fingerprint(facts: dict[str, Any]) -> str:
    """Twelve hexadecimal digits that stand for a machine, by its `stable` facts."""
    return digest(stable(facts))


def has_bf16() -> bool:
    """Whether the CPU has instructions for bf16 (AVX512-BF16, AMX, or ARM's)."""
    return bool(_flags() & {"avx512_bf16", "amx_bf16", "bf16"})
