"""Who is fastest at a batch size, and at which batch size, as far as rows of the tables tell. Plain data, no words.

What took turns in a comparison is settled by its rounds; everything else rests on repetitions at different times.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Optional

import numpy as np

from dliflow.analysis import comparison, stats
from dliflow.analysis.columns import COMPARED, POINT
from dliflow.analysis.comparison import Pair, Ratio

Row = dict[str, Any]
Rows = Sequence[Row]
Medians = Mapping[tuple, list[np.ndarray]]

FASTEST, TIE, UNDECIDED, SLOWER = "fastest", comparison.TIE, "undecided", "slower"


def _values(row: Row, names: tuple[str, ...]) -> tuple:
    return tuple(row.get(name) for name in names)


class Comparison(NamedTuple):
    """One comparison as its tables have it: the groups of its rounds, as `comparison` takes them, and its leaders."""

    groups: list[dict[str, Any]]
    leaders: list[str]
    missing: list[str]
    """Who would have been chosen from, too, had nothing failed."""
    taken_share: Optional[float]
    """Of the processors' time, that others took."""
    against_references: Rows
    """Rows of pairs that set a leader against its reference."""

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


def _groups(bursts: Rows) -> list[dict[str, Any]]:
    """Groups of rounds from the rows of one comparison, one row for each burst."""
    groups: dict[int, dict[int, dict[str, Any]]] = {}
    for row in bursts:
        round_ = groups.setdefault(row["group"], {}).setdefault(row["round"], {"latency_ns": {}})
        round_["latency_ns"][row["configuration"]] = [row["latency_p50_ms"] * 1e6]
        round_["pacer_ns"] = [row["pacer_ms"] * 1e6]
    return [{"rounds": list(rounds.values())} for rounds in groups.values()]


def comparisons(pairs: Rows, rounds: Rows) -> dict[tuple, Comparison]:
    """Every comparison that has figures, by the values of `COMPARED`.

    Args:
        pairs: the rows of comparison.csv, and `rounds` those of rounds.csv.
    """
    bursts: dict[tuple, list[Row]] = {}
    for row in rounds:
        bursts.setdefault(_values(row, COMPARED), []).append(row)
    good: dict[tuple, list[Row]] = {}
    for row in pairs:
        if row["status"] == "ok":
            good.setdefault(_values(row, COMPARED), []).append(row)
    return {point: _comparison(rows, bursts[point]) for point, rows in good.items() if point in bursts}


def _comparison(rows: list[Row], bursts: list[Row]) -> Comparison:
    """Of one point.

    Args:
        rows: its pairs.
    """
    leading = [row for row in rows if row["purpose"] == "leaders"]
    leaders = list(dict.fromkeys(name for row in leading for name in (row["first"], row["second"])))
    missing = [name for name in (rows[0]["missing"] or "").split(", ") if name]
    others = [row for row in rows if row["purpose"] != "leaders"]
    return Comparison(_groups(bursts), leaders, missing, rows[0]["taken_share"], others)


def medians(measurements: Rows) -> dict[tuple, list[np.ndarray]]:
    """For each point (`POINT`) the medians of its processes, ms, each as an array of one, as `stats` takes them."""
    by_point: dict[tuple, list[np.ndarray]] = {}
    for row in measurements:
        if row["status"] == "ok" and row["latency_p50_ms"]:
            by_point.setdefault(_values(row, POINT), []).append(np.array([row["latency_p50_ms"]]))
    return by_point


class Standing(NamedTuple):
    """Where a configuration stands at its batch size; `ratio` is its latency over that of the fastest."""

    row: Row
    verdict: str
    ratio: float
    interval: Optional[tuple[float, float]]
    rounds: bool
    """Whether that was settled in rounds, or by repetitions at different times."""


def rank(rows: Rows, medians: Medians, compared: Optional[Comparison] = None) -> list[Standing]:
    """Configurations of one batch size from the fastest to the slowest, each compared with the fastest.

    What took turns is settled by its rounds and leads; the others follow by their repetitions. One is slower only when
    the interval of the ratio excludes 1; undecided where one of the two has a single repetition, or where repetitions
    show something faster than what leads in rounds in which it had no part.

    Args:
        rows: of performance.csv, with figures; of the same latency the first comes first.
        medians: as the function of this name tells.
        compared: the comparison of that batch size, where there is one.
    """
    place = {name: number for number, name in enumerate(compared.order() if compared else [])}
    ordered = sorted(rows, key=lambda row: (place.get(comparison.name(row), len(place)), row["latency_p50_ms"]))
    return [_standing(row, ordered[0], medians, compared) for row in ordered]


def _standing(row: Row, fastest: Row, medians: Medians, compared: Optional[Comparison]) -> Standing:
    """Of one row beside the fastest, which may be itself."""
    name, name_of_fastest = comparison.name(row), comparison.name(fastest)
    ratio = row["latency_p50_ms"] / fastest["latency_p50_ms"]
    settled = compared is not None and {name, name_of_fastest} <= compared.members
    if row is fastest:
        return Standing(row, FASTEST, ratio, None, settled)
    if compared is not None and settled:
        in_rounds = compared.ratio(name, name_of_fastest)
        verdict = SLOWER if in_rounds.verdict == comparison.SECOND else TIE
        return Standing(row, verdict, in_rounds.ratio, in_rounds.interval, True)
    repetitions, those_of_fastest = (medians.get(_values(one, POINT), []) for one in (row, fastest))
    interval = stats.ratio_interval(repetitions, those_of_fastest)
    if interval is None:
        return Standing(row, UNDECIDED, ratio, None, False)
    ratio = stats.latency(repetitions) / stats.latency(those_of_fastest)
    verdict = SLOWER if interval[0] > 1 else UNDECIDED if interval[1] < 1 else TIE
    return Standing(row, verdict, ratio, interval, False)


class Speed(NamedTuple):
    """A latency by one way of measuring: ms, for each process or group of rounds."""

    latencies: list[np.ndarray]

    @property
    def latency(self) -> float:
        """In ms."""
        return stats.latency(self.latencies)

    @property
    def interval(self) -> tuple[Optional[float], Optional[float]]:
        """Of the latency, 95 %; two times None from one process."""
        return stats.latency_interval(self.latencies) or (None, None)


class Speeds(NamedTuple):
    """The fastest configuration of a batch size by each way of measuring; None where there is nothing of it."""

    repeated: Optional[Speed] = None
    """By its repetitions."""
    in_rounds: Optional[Speed] = None
    """In rounds; None where it had no part in any."""
    paced: Optional[Speed] = None
    """The same in units of what the pacer took beside it."""


def speeds(fastest: Row, medians: Medians, compared: Optional[Comparison]) -> Speeds:
    """Of the fastest configuration of a batch size.

    Args:
        fastest: its row of performance.csv.
    """
    repetitions, name = medians.get(_values(fastest, POINT)), comparison.name(fastest)
    repeated = Speed(repetitions) if repetitions else Speed([np.array([fastest["latency_p50_ms"]])])
    if compared is None or name not in compared.members:
        return Speeds(repeated)
    return Speeds(repeated, Speed(compared.latencies(name)), Speed(compared.latencies(name, over_pacer=True)))


def best_size(by_size: Mapping[int, Speeds], gains: Mapping[int, float]) -> tuple[int, list[int]]:
    """The batch size that gains most in a time, and those that are not shown to gain less.

    Args:
        by_size: for each batch size its fastest configuration.
        gains: of one request, by batch size: 1 for each where the lowest latency is looked for.
    """
    rounds = all_in_rounds(by_size.values())
    best = max(by_size, key=lambda size: gains[size] / quoted(by_size[size], rounds).latency)
    confidence = 1 - 0.05 / max(1, math.comb(len(by_size), 2))
    ties = [
        size
        for size in by_size
        if size != best and not _less(by_size[size], by_size[best], gains[size] / gains[best], confidence, rounds)
    ]
    return best, ties


def all_in_rounds(speeds: Any) -> bool:
    """Whether the fastest of every batch size was measured in rounds: then all figures of them are those."""
    return all(one.in_rounds for one in speeds)


def quoted(speeds: Speeds, rounds: bool) -> Speed:
    """The figures in the one way that all batch sizes have."""
    speed = speeds.in_rounds if rounds else speeds.repeated
    assert speed is not None
    return speed


def _less(one: Speeds, best: Speeds, gain: float, confidence: float, rounds: bool) -> bool:
    """Whether a batch size is shown to gain less than the best, all pairs of them together (Bonferroni).

    Rounds of different batch sizes are apart in time. So it must also hold over the pacer beside them, and must not
    be contradicted by the repetitions, which are spread over the whole study.
    """

    def interval(of_best: Optional[Speed], of_one: Optional[Speed]) -> tuple[float, float]:
        ratio = None
        if of_best is not None and of_one is not None:
            ratio = stats.ratio_interval(of_best.latencies, of_one.latencies, confidence)
        return (gain * ratio[0], gain * ratio[1]) if ratio else (0.0, math.inf)

    less = interval(quoted(best, rounds), quoted(one, rounds))[1] < 1
    if not rounds:
        return less
    return less and interval(best.paced, one.paced)[1] < 1 and interval(best.repeated, one.repeated)[0] <= 1
