"""Was the machine too busy to measure on? What then weakens all that is said of it comes before any figure."""

from __future__ import annotations

from typing import NamedTuple, Optional

import numpy as np

from dliflow.analysis.doubts import BUSY, SLOWED
from dliflow.report.read import Rows, Tables


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


def _median(values: list[Optional[float]]) -> Optional[float]:
    numbers = [value for value in values if value is not None]
    return float(np.median(numbers)) if numbers else None


def paces(tables: Tables) -> dict[str, list[float]]:
    """For each node what the pacer took beside each process and in each round, ms."""
    pacer_ms: dict[str, list[float]] = {}
    for row in (*tables.measurements, *tables.rounds):
        if row.get("pacer_ms") is not None:
            pacer_ms.setdefault(row["node"], []).append(row["pacer_ms"])
    return pacer_ms


def _strain(taken: Optional[float], pace: Optional[float], best: float) -> Strain:
    return Strain(taken, None if pace is None else pace / best)


def of_processes(rows: Rows, best: float) -> Strain:
    """Of one configuration at one batch size: the medians over its processes.

    Args:
        rows: its measurements.
        best: the pacer's best on that node, ms.
    """
    return _strain(_median([row["taken_share"] for row in rows]), _median([row["pacer_ms"] for row in rows]), best)


def of_rounds(taken: Optional[float], bursts: Rows, best: float) -> Strain:
    """Of one comparison in rounds."""
    return _strain(taken, _median([row["pacer_ms"] for row in bursts]), best)


def told(strains: list[Strain]) -> list[str]:
    """What was too much, in words that help; nothing where nothing was."""
    complaints = []
    so = "what was measured tells more of that than of the frameworks, and who is fastest is not said; "
    again = "then measure again with --forcerun latency"
    of = f"of {len(strains)} measurements of a configuration or of rounds"
    busy = [strain.taken for strain in strains if strain.taken is not None and strain.busy]
    slow = [strain.slowed for strain in strains if strain.slowed is not None and strain.slow]
    if busy:
        complaints.append(
            f"others took up to {max(busy):.0%} of the processors' time, and more than {BUSY:.0%} in {len(busy)} "
            f"{of}: {so}stop them, or use another machine, {again}"
        )
    if slow:
        complaints.append(
            f"the pacer, a fixed piece of work, took up to {max(slow):.0f} times as long as at its best, and more than "
            f"{SLOWED:g} times in {len(slow)} {of}: {so}let "
            f"the machine come to rest, or use another one, {again}"
        )
    return complaints
