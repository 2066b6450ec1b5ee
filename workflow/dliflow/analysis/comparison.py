"""What is compared in rounds, and what the rounds say. Pure functions of plain data.

A round gives every member one burst, so that two members' ratio is free of what the machine did between rounds. What
is left of the machine's state, where it touches one member more than the other, is taken out by the anchor beside the
bursts: ratios are read off where latencies are. A group has new processes, and processes differ, so the group is the
unit of the intervals: Student's t of the groups' log ratios.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple, Optional

import numpy as np

from dliflow import frameworks
from dliflow.analysis import anchored, intervals, sessions, slopes, state
from dliflow.configuration import CPP, PYTHON
from dliflow.study import plan

FIRST, SECOND, TIE = "first is faster", "second is faster", "no difference shown"
CONTEST = ("leaders", "batch size")  # purposes of the pairs among whose members the best is looked for
MOST_GROUPS = 10_000
EARLY = 0.1  # share of the error that an interval may have by which measuring ends early
DIFFERENCES = slopes.Population(0.0, 0.5)  # of the differences of two configurations' slopes
Groups = Sequence[Mapping[str, Any]]


class Pair(NamedTuple):
    """Two members to set against each other, and why: leaders, precision, tuning, api, version or batch size."""

    first: str
    second: str
    purpose: str


class Ratio(NamedTuple):
    """Latency of an image by the first over that by the second: the geometric mean and its interval."""

    ratio: float
    interval: Optional[tuple[float, float]]
    slope: float
    """d log ratio / d log anchor: above 0, the first suffers more where the machine is slow."""

    @property
    def verdict(self) -> str:
        """Who is faster, as far as the interval tells."""
        if self.interval is None or self.interval[0] <= 1 <= self.interval[1]:
            return TIE
        return FIRST if self.interval[1] < 1 else SECOND


class States(NamedTuple):
    """A ratio where the anchor is at its 10 % quantile, and at its 90 % quantile."""

    fast: Ratio
    slow: Ratio

    @property
    def matter(self) -> bool:
        """Whether who is faster depends on it: one is shown to be faster in one state, the other one in the other."""
        return {self.fast.verdict, self.slow.verdict} == {FIRST, SECOND}


def candidate(member: str) -> str:
    """Whom a member of a comparison stands for: its name without the batch size that those of several have behind."""
    return member.partition(":")[0]


def name(member: Mapping[str, Any]) -> str:
    """`openvino-python-default-int8-default`: what a member is called in records.

    An older version has `@2025.3.0` behind, and in a comparison of batch sizes each member `:4`.
    """
    called = "-".join(member[key] for key in plan.CANDIDATE)
    older = f"@{member['older']}" if "older" in member else ""
    size = f":{member['size']}" if "size" in member else ""
    return f"{called}{older}{size}"


def leaders(estimates: Mapping[str, state.Estimate], most: int) -> list[str]:
    """The fastest at the reference state: those not shown to be slower than the first, but two at least.

    Args:
        estimates: by name.
        most: how many at most, two or more.
    """
    ordered = sorted(estimates, key=lambda called: (estimates[called].reference, called))
    chosen = [
        called
        for place, called in enumerate(ordered)
        if place < 2 or not _slower(estimates[called], estimates[ordered[0]])
    ]
    return chosen[:most]


def _slower(one: state.Estimate, first: state.Estimate) -> bool:
    """Whether the intervals show it; without one they do not."""
    ratio = one.reference / first.reference
    interval = intervals.ratio_interval(ratio, one.reference_interval, first.reference_interval)
    return interval is not None and interval[0] > 1


def references(member: Mapping[str, Any], among: Sequence[dict[str, Any]]) -> list[tuple[dict[str, Any], str]]:
    """What a configuration is to be set against, with the purpose: its FP32, and its default launch parameters."""
    wanted = []
    if member["precision"] != "fp32":
        wanted.append(({**member, "precision": "fp32"}, "precision"))
    if member["parameters"] != "default":
        wanted.append(({**member, "parameters": "default"}, "tuning"))
    by_name = {name(other): other for other in among}
    return [(by_name[name(other)], purpose) for other, purpose in wanted if name(other) in by_name]


def versions(member: dict[str, Any], among: Sequence[dict[str, Any]]) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """A configuration and the same in another version of its framework that the study has, too; the newer one first."""
    line = frameworks.line(member["framework"])
    same = {**member, "framework": line}
    others = [
        other
        for other in among
        if other["framework"] != member["framework"]
        and frameworks.line(other["framework"]) == line
        and name({**other, "framework": line}) == name(same)
    ]
    pairs = [sorted((member, other), key=lambda one: frameworks.age(one["framework"])) for other in others]
    return [(newer, old) for old, newer in pairs]


def choose(
    members: Mapping[str, dict[str, Any]],
    estimates: Mapping[str, state.Estimate],
    most: int,
    older: Callable[[dict[str, Any]], Optional[dict[str, Any]]] = lambda member: None,
) -> tuple[list[dict[str, Any]], list[Pair]]:
    """The members of a comparison, and the pairs that it is to decide: leaders with the first of them, all with theirs.

    Args:
        members: by name every configuration that can be compared.
        estimates: theirs, by the same names.
        most: how many leaders at most.
        older: for a configuration the same in an older version, where there is one. It is asked for the leaders, and
            for the fastest of each framework, so that each whose version changed meets its old self. The same ones meet
            the other versions that stand beside them in the study, and themselves in the other language, where the
            study has them.
    """
    first = leaders(estimates, most)
    chosen = {called: members[called] for called in first}
    pairs = [Pair(first[0], other, "leaders") for other in first[1:]]
    for called in dict.fromkeys([*first, *_fastest_of_frameworks(members, estimates)]):
        before, among = older(members[called]), list(members.values())
        against = references(members[called], among) if called in first else []
        against += [(before, "version")] if before else []
        beside = versions(members[called], among)
        known = {**members, **{name(other): other for other, _ in against}}
        meeting = [Pair(called, name(other), purpose) for other, purpose in against]
        meeting += [Pair(name(newer), name(other), "version") for newer, other in beside]
        for pair in (*meeting, *languages(members[called], members)):
            chosen |= {each: known[each] for each in pair[:2]}
            if not any({pair.first, pair.second} == {earlier.first, earlier.second} for earlier in pairs):
                pairs.append(pair)
    return list(chosen.values()), pairs


def languages(member: Mapping[str, Any], members: Collection[str]) -> list[Pair]:
    """C++ against Python of the same configuration, where both can be compared."""
    pair = Pair(name({**member, "api": CPP}), name({**member, "api": PYTHON}), "api")
    return [pair] if {pair.first, pair.second} <= set(members) else []


def _fastest_of_frameworks(members: Mapping[str, dict[str, Any]], estimates: Mapping[str, state.Estimate]) -> list[str]:
    """One of each framework, the fastest at the reference state with default parameters."""
    default = [called for called, member in members.items() if member["parameters"] == "default"]
    ordered = sorted(default, key=lambda called: (-estimates[called].reference, called))
    return list({members[called]["framework"]: called for called in ordered}.values())  # of each the last one stays


class Rounds(NamedTuple):
    """What a pair's rounds say, those that both members gave a burst to: arrays of the same length."""

    group: np.ndarray
    session: np.ndarray
    ratio: np.ndarray
    """float64: logarithm of the ratio of both medians, each over its batch size."""
    anchor: np.ndarray
    """float64: logarithm of the anchor beside both bursts, ms."""

    def against(self, times: float) -> Rounds:
        """The same, had the second member taken so many times as long: to ask if the first is slower than that."""
        return self._replace(ratio=self.ratio - math.log(times))


def rounds(groups: Groups, pair: Pair) -> Rounds:
    """A pair's rounds."""
    rows = list(_rounds(groups, pair))
    return Rounds(*(np.array([row[column] for row in rows]) for column in range(4)))


def _rounds(groups: Groups, pair: Pair) -> Iterator[tuple[int, int, float, float]]:
    sessions = ((number, session) for number, group in enumerate(groups) for session in group["sessions"])
    for opening, (number, session) in enumerate(sessions):
        by_round: dict[int, dict[str, tuple[float, float]]] = {}
        for round_, called, latency, anchor in anchored.beside(session):
            by_round.setdefault(round_, {})[called] = latency, anchor
        for of_round in by_round.values():
            if pair.first in of_round and pair.second in of_round:
                sizes = (session["opened"][called]["batch_size"] for called in (pair.first, pair.second))
                (first, beside_first), (second, beside_second) = of_round[pair.first], of_round[pair.second]
                ratio_ = first - second - math.log(next(sizes) / next(sizes))
                yield number, opening, ratio_, (beside_first + beside_second) / 2


def ratio(groups: Groups, pair: Pair, confidence: float = 0.95, at: Optional[float] = None) -> Ratio:
    """The ratio over all groups.

    Args:
        at: the state to read it off at, as `reference` tells; by default that of the rounds alone.
    """
    return read_off(rounds(groups, pair), reference(groups) if at is None else at, confidence)


def reference(groups: Groups, of_sweep: anchored.Reference = MappingProxyType({})) -> float:
    """The state that ratios are read off at: logarithm of what the anchor takes, ms.

    It is that which latencies are read off at, where the sweep had an anchor of as many threads. The minute of a few
    rounds may be a slow one, and the ratio another there. Else it is the median over all bursts.
    """
    ((threads, of_rounds), *_) = anchored.reference_state(anchored.bursts(groups).values()).items()
    return of_sweep.get(threads, of_rounds)


def at_state(groups: Groups, pair: Pair, confidence: float = 0.95) -> States:
    """The ratio in both states, to say whether who is faster depends on the state."""
    of_pair, anchors = rounds(groups, pair), _anchors(groups)
    return States(*(read_off(of_pair, float(np.quantile(anchors, share)), confidence) for share in (0.1, 0.9)))


def _anchors(groups: Groups) -> np.ndarray:
    """Logarithms of the anchor beside every burst of any member, ms."""
    return np.concatenate([each.anchor for each in anchored.bursts(groups).values()])


def read_off(of_pair: Rounds, reference: float, confidence: float) -> Ratio:
    """The ratio at a state of the machine; not a number, without an interval, where no round has both members.

    A session counts with the median of its rounds, since a shared machine stalls for moments that may hit the burst of
    one member only.

    Args:
        reference: logarithm of the anchor at that state, ms.
    """
    if not len(of_pair.ratio):
        return Ratio(math.nan, None, 0.0)
    of = anchored.Bursts(np.ones_like(of_pair.group), *of_pair, at=np.zeros(len(of_pair.group)))
    slope = slopes.slope(of)
    squares = [sessions.analysis(each, slope.between) for each in sessions.at(of, slope.value, reference).values()]
    slope = slopes.drawn(sessions.known(slope, of, squares, sessions.ALIKE), DIFFERENCES)
    (of_sessions,) = sessions.at(of, slope.value, reference).values()
    groups = np.unique(of_sessions.group, return_inverse=True)[1]
    of_groups = of_sessions._replace(values=np.bincount(groups, of_sessions.values) / np.bincount(groups))
    of_groups = of_groups._replace(group=np.arange(len(of_groups.values)), weight=np.ones(len(of_groups.values)))
    (mean,) = sessions.means({0: ((slope,), {0: of_groups})}).values()
    return Ratio(math.exp(mean.value), sessions.interval(mean, confidence), slope.value)


def confidence(pairs: Collection[Any], level: float = 0.95) -> float:
    """Of each pair's interval, so that all hold at once in this share of comparisons (Bonferroni)."""
    return 1 - (1 - level) / max(len(pairs), 1)


def of_verdicts(pairs: Collection[Pair]) -> float:
    """The confidence at which a comparison's pairs are told: with it those of any two contenders hold at once.

    Of any two, whichever pairs were to be decided: who is the best is seen in the same rounds (J. C. Hsu, Annals of
    Statistics 12, 1984, on comparisons with the best).
    """
    contenders = {called for pair in pairs if pair.purpose in CONTEST for called in pair[:2]}
    return confidence(range(math.comb(len(contenders), 2)))


def best(names: Collection[str], ratio_of: Callable[[str, str], float]) -> str:
    """The one of the least time of an image: that no other beats, where there is such a one.

    Args:
        ratio_of: of the times of an image of two of them.
    """
    first = next(iter(names))
    ratios = {called: ratio_of(called, first) for called in names}
    ordered = sorted(names, key=lambda called: (ratios[called], called))
    unbeaten = (one for one in ordered[:3] if all(ratio_of(one, other) <= 1 for other in ordered))
    return next(unbeaten, ordered[0])


def decided(
    groups: Groups, pairs: Sequence[Pair], width: float, of_sweep: anchored.Reference = MappingProxyType({})
) -> bool:
    """Whether every pair is known: who is faster, or the ratio to ± this share of it; so also as it will be told."""
    at, sure = reference(groups, of_sweep), max(confidence(pairs), of_verdicts(pairs))
    return all(settled(rounds(groups, pair), at, sure, width) for pair in pairs)


def settled(of_pair: Rounds, reference: float, confidence: float, width: float) -> bool:
    """Whether a pair is known so well that measuring may end.

    Who looks after every group and stops when an interval excludes 1 is led by chance: of pairs without a difference
    16 to 18 % were called different (`benchmarks/coverage.py`). So the interval that may end it early allows a tenth of
    the error, after which the one that is quoted holds the truth as often as it says (R. Peto et al., Br. J. Cancer 34,
    1976, section 8).
    """
    early = read_off(of_pair, reference, 1 - EARLY * (1 - confidence))
    return early.verdict != TIE or _narrow(read_off(of_pair, reference, confidence), width)


def _narrow(of_pair: Ratio, width: float) -> bool:
    return of_pair.interval is not None and intervals.half_width(of_pair.interval) <= math.log1p(width)


def until_decided(
    make: Callable[[], Mapping[str, Any]],
    groups: list[Mapping[str, Any]],
    pairs: Sequence[Pair],
    least: int,
    budget_s: float,
    width: float,
    of_sweep: anchored.Reference = MappingProxyType({}),
) -> str:
    """Make groups until all pairs are `decided`, or they have taken the budget (`time`); which of the two it was.

    Args:
        make: gives one group, as records have it.
        groups: those that there are already; each that is made goes into the list, and stays where the next one fails.
        least: so many groups in any case.
        budget_s: after so many seconds no other group begins.
        width: half of a ratio's interval that is narrow enough, as a share of the ratio.
        of_sweep: the sweep's reference state.
    """
    while len(groups) < least or sum(group["wall_s"] for group in groups) < budget_s:
        groups.append(make())
        if len(groups) >= least and decided(groups, pairs, width, of_sweep):
            return "decided"
    return "time"


def groups_needed(
    groups: Groups, pair: Pair, width: float, confidence: float, at: Optional[float] = None
) -> Optional[int]:
    """How many groups more would decide a pair, as `more_groups` tells; `at` is that of `ratio`."""
    return more_groups(rounds(groups, pair), reference(groups) if at is None else at, width, confidence)


def more_groups(of_pair: Rounds, reference: float, width: float, confidence: float) -> Optional[int]:
    """How many groups more would decide a pair, as intervals shrink with the root of their number.

    0 where its interval excludes 1 or is narrow; None where there is none yet, or where they would be over 10 000.
    """
    known = read_off(of_pair, reference, confidence)
    if known.interval is None:
        return None
    if known.verdict != TIE or _narrow(known, width):
        return 0
    count = len(np.unique(of_pair.group))
    target = max(math.log1p(width), abs(math.log(known.ratio)))
    if intervals.half_width(known.interval) > target * math.sqrt(1 + MOST_GROUPS / count):
        return None
    return max(1, math.ceil(count * ((intervals.half_width(known.interval) / target) ** 2 - 1)))
