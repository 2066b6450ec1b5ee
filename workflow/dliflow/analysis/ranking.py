"""Every figure that is quoted: who is fastest at a batch size, by how much, and which batch size is best. No words.

Page, terminal and pictures take latencies, order and ties from here, so that they cannot contradict each other. What
was measured together is decided by its rounds alone: the fastest of a batch size stands with its latency at the
reference state, which rests on all its sessions, of the sweep and of rounds; that of every other member is this latency
times their ratio. Where the latencies of two batch sizes contradict what the comparison of these shows, those of all
of them are that of the best one times its ratios. Whatever had no part in rounds stands with its latency at the
reference state, and is slower than what leads only where the intervals of both show it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import permutations
from typing import Any, NamedTuple, Optional

from dliflow.analysis import comparison, intervals
from dliflow.analysis.columns import COMPARED, SETTING
from dliflow.analysis.comparison import Pair
from dliflow.analysis.rows import Row, Rows, grouped, usable

FASTEST, TIE, UNDECIDED, SLOWER = "fastest", comparison.TIE, "undecided", "slower"


class Figure(NamedTuple):
    """A positive figure, and its interval where there is one."""

    value: float
    interval: Optional[tuple[float, float]] = None

    def times(self, factor: float) -> Figure:
        """So many times the figure; the factor is known exactly."""
        return Figure(factor * self.value, self.interval and (factor * self.interval[0], factor * self.interval[1]))

    def over(self, other: Figure) -> Figure:
        """The ratio of two that are independent; their intervals are those of logarithms, and symmetric there."""
        ratio = self.value / other.value
        return Figure(ratio, intervals.ratio_interval(ratio, self.interval, other.interval))

    @property
    def inverse(self) -> Figure:
        """One over it."""
        return Figure(1 / self.value, self.interval and (1 / self.interval[1], 1 / self.interval[0]))

    @property
    def above_1(self) -> bool:
        """Whether its interval shows it."""
        return self.interval is not None and self.interval[0] > 1


class More(NamedTuple):
    """What would decide what comparisons left open, all of them together, should the ratios stay what they are."""

    groups: int
    seconds: float


@dataclass(frozen=True)
class Comparison:
    """One comparison as its tables have it.

    Attributes:
        groups: groups of rounds, as `figures.groups` of its record.
        pairs: its rows of comparison.csv.
        purpose: why its contenders took part: `leaders` or `batch size`.
    """

    groups: list[dict[str, Any]]
    pairs: Rows
    purpose: str

    @cached_property
    def _ratios(self) -> dict[tuple[str, str, float], Figure]:
        """Those that were asked for: each takes some milliseconds."""
        return {}

    @property
    def _state(self) -> Optional[float]:
        """Logarithm of the anchor, ms, at which ratios are read off, here as in comparison.csv."""
        anchor_ms = self.pairs[0]["reference_anchor_ms"]
        return None if anchor_ms is None else math.log(anchor_ms)

    @cached_property
    def contenders(self) -> list[str]:
        """Those of which the best is looked for, in the order of the table."""
        pairs, members = [row for row in self.pairs if row["purpose"] == self.purpose], self.members
        names = dict.fromkeys(name for row in pairs for name in (row["first"], row["second"]))
        return [name for name in names if name in members]

    @cached_property
    def members(self) -> set[str]:
        """Those with a burst in more than half of the rounds, so that any two of them have rounds in common."""
        rounds = [round_ for group in self.groups for session in group["sessions"] for round_ in session["rounds"]]
        bursts = Counter(name for round_ in rounds for name in round_["order"])
        return {name for name, count in bursts.items() if 2 * count > len(rounds)}

    @property
    def missing(self) -> list[str]:
        """Who would have been chosen from, too, had nothing failed."""
        return [name for name in (self.pairs[0]["missing"] or "").split(", ") if name]

    @property
    def record(self) -> str:
        """Its path."""
        return str(self.pairs[0]["record"])

    @property
    def taken_share(self) -> Optional[float]:
        """Of the processors' time, that others took."""
        return self.pairs[0]["taken_share"]

    @property
    def confidence(self) -> float:
        """Of the intervals of ratios, here as in comparison.csv."""
        return comparison.of_verdicts([Pair(row["first"], row["second"], row["purpose"]) for row in self.pairs])

    def ratio(self, first: str, second: str, confidence: Optional[float] = None) -> Figure:
        """Of the times of an image of two members, at that confidence where no other is given."""
        asked = first, second, confidence or self.confidence
        if asked not in self._ratios:
            ratio = comparison.ratio(self.groups, Pair(first, second, ""), asked[2], self._state)
            self._ratios[asked] = Figure(ratio.ratio, ratio.interval)
        return self._ratios[asked]

    def best(self, among: Iterable[str]) -> str:
        """The one of the least time of an image: that no other beats, where there is such a one."""
        return comparison.best(list(among), lambda one, other: self.ratio(one, other).value)

    def quoted(self, base: str, latency: Figure, among: Mapping[str, int]) -> dict[str, Figure]:
        """What is quoted for members, ms: the base's latency, and its ratios to it.

        Args:
            latency: the base's, at the reference state.
            among: members with their batch sizes, of them the base.
        """
        return {
            name: latency if name == base else latency.over(self.ratio(base, name, 0.95)).times(size / among[base])
            for name, size in among.items()
        }

    def more(self, names: Iterable[str]) -> Optional[More]:
        """What would tell these apart, no group where all is decided; None where of one of them nobody knows."""
        asked = set(names)
        pairs = [row for row in self.pairs if {row["first"], row["second"]} <= asked]
        foreseen = {name for row in pairs for name in (row["first"], row["second"])}
        if foreseen != asked or any(row["groups_needed"] is None for row in pairs):
            return None
        groups = max(row["groups_needed"] for row in pairs)
        return More(groups, groups * (pairs[0]["group_s"] or 0.0))


def comparisons(pairs: Rows, rounds: Rows) -> dict[tuple, Comparison]:
    """Every comparison that has figures, by the values of `COMPARED`; that of batch sizes has none of its own.

    Args:
        pairs: the rows of comparison.csv, and `rounds` those of rounds.csv.
    """
    bursts = grouped(rounds, ("record",))
    good = grouped((row for row in pairs if row["status"] == "ok" and (row["record"],) in bursts), COMPARED)
    return {
        point: Comparison(groups(bursts[(rows[0]["record"],)]), rows, "batch size" if point[-1] is None else "leaders")
        for point, rows in good.items()
    }


def groups(bursts: Rows) -> list[dict[str, Any]]:
    """Groups of rounds from the rows of one comparison, one row for each burst, in the order in which they ran."""
    sessions: dict[int, dict[int, dict[str, Any]]] = {}
    for row in bursts:
        empty = {"opened": {}, "rounds": {}, "anchor_ns": [[row["anchor_ms"] * 1e6]]}
        empty |= {"anchor_threads": row["anchor_threads"], "started_at": row["started_at"]}
        session = sessions.setdefault(row["group"], {}).setdefault(row["session"], empty)
        session["opened"][row["configuration"]] = {"batch_size": row["batch_size"]}
        round_ = session["rounds"].setdefault(row["round"], {"order": [], "latency_ns": {}})
        round_["order"].append(row["configuration"])
        round_["latency_ns"][row["configuration"]] = [row["latency_p50_ms"] * 1e6]
        # The next one of the anchor such that the geometric mean of both beside this burst is what its row tells.
        session["anchor_ns"].append([(row["anchor_ms"] * 1e6) ** 2 / session["anchor_ns"][-1][0]])
    return [
        {"sessions": [{**session, "rounds": list(session["rounds"].values())} for session in of_group.values()]}
        for of_group in sessions.values()
    ]


class Standing(NamedTuple):
    """Where a configuration stands at its batch size: what is quoted of it."""

    row: Row
    """Of performance.csv."""
    verdict: str
    latency: Figure
    """At the reference state, ms."""
    ratio: Figure
    """Of its latency to that of the fastest."""
    rounds: bool
    """Whether both took turns in the same rounds, which settle the ratio."""

    @property
    def name(self) -> str:
        """As in a comparison of its batch size."""
        return comparison.name(self.row)

    @property
    def fps(self) -> Figure:
        """Images per second."""
        return self.latency.inverse.times(self.row["batch_size"] * 1e3)


def interval(low: Optional[float], high: Optional[float]) -> Optional[tuple[float, float]]:
    """Of a table's cells, which are empty together."""
    return None if low is None or high is None else (low, high)


def at_reference(row: Row) -> Figure:
    """The latency at the reference state by all sessions, ms."""
    ends = row["latency_reference_ci_low_ms"], row["latency_reference_ci_high_ms"]
    return Figure(row["latency_reference_ms"], interval(*ends))


def rank(rows: Rows, compared: Optional[Comparison], across: dict[str, Figure]) -> list[Standing]:
    """Configurations of one batch size: the fastest first, the others by their latency, each compared with the fastest.

    Only what is not told apart from the first may have a lower latency.

    Args:
        rows: of performance.csv, with figures; of the same latency the first comes first.
        compared: the comparison of that batch size, where there is one.
        across: by name, the latency at this batch size by the comparison of batch sizes, ms.
    """
    by_name = {comparison.name(row): row for row in rows}
    latencies = {name: at_reference(row) for name, row in by_name.items()} | across
    together = {} if compared is None else {name: row["batch_size"] for name, row in by_name.items()
                                            if name in compared.members}  # fmt: skip
    if compared is not None and together:
        fastest = compared.best(together)
        base = next((name for name in across if name in together), None)
        known = latencies[fastest] if base is None else compared.quoted(base, across[base], together)[fastest]
        latencies |= compared.quoted(fastest, known, together)
    else:
        fastest = min(across or latencies, key=lambda name: latencies[name].value)

    def standing(name: str) -> Standing:
        """One configuration beside the fastest, which may be itself."""
        rounds, latency = compared is not None and {name, fastest} <= together.keys(), latencies[name]
        if name == fastest:
            return Standing(by_name[name], FASTEST, latency, Figure(1.0), rounds)
        ratio = compared.ratio(name, fastest) if compared is not None and rounds else latency.over(latencies[fastest])
        return Standing(by_name[name], verdict(ratio, rounds), latency, ratio, rounds)

    return sorted(map(standing, by_name), key=lambda one: (one.verdict != FASTEST, one.latency.value))


def verdict(ratio: Figure, rounds: bool) -> str:
    """On what is not the best, by its ratio to that; a tie needs to have been measured together."""
    return SLOWER if ratio.above_1 else TIE if rounds else UNDECIDED


class Beside(NamedTuple):
    """Two latencies."""

    ratio: Figure
    rounds: bool
    """Whether rounds tell it."""

    def verdict(self, weight: float = 1.0) -> str:
        """On the first where the second is the best, by their latencies or by them times weights of that ratio.

        Undecided where rounds show the opposite: latencies and rounds disagree then.
        """
        ratio = self.ratio.times(weight)
        return UNDECIDED if ratio.inverse.above_1 else verdict(ratio, self.rounds)


class Ranking(NamedTuple):
    """A model on a device of a node: all that is quoted of it."""

    sizes: dict[int, list[Standing]]
    """By batch size, in rising order; never empty."""
    compared: dict[int, Comparison]
    between: Optional[Comparison]
    """That of batch sizes."""

    @property
    def first_row(self) -> Row:
        """Any of its rows, for what all of them share."""
        return next(iter(self.sizes.values()))[0].row

    def more(self, size: int) -> Optional[More]:
        """What would tell apart those of a batch size that its rounds do not."""
        return self.more_of([one for one in self.sizes[size] if one.rounds and one.verdict in (FASTEST, TIE)])

    def more_of(self, level: Sequence[Standing]) -> Optional[More]:
        """What would tell these apart: the rounds of each batch size, and where there are several those between, too.

        Those between tell only of who stood for a batch size there. None where all is decided, and where of one of
        them nobody knows.
        """
        sizes: dict[int, set[str]] = {}
        for one in level:
            sizes.setdefault(one.row["batch_size"], set()).add(one.name)
        asked = [(self.compared.get(size), names) for size, names in sizes.items() if len(names) > 1]
        if len(sizes) > 1:
            members = {size: self._member(size) for size in sizes}
            if any(comparison.candidate(member) not in sizes[size] for size, member in members.items()):
                return None
            asked.append((self.between, set(members.values())))
        known = [compared.more(names) if compared else None for compared, names in asked]
        parts = [one for one in known if one is not None]
        more = More(sum(one.groups for one in parts), sum(one.seconds for one in parts))
        return more if more.groups and len(parts) == len(known) else None

    def beside(self, one: Standing, other: Standing, rounds: bool = True) -> Beside:
        """The latency of one over that of another, whatever their batch sizes.

        Args:
            rounds: whether both are of those that may have taken turns.
        """
        together = self._together(one, other) if rounds else None
        return Beside(together or one.latency.over(other.latency), together is not None)

    @property
    def contradicts_rounds(self) -> bool:
        """Whether of two that rounds tell apart, each the fastest of its batch size or the one that stood for it, the
        worse one is quoted with the lower latency of an image.
        """
        of_sizes = ((self.sizes[size], comparison.candidate(self._member(size))) for size in self.sizes)
        leading = [one for each, stood in of_sizes for one in each if one is each[0] or one.name == stood]
        both = permutations(leading, 2)
        return any(one.fps.value > other.fps.value and self._shown_worse(one, other) for one, other in both)

    def _shown_worse(self, one: Standing, other: Standing) -> bool:
        """Whether rounds show that an image takes longer by the first."""
        beside, weight = self.beside(one, other), other.row["batch_size"] / one.row["batch_size"]
        return beside.rounds and beside.verdict(weight) == SLOWER

    def _member(self, size: int) -> str:
        """Who stood for a batch size in the comparison of batch sizes; empty where nobody did."""
        contenders = self.between.contenders if self.between else []
        return next((name for name in contenders if name.endswith(f":{size}")), "")

    def _in_rounds(self, size: int, one: str, other: str) -> Optional[Figure]:
        """The ratio of two configurations' latencies at a batch size; None where that is not known from rounds."""
        if one == other:
            return Figure(1.0, (1.0, 1.0))
        compared = self.compared.get(size)
        return compared.ratio(one, other) if compared and {one, other} <= compared.members else None

    def _together(self, one: Standing, other: Standing) -> Optional[Figure]:
        """The ratio of two latencies; None where that was not measured together."""
        size, size_of_other = (each.row["batch_size"] for each in (one, other))
        if size == size_of_other:
            return self._in_rounds(size, one.name, other.name)
        member, member_of_other = self._member(size), self._member(size_of_other)
        if self.between is None or not member or not member_of_other:
            return None
        beside = self._in_rounds(size, one.name, comparison.candidate(member))
        beside_other = self._in_rounds(size_of_other, other.name, comparison.candidate(member_of_other))
        if beside is None or beside_other is None:
            return None
        ratio = self.between.ratio(member, member_of_other).times(size / size_of_other)
        return ratio.over(beside.inverse).over(beside_other)


def across(between: Comparison, rows: Rows) -> dict[int, dict[str, Figure]]:
    """For each batch size by name the latency, ms, by the comparison of batch sizes.

    Args:
        rows: of performance.csv, with figures; what has none any more is left out.
    """
    known = {comparison.name({**row, "size": row["batch_size"]}): row for row in rows}
    among = {name: known[name]["batch_size"] for name in between.contenders if name in known}
    latencies: dict[int, dict[str, Figure]] = {}
    if among:
        best = between.best(among)
        for name, latency in between.quoted(best, at_reference(known[best]), among).items():
            latencies.setdefault(among[name], {})[comparison.candidate(name)] = latency
    return latencies


def rankings(performance: Rows, pairs: Rows, rounds: Rows, disturbed: Collection[str] = ()) -> dict[tuple, Ranking]:
    """Of a study, by the values of `SETTING`; a setting without figures has none.

    Args:
        performance: the rows of performance.csv, `pairs` those of comparison.csv, and `rounds` those of rounds.csv.
        disturbed: records of comparisons beside which the machine was too busy. From one of batch sizes no latency is
            taken: at each of them the machine may have been at rest.
    """
    all_compared = comparisons(pairs, rounds)
    result = {}
    for setting, rows in grouped(usable(performance), SETTING).items():
        sizes = {size: of_size for (size,), of_size in grouped(rows, ("batch_size",)).items()}
        at = {size: (*setting, size) for size in sizes}
        compared = {size: all_compared[point] for size, point in at.items() if point in all_compared}
        between = all_compared.get((*setting, None))
        ranked = {size: rank(sizes[size], compared.get(size), {}) for size in sorted(sizes)}
        result[setting] = Ranking(ranked, compared, between)
        if between and between.record not in disturbed and result[setting].contradicts_rounds:
            known = across(between, rows)
            ranked = {size: rank(sizes[size], compared.get(size), known.get(size, {})) for size in ranked}
            result[setting] = Ranking(ranked, compared, between)
    return result
