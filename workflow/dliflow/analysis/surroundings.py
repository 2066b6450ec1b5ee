"""What stood beside a measurement: how fast the machine was, and what others took of it. Figures, not judgements."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np


def anchor_ms(sessions: Iterable[dict[str, Any]]) -> float:
    """What the anchor took in all bursts of these sessions: the median of their medians, ms."""
    return float(np.median([np.median(burst) for session in sessions for burst in session["anchor_ns"]])) / 1e6


def anchor(group: dict[str, Any], session: dict[str, Any]) -> str:
    """What the anchor was; another one is another piece of work."""
    of, threads = group["anchor"], session["anchor_threads"]
    where = f"{threads} thread{'s' if threads > 1 else ''}" if threads else "on the GPU"
    return f"{of['runtime']}, {where}, {of['sha256'][:12]}"


def share(groups: Sequence[dict[str, Any]], usable_cpus: int, key: str) -> float | None:
    """Share of the usable processors' time, over all groups; None where one could not tell.

    Args:
        key: of a group's `disturbance`: `others_cpu_s` or `steal_s`.
    """
    spent = [group["disturbance"][key] for group in groups]
    room = sum(group["disturbance"]["wall_s"] for group in groups) * usable_cpus
    return None if None in spent or room == 0 else sum(spent) / room


def taken_share(groups: Sequence[dict[str, Any]], usable_cpus: int) -> float | None:
    """Share of the usable processors' time that other processes and the hypervisor took; None where one cannot tell."""
    shares = [share(groups, usable_cpus, key) for key in ("others_cpu_s", "steal_s")]
    known = [value for value in shares if value is not None]
    return sum(known) if known else None
