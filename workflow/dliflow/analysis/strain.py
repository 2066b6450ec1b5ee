"""Was the machine too busy to measure on? How much others took of it, and how slow it was beside its best."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Optional

import numpy as np

from dliflow.analysis.doubts import BUSY, SLOWED

Rows = Sequence[dict[str, Any]]


class Strain(NamedTuple):
    """What others did to one configuration's processes, or to the rounds of a batch size."""

    taken: Optional[float]
    """Share of the processors' time that others took; None where nothing tells."""
    slowed: Optional[float]
    """How many times as long as at its best in the study the pacer took; None likewise."""

    @property
    def busy(self) -> bool:
        """Whether others took too much."""
        return self.taken is not None and self.taken > BUSY

    @property
    def slow(self) -> bool:
        """Whether the machine was too slow."""
        return self.slowed is not None and self.slowed > SLOWED

    @property
    def doubtful(self) -> bool:
        """Whether figures tell more of the machine than of what was measured."""
        return self.busy or self.slow


def best_paces(measurements: Rows, rounds: Rows) -> dict[str, float]:
    """For each node the least that the pacer took beside a process or in a round, ms."""
    best: dict[str, float] = {}
    for row in (*measurements, *rounds):
        if row.get("pacer_ms") is not None:
            best[row["node"]] = min(row["pacer_ms"], best.get(row["node"], math.inf))
    return best


def of_processes(measurements: Rows, paces: Mapping[str, float]) -> Strain:
    """Of one configuration at one batch size: the medians over its processes.

    Args:
        measurements: its rows.
        paces: `best_paces` of the study.
    """
    return _strain(_median([row["taken_share"] for row in measurements]), measurements, paces)


def of_rounds(taken: Optional[float], bursts: Rows, paces: Mapping[str, float]) -> Strain:
    """Of one comparison in rounds."""
    return _strain(taken, bursts, paces)


def _strain(taken: Optional[float], rows: Rows, paces: Mapping[str, float]) -> Strain:
    pace = _median([row["pacer_ms"] for row in rows])
    return Strain(taken, None if pace is None else pace / paces[rows[0]["node"]])


def _median(values: Sequence[Optional[float]]) -> Optional[float]:
    known = [value for value in values if value is not None]
    return float(np.median(known)) if known else None
