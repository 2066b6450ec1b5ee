"""Was the machine too busy to measure on? How much others took of it, and how slow it was beside its best."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple, Optional

import numpy as np

from dliflow.analysis.columns import POINT
from dliflow.analysis.ranking import Comparison, Ranking
from dliflow.analysis.rows import Row, Rows, grouped, key

# From these on figures tell more of the machine than of what was measured on it, and nothing is called the fastest.
BUSY = 0.25  # of the processors' time went to others: half a processor of two, by which results differ at least as much
SLOWED = 3.0  # times as long as at its best took the anchor; the states of a sound machine lie within a factor of two


class Strain(NamedTuple):
    """What others did to one configuration's groups, or to the rounds of a comparison."""

    taken: Optional[float]
    """Share of the processors' time that others took; None where nothing tells."""
    slowed: Optional[float]
    """How many times as long as at its best in the study the anchor took; None likewise."""
    rounds: bool
    """Whether it is of the rounds of a comparison."""

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


Best = Mapping[tuple[str, int], float]
"""By node and the anchor's threads the least that it took, ms."""


def best_states(rows: Iterable[Row], known: Best = MappingProxyType({})) -> Best:
    """Of sessions or bursts, by rows of measurements.csv or rounds.csv, and of those that are known already."""
    best = dict(known)
    for row in rows:
        if row.get("anchor_ms") is not None:
            best[_anchor(row)] = min(row["anchor_ms"], best.get(_anchor(row), math.inf))
    return best


def _anchor(row: dict[str, Any]) -> tuple[str, int]:
    return row["node"], row["anchor_threads"]


def of_groups(measurements: Sequence[Row], best: Best) -> Strain:
    """Of one configuration at one batch size: the medians over its groups.

    Args:
        measurements: its rows.
        best: `best_states` of the study.
    """
    return Strain(_median([row["taken_share"] for row in measurements]), _slowed(measurements, best), rounds=False)


def of_rounds(taken: Optional[float], bursts: Rows, best: Best) -> Strain:
    """Of one comparison in rounds."""
    return Strain(taken, _slowed(bursts, best), rounds=True)


def under_load(row: Row, best: Best) -> Strain:
    """Of a row of throughput.csv: how much others took is told by its sessions."""
    return Strain(None, _slowed([row], best), rounds=False)


def _slowed(rows: Sequence[Row], best: Best) -> Optional[float]:
    return _median([row["anchor_ms"] and row["anchor_ms"] / best[_anchor(row)] for row in rows])


def _median(values: Sequence[Optional[float]]) -> Optional[float]:
    known = [value for value in values if value is not None]
    return float(np.median(known)) if known else None


class Strains(NamedTuple):
    """Of a whole study."""

    measurements: Mapping[tuple, Rows]
    """By the values of `POINT`."""
    bursts: Mapping[tuple, Rows]
    """By record."""
    best: Best

    @classmethod
    def of(cls, measurements: Rows, rounds: Rows) -> Strains:
        """From the rows of measurements.csv and rounds.csv."""
        best = best_states(rounds, best_states(measurements))
        return cls(grouped(measurements, POINT), grouped(rounds, ("record",)), best)

    def measurements_of(self, row: Row) -> Rows:
        """The sessions behind a row of performance.csv."""
        return self.measurements.get(key(row, POINT), [])

    def of_ranking(self, ranking: Ranking) -> dict[Optional[int], list[Strain]]:
        """By batch size that of each configuration and of the rounds; under None that of the rounds of batch sizes."""
        strains: dict[Optional[int], list[Strain]] = {
            size: [of_groups(self.measurements_of(one.row), self.best) for one in standings]
            for size, standings in ranking.sizes.items()
        }
        for size, compared in ranking.compared.items():
            strains[size].append(self._of_rounds(compared))
        return strains | {None: [self._of_rounds(ranking.between)] if ranking.between else []}

    def _of_rounds(self, compared: Comparison) -> Strain:
        return of_rounds(compared.taken_share, self.bursts[(compared.record,)], self.best)

    def disturbed(self, pairs: Rows) -> set[str]:
        """The records of the comparisons beside which the machine was too busy.

        Args:
            pairs: the rows of comparison.csv.
        """
        taken = {row["record"]: row["taken_share"] for row in pairs if (row["record"],) in self.bursts}
        strains = {path: of_rounds(share, self.bursts[(path,)], self.best) for path, share in taken.items()}
        return {path for path, one in strains.items() if one.doubtful}
