"""What stood beside a measurement: how fast the machine was, and what others took of it. Figures, not judgements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def probe_ms(probe: dict[str, list[int]]) -> float | None:
    """The probe's figure for the whole machine: mean over the processors of their median, in ms.

    Args:
        probe: for each processor its durations, ns.
    """
    return float(np.mean([np.median(values) for values in probe.values()])) / 1e6 if probe else None


def pacer_ms(figures: dict[str, Any]) -> float | None:
    """What the pacer took beside one process, ms; None where the framework's threads worked against it."""
    return float(np.median(np.concatenate(figures["pacer_ns"]))) / 1e6 if figures["at_rest"] else None


def pacer(figures: dict[str, Any]) -> str:
    """What the pacer was made by; with other libraries it is another piece of work."""
    return f"numpy {figures['pacer']['numpy']}, {figures['pacer']['blas']}"


def share(processes: Sequence[dict[str, Any]], key: str) -> float | None:
    """Share of the usable processors' time, over all processes; None where one could not tell.

    Args:
        processes: for each process (or group of rounds) its `disturbance` and the machine's `usable_cpus`.
        key: of the disturbance: `others_cpu_s` or `steal_s`.
    """
    spent = [figures["disturbance"][key] for figures in processes]
    room = sum(figures["disturbance"]["wall_s"] * figures["usable_cpus"] for figures in processes)
    return None if None in spent or room == 0 else sum(spent) / room


def taken_share(processes: Sequence[dict[str, Any]]) -> float | None:
    """Share of the usable processors' time that other processes and the hypervisor took; None where one cannot tell.

    Args:
        processes: as `share` takes them.
    """
    shares = [value for value in (share(processes, key) for key in ("others_cpu_s", "steal_s")) if value is not None]
    return sum(shares) if shares else None
