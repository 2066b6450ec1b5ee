"""What was measured together, in rounds: read back from the tables."""

from __future__ import annotations

import math
from typing import Any, NamedTuple, Optional

import numpy as np

from dliflow.analysis import comparison
from dliflow.analysis.comparison import Pair, Ratio
from dliflow.report import names
from dliflow.report.read import Row, Rows, Tables, key

POINT = ("model", "device", "node", "scenario", "batch_size")


class Gain(NamedTuple):
    """A leader against its reference, in words and figures."""

    first: str
    second: str
    purpose: str
    ratio: float
    interval: tuple[Optional[float], Optional[float]]


class Together(NamedTuple):
    """One comparison: the groups of its rounds, as `comparison` takes them, its leaders, and what they gain."""

    groups: list[dict[str, Any]]
    leaders: list[str]
    gains: list[Gain]
    missing: list[str]
    """Who would have been chosen from, too, had nothing failed."""
    taken_share: Optional[float]
    """Of the processors' time, that others took."""

    @property
    def members(self) -> set[str]:
        """Everything that took turns."""
        return {name for group in self.groups for round_ in group["rounds"] for name in round_["latency_ns"]}

    @property
    def confidence(self) -> float:
        """Of the intervals by which leaders are ranked, so that all of them hold together in 95 of 100 comparisons.

        Bonferroni's, for all pairs of leaders: which of them is the best is seen in the same rounds (J. C. Hsu, Annals
        of Statistics 12, 1984, on comparisons with the best).
        """
        return 1 - 0.05 / max(1, math.comb(len(self.leaders), 2))

    def order(self) -> list[str]:
        """The leaders from the fastest to the slowest."""
        return sorted(self.leaders, key=lambda name: self.ratio(name, self.leaders[0]).ratio)

    def latencies(self, name: str, over_pacer: bool = False) -> list[np.ndarray]:
        """For each group one value: the median of a member's bursts, ms, or as many times what the pacer took."""
        latencies = []
        for group in self.groups:
            bursts = [
                round_["latency_ns"][name][0] / (round_["pacer_ns"][0] if over_pacer else 1e6)
                for round_ in group["rounds"]
            ]
            latencies.append(np.array([np.median(bursts)]))
        return latencies

    def ratio(self, first: str, second: str) -> Ratio:
        """Of two members' latencies, with an interval of that `confidence`."""
        return comparison.ratio(comparison.log_ratios(self.groups, Pair(first, second, "")), self.confidence)


def groups_of(bursts: Rows) -> list[dict[str, Any]]:
    """Groups of rounds from the rows of one comparison, one row for each burst."""
    groups: dict[int, dict[int, dict[str, Any]]] = {}
    for row in bursts:
        round_ = groups.setdefault(row["group"], {}).setdefault(row["round"], {"latency_ns": {}})
        round_["latency_ns"][row["configuration"]] = [row["latency_p50_ms"] * 1e6]
        round_["pacer_ns"] = [row["pacer_ms"] * 1e6]
    return [{"rounds": list(rounds.values())} for rounds in groups.values()]


def comparisons(tables: Tables) -> dict[tuple, Together]:
    """Every comparison that has figures, by its `POINT`."""
    bursts: dict[tuple, Rows] = {}
    for row in tables.rounds:
        bursts.setdefault(key(row, POINT), []).append(row)
    pairs: dict[tuple, Rows] = {}
    for row in tables.comparison:
        if row["status"] == "ok":
            pairs.setdefault(key(row, POINT), []).append(row)
    compared = {}
    for point, rows in pairs.items():
        leading = [row for row in rows if row["purpose"] == "leaders"]
        leaders = list(dict.fromkeys(name for row in leading for name in (row["first"], row["second"])))
        if point in bursts:
            gains = [gain(row) for row in rows if row["purpose"] != "leaders"]
            missing = [names.member(name) for name in (rows[0]["missing"] or "").split(", ") if name]
            compared[point] = Together(groups_of(bursts[point]), leaders, gains, missing, rows[0]["taken_share"])
    return compared


def gain(row: Row) -> Gain:
    """A row of the table that sets a leader against its reference."""
    interval = (row["ratio_ci_low"], row["ratio_ci_high"])
    return Gain(names.member(row["first"]), names.member(row["second"]), row["purpose"], row["ratio"], interval)
