"""What is compared in rounds, and what the rounds say. Pure functions of plain data.

A round gives every member one burst, so that two members' ratio is free of what the machine did between rounds. A group
is a number of rounds of the same processes; the next group has new ones. Processes differ, so the group is the unit of
the intervals: Student's t of the groups' log ratios.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Optional

import numpy as np

from dliflow.analysis import stats
from dliflow.study import plan

FIRST, SECOND, TIE = "first is faster", "second is faster", "no difference shown"


class Pair(NamedTuple):
    """Two members to set against each other, and why."""

    first: str
    second: str
    purpose: str


class Ratio(NamedTuple):
    """Latency of the first over that of the second: the geometric mean and its interval."""

    ratio: float
    interval: Optional[tuple[float, float]]

    @property
    def verdict(self) -> str:
        """Who is faster, as far as the interval tells."""
        if self.interval is None or self.interval[0] <= 1 <= self.interval[1]:
            return TIE
        return FIRST if self.interval[1] < 1 else SECOND


def name(member: dict[str, Any]) -> str:
    """`openvino-default-int8-default`: what a member is called in records; an older version has `@2025.3.0` behind."""
    called = "-".join(member[key] for key in plan.CANDIDATE)
    return f"{called}@{member['older']}" if "older" in member else called


def leaders(measured: Sequence[tuple[dict[str, Any], Sequence[np.ndarray]]], most: int) -> list[dict[str, Any]]:
    """The fastest configurations: those not shown to be slower than the one of the lowest latency, but two at least.

    Args:
        measured: for each configuration its repetitions' durations, any one unit.
        most: how many at most, two or more.
    """
    ordered = sorted(measured, key=lambda item: (stats.latency(item[1]), name(item[0])))
    chosen = []
    for place, (member, repetitions) in enumerate(ordered):
        interval = stats.ratio_interval(repetitions, ordered[0][1])
        if place < 2 or interval is None or interval[0] <= 1:
            chosen.append(member)
    return chosen[:most]


def references(member: dict[str, Any], among: Sequence[dict[str, Any]]) -> list[tuple[dict[str, Any], str]]:
    """What a configuration is to be set against, with the purpose: its FP32, and its default launch parameters."""
    wanted = []
    if member["precision"] != "fp32":
        wanted.append(({**member, "precision": "fp32"}, "precision"))
    if member["parameters"] != "default":
        wanted.append(({**member, "parameters": "default"}, "tuning"))
    by_name = {name(other): other for other in among}
    return [(by_name[name(other)], purpose) for other, purpose in wanted if name(other) in by_name]


def choose(
    measured: Sequence[tuple[dict[str, Any], Sequence[np.ndarray]]],
    most: int,
    older: Callable[[dict[str, Any]], Optional[dict[str, Any]]] = lambda member: None,
) -> tuple[list[dict[str, Any]], list[Pair]]:
    """The members of a comparison, and the pairs that it is to decide: leaders with the first of them, all with theirs.

    Args:
        measured: for each configuration that can be compared its repetitions' durations, any one unit.
        most: how many leaders at most.
        older: for a leader the same configuration in an older version, where there is one.
    """
    every = [member for member, _ in measured]
    first = leaders(measured, most)
    members = {name(member): member for member in first}
    pairs = [Pair(name(first[0]), name(other), "leaders") for other in first[1:]]
    for member in first:
        before = older(member)
        against = references(member, every) + ([(before, "version")] if before else [])
        for other, purpose in against:
            members.setdefault(name(other), other)
            pair = Pair(name(member), name(other), purpose)
            if not any({pair.first, pair.second} == {known.first, known.second} for known in pairs):
                pairs.append(pair)
    return list(members.values()), pairs


def log_ratios(groups: Sequence[dict[str, Any]], pair: Pair) -> list[np.ndarray]:
    """For each group the logarithms of the rounds' ratios of the two members' median latencies."""
    return [
        np.array([np.log(medians[pair.first] / medians[pair.second]) for medians in map(_medians, group["rounds"])])
        for group in groups
    ]


def _medians(round_: dict[str, Any]) -> dict[str, float]:
    return {member: float(np.median(durations)) for member, durations in round_["latency_ns"].items()}


def ratio(parts: Sequence[np.ndarray], confidence: float = 0.95) -> Ratio:
    """The ratio over all groups: the geometric mean of each group's median.

    A median, since a shared machine stalls for moments that may hit the burst of one member only; where a fifth of all
    bursts took 1.6 times as long or more, it made the interval a sixth as wide as a mean did (`benchmarks/rounds.py`).

    Args:
        parts: for each group the log ratios of its rounds; groups without any are left out.
    """
    medians = np.array([np.median(part) for part in parts if len(part)])
    return Ratio(float(np.exp(medians.mean())), stats.mean_interval(medians, confidence, of=np.exp))


def narrow(groups: Sequence[dict[str, Any]], pairs: Sequence[Pair], width: float) -> bool:
    """Whether every pair's interval lies within ± this share of its ratio."""
    for pair in pairs:
        known = ratio(log_ratios(groups, pair))
        if known.interval is None or np.log(known.interval[1] / known.ratio) > np.log1p(width):
            return False
    return True


class States(NamedTuple):
    """The ratio in the rounds in which the machine was faster than its median, and in the others."""

    fast: Ratio
    slow: Ratio
    matter: bool
    """Whether who is faster depends on it: one is shown to be faster in one state, the other one in the other."""


def states(groups: Sequence[dict[str, Any]], pair: Pair) -> Optional[States]:
    """A pair's ratio by the state of the machine, which the pacer tells; None when all rounds found the same state.

    The pacer is no member, so that a member's own slow burst does not make a state.
    """
    pace = [np.array([np.median(round_["pacer_ns"]) for round_ in group["rounds"]]) for group in groups]
    middle = float(np.median(np.concatenate(pace)))
    ratios = log_ratios(groups, pair)
    fast = [part[beside <= middle] for part, beside in zip(ratios, pace)]
    slow = [part[beside > middle] for part, beside in zip(ratios, pace)]
    if not any(map(len, slow)):
        return None
    first, second = ratio(fast), ratio(slow)
    return States(first, second, {first.verdict, second.verdict} == {FIRST, SECOND})
