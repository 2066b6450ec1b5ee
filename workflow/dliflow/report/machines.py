"""The machines and the versions behind the figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple, Optional

from dliflow.analysis.rows import Rows
from dliflow.files import read_json
from dliflow.report import names
from dliflow.report.read import Tables
from dliflow.report.units import significant


class Machine(NamedTuple):
    """One machine of one node, and what its records tell of it."""

    node: str
    hostname: str
    cpu: str
    first: str
    last: str
    facts: list[tuple[str, str]]


def _facts(machine: dict[str, Any]) -> list[tuple[str, str]]:
    """What decides speed, in words; what was not found is left out."""
    cores, logical, usable = (machine.get(name) for name in ("physical_cores", "logical_cpus", "usable_cpus"))
    processors = f"{cores} cores, {usable} of {logical} logical processors usable" if usable else None
    in_words = {
        "processors": processors,
        "instruction sets": ", ".join(machine.get("flags") or []),
        "memory": f"{significant(machine['memory_mib'] / 1024)} GiB" if machine.get("memory_mib") else None,
        "virtual machine": {True: "yes", False: "no"}.get(machine.get("virtualised", "")),
        "hardware threads on each core": {True: "two or more", False: "one"}.get(machine.get("smt", "")),
        "caches": ", ".join(_cache(*of) for of in (machine.get("caches") or {}).items()),
        "NUMA nodes": machine.get("numa_nodes"),
        "NVIDIA GPUs": names.gpus(machine.get("gpus") or []),
        "container": machine.get("container"),
        "frequency governor": machine.get("governor"),
        "microcode": machine.get("microcode"),
        "CPU limit (cgroup)": _quota(machine.get("cgroup_cpu_max")),
        "system": " ".join(filter(None, (machine.get("os"), machine.get("kernel"), machine.get("architecture")))),
    }
    return [(name, str(value)) for name, value in in_words.items() if value]


def _cache(name: str, size: str) -> str:
    """`L2 unified 512 KiB`, `L3 unified 32 MiB` of `L3 Unified` and `32768K`, as the kernel has it."""
    number = size.removesuffix("K")
    if number.isdigit():
        mebibytes, rest = divmod(int(number), 1024)
        size = f"{number} KiB" if rest else f"{mebibytes} MiB"
    return f"{name[:3]}{name[3:].lower()} {size}"


def _quota(cpu_max: Optional[str]) -> Optional[str]:
    """`1.5 processors` of `150000 100000`, as the kernel has it."""
    if not cpu_max:
        return None
    quota, _, period = cpu_max.partition(" ")
    return "none" if quota == "max" else f"{significant(int(quota) / int(period))} processors"


def machines(measurements: Rows) -> list[Machine]:
    """Every machine that measured, in the order of the table; its facts from the first record that can be read."""
    rows: dict[tuple, Rows] = {}
    for row in measurements:
        if row["cpu"] or row["hostname"]:
            rows.setdefault((row["node"], row["hostname"] or "", row["cpu"] or ""), []).append(row)
    described = []
    for (node, hostname, cpu), measured in rows.items():
        dates = sorted(row["finished_at"] for row in measured if row["finished_at"])
        first, last = (dates[0], dates[-1]) if dates else ("", "")
        records = (Path(row["record"]) for row in measured if row["record"])
        record = next((path for path in records if path.exists()), None)
        facts = _facts(read_json(record).get("machine", {})) if record else []
        described.append(Machine(node, hostname, cpu, first, last, facts))
    return described


def versions(tables: Tables) -> dict[str, list[str]]:
    """For each framework the versions that gave figures, in the order of the tables."""
    by_framework: dict[str, list[str]] = {}
    for row in (*tables.parity, *tables.accuracy, *tables.performance):
        versions_so_far = by_framework.setdefault(row["framework"], [])
        if row["framework_version"] and row["framework_version"] not in versions_so_far:
            versions_so_far.append(row["framework_version"])
    return by_framework


def anchors(measurements: Rows) -> list[str]:
    """The anchor's runtimes, each with its version."""
    return list(dict.fromkeys(row["anchor"].partition(",")[0] for row in measurements if row["anchor"]))
