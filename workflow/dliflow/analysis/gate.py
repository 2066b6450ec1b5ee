"""Is what is new slower than before by more than a margin? What rounds say of each row, and of all of them together.

The estimator is that of `comparison`, as is the rule by which measuring may end early. The margin is put upon the old
side, as if it had taken so much longer: a row *passed* where the new one is shown to be faster than that, and
*regressed* where it is shown to be slower. Who looks at many rows, and has a build fail by one, must not be led by
chance. So intervals hold for all rows at once, and a regression is believed when a second measurement, in fresh
processes, says so too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple, Optional

from dliflow.analysis import comparison
from dliflow.analysis.comparison import Groups, Pair, Ratio
from dliflow.records.pairs import AFTER, BEFORE

PASSED, REGRESSED, UNDECIDED, NOT_MEASURED = "passed", "regressed", "undecided", "not measured"
GRAVEST = (REGRESSED, NOT_MEASURED, UNDECIDED, PASSED)  # what becomes of all is the first of these that any row has
PAIR = Pair(AFTER, BEFORE, "version")
SAYS = {comparison.FIRST: PASSED, comparison.SECOND: REGRESSED, comparison.TIE: UNDECIDED}


class Rule(NamedTuple):
    """By what a row is judged."""

    slower: float
    """The margin: a share of the old latency, such as 0.03."""
    confidence: float
    """Of the row's interval."""

    @classmethod
    def of(cls, slower: float, level: float, rows: Collection[Any]) -> Rule:
        """That by which all of so many rows' intervals hold at once at this level."""
        return cls(slower, comparison.confidence(rows, level))


class Row(NamedTuple):
    """What is decided: a pair of configurations, by its name, at a batch size."""

    name: str
    batch_size: int


class Look(NamedTuple):
    """What one measurement says of a row."""

    verdict: str
    ratio: Ratio
    """New latency over old; not a number where there is none."""
    groups: int
    wall_s: float
    more_s: Optional[float]
    """Seconds more that would decide it; 0 where it is; None where that cannot be told, or where nothing would."""


def look(groups: Groups, rule: Rule) -> Look:
    """What all groups of a row say."""
    wall_s = sum(group["wall_s"] for group in groups)
    if not groups:
        return Look(UNDECIDED, Ratio(math.nan, None, 0.0), 0, wall_s, None)
    of_pair, reference = comparison.rounds(groups, PAIR), comparison.reference(groups)
    against = of_pair.against(1 + rule.slower)
    verdict = SAYS[comparison.read_off(against, reference, rule.confidence).verdict]
    ratio = comparison.read_off(of_pair, reference, rule.confidence)
    more = comparison.more_groups(against, reference, 0.0, rule.confidence)
    return Look(verdict, ratio, len(groups), wall_s, None if more is None else more * wall_s / len(groups))


def settled(groups: Groups, rule: Rule) -> bool:
    """Whether a row is known so well that measuring may end, as `comparison.settled` has it."""
    against = comparison.rounds(groups, PAIR).against(1 + rule.slower)
    return comparison.settled(against, comparison.reference(groups), rule.confidence, 0.0)


class Lost(Exception):
    """A pair cannot be measured: which side, and why."""


class Asked(NamedTuple):
    """How rows are measured and judged."""

    slower: float
    """The margin, as a `Rule` has it."""
    confidence: float
    """With which the intervals of all rows hold at once."""
    least: int
    """No row is settled by fewer groups."""
    budget_s: float
    """After so many seconds no other group begins."""


class Measured(NamedTuple):
    """What measuring gave."""

    groups: dict[Row, list[dict[str, Any]]]
    """Of each row those in which it was measured."""
    looks: dict[Row, Look]
    """What they say."""
    lost: dict[str, str]
    """Pairs that could not be measured, by name, and why."""

    def slower(self) -> list[Row]:
        """The rows that seem to have regressed."""
        regressed = [row for row, look in self.looks.items() if look.verdict == REGRESSED]
        return [row for row in regressed if row.name not in self.lost]


Make = Callable[[str, Sequence[int]], Mapping[str, Any]]
"""Measures one group of a pair, given by its name, at these batch sizes, as records have it; it may raise `Lost`."""


def measured(make: Make, rows: Collection[Row], asked: Asked) -> Measured:
    """Let pairs have a group each, by turns, until all their rows are `settled`, or groups have taken the budget."""
    rule = Rule.of(asked.slower, asked.confidence, rows)
    groups: dict[Row, list[dict[str, Any]]] = {row: [] for row in rows}
    lost: dict[str, str] = {}

    def due(row: Row) -> bool:
        return row.name not in lost and (len(groups[row]) < asked.least or not settled(groups[row], rule))

    spent_s = 0.0
    while turn := [row for row in rows if due(row)]:
        for name in dict.fromkeys(row.name for row in turn):
            if spent_s >= asked.budget_s:
                return Measured(groups, _looks(groups, rule), lost)
            sizes = [row.batch_size for row in turn if row.name == name]
            try:
                group = make(name, sizes)
            except Lost as reason:
                lost[name] = str(reason)
                continue
            spent_s += group["wall_s"]
            for size in sizes:
                groups[Row(name, size)].append(at_size(group, size))
    return Measured(groups, _looks(groups, rule), lost)


def _looks(groups: Mapping[Row, Groups], rule: Rule) -> dict[Row, Look]:
    return {row: look(of_row, rule) for row, of_row in groups.items()}


def at_size(group: Mapping[str, Any], batch_size: int) -> dict[str, Any]:
    """What of a group is of one batch size, with the share of its time."""
    sessions = [one for one in group["sessions"] if one["opened"][AFTER]["batch_size"] == batch_size]
    share = len(sessions) / len(group["sessions"])
    return {**group, "sessions": sessions, "wall_s": group["wall_s"] * share}


class Outcome(NamedTuple):
    """What becomes of a row."""

    verdict: str
    reason: str
    """Why it is not what the first measurement says, or was not measured; empty otherwise."""
    looks: list[Look]
    """What one measurement said, or two, where there was any."""
    groups: list[dict[str, Any]]
    """Of both."""


def outcome(row: Row, first: Measured, again: Measured) -> Outcome:
    """What becomes of a row.

    Args:
        again: a second measurement of those that were `slower`.
    """
    lost = {**first.lost, **again.lost}
    looks = [look for look in (first.looks[row], again.looks.get(row)) if look is not None and look.groups]
    groups = [*first.groups[row], *again.groups.get(row, [])]
    verdict, reason = (NOT_MEASURED, lost[row.name]) if row.name in lost else judged(looks)
    return Outcome(verdict, reason, looks, groups)


def judged(looks: Sequence[Look]) -> tuple[str, str]:
    """What one measurement or two say, and why it is not what the first of them says."""
    if not looks:
        return UNDECIDED, "the time was spent before its turn"
    verdicts = [look.verdict for look in looks]
    if verdicts[0] != REGRESSED:
        return verdicts[0], ""
    if verdicts == [REGRESSED]:
        return UNDECIDED, "it seems slower, and the time was spent before that could be confirmed: raise --budget"
    if verdicts == [REGRESSED, REGRESSED]:
        return REGRESSED, ""
    if verdicts == [REGRESSED, PASSED]:
        return UNDECIDED, "one measurement shows it slower, and a second one shows that it is not: the machine changed"
    return UNDECIDED, "one measurement shows it slower, and a second one could not confirm it"


def gravest(verdicts: Collection[str]) -> str:
    """What becomes of all rows together."""
    return next((verdict for verdict in GRAVEST if verdict in verdicts), NOT_MEASURED)
