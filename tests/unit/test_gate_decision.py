"""What becomes of rows that are measured against a margin: groups whose truth is known, without processes."""

from __future__ import annotations

import math
from collections import Counter

import nested
import pytest

from dliflow.analysis import comparison, gate
from dliflow.analysis.comparison import Ratio
from dliflow.analysis.gate import PASSED, REGRESSED, UNDECIDED, Look, Lost, Row, Rule

A, B = Row("a", 1), Row("b", 1)
QUIET, NOISY = (0.005, 0.005, 0.005), (0.03, 0.02, 0.01)
ASKED = gate.Asked(slower=0.03, confidence=0.95, least=6, budget_s=60.0)


class Bench:
    """Makes groups of pairs, a second each; by name how much slower the new one is, or why it cannot be measured."""

    def __init__(self, truth, sd=QUIET, seed=0):
        self.truth, self.sd, self.seed = truth, sd, seed
        self.calls: list[tuple[str, tuple[int, ...]]] = []

    def make(self, name, batch_sizes):
        self.calls.append((name, tuple(batch_sizes)))
        ratio = self.truth[name]
        if isinstance(ratio, str):
            raise Lost(ratio)
        latency = {"after": lambda state: ratio * math.exp(state), "before": math.exp}
        seed = 10_000 * self.seed + len(self.calls)
        (group,) = nested.groups(latency, 1, 2, 2, batch_sizes=tuple(batch_sizes), sd=self.sd, seed=seed)
        return {**group, "wall_s": 1.0}

    def count(self, name):
        return Counter(called for called, _ in self.calls)[name]


def decide(bench, rows, asked=ASKED):
    """As the stage does: what becomes of each row."""
    first = gate.measured(bench.make, rows, asked)
    again = gate.measured(bench.make, first.slower(), asked)
    return {row: gate.outcome(row, first, again) for row in rows}


@pytest.mark.parametrize(("ratio", "verdict"), [(0.9, PASSED), (1.0, PASSED), (1.015, PASSED), (1.08, REGRESSED)])
def test_a_row_is_judged_by_the_margin_and_not_by_1(ratio, verdict):
    bench = Bench({"a": ratio})
    outcome = decide(bench, [A])[A]
    assert (outcome.verdict, outcome.reason) == (verdict, "")
    low, high = outcome.looks[-1].ratio.interval
    assert low < ratio < high
    assert high < 1.03 if verdict == PASSED else low > 1.03


def test_a_regression_is_believed_after_a_second_measurement_in_fresh_groups():
    bench = Bench({"a": 1.08})
    outcome = decide(bench, [A])[A]
    first, again = outcome.looks
    assert first.groups >= ASKED.least and again.groups >= ASKED.least
    assert first.groups + again.groups == len(bench.calls) == len(outcome.groups)
    assert first.ratio != again.ratio


def test_what_passes_is_measured_once():
    bench = Bench({"a": 1.0})
    assert len(decide(bench, [A])[A].looks) == 1
    assert len(bench.calls) == ASKED.least


def looks(*verdicts):
    return [Look(verdict, Ratio(1.05, (1.04, 1.06), 0.0), 6, 6.0, 0.0) for verdict in verdicts]


@pytest.mark.parametrize(
    ("verdicts", "verdict", "why"),
    [
        ((PASSED,), PASSED, ""),
        ((UNDECIDED,), UNDECIDED, ""),
        ((REGRESSED, REGRESSED), REGRESSED, ""),
        ((REGRESSED, PASSED), UNDECIDED, "a second one shows that it is not"),
        ((REGRESSED, UNDECIDED), UNDECIDED, "could not confirm it"),
        ((REGRESSED,), UNDECIDED, "the time was spent before that could be confirmed: raise --budget"),
        ((), UNDECIDED, "before its turn"),
    ],
)
def test_one_measurement_alone_never_regresses(verdicts, verdict, why):
    judged, reason = gate.judged(looks(*verdicts))
    assert judged == verdict
    assert why in reason
    assert bool(why) == bool(reason)


def test_with_its_time_a_row_stays_undecided_and_tells_what_would_decide_it():
    bench = Bench({"a": 0.99}, NOISY)
    asked = ASKED._replace(budget_s=8.0)
    outcome = decide(bench, [A], asked)[A]
    assert outcome.verdict == UNDECIDED
    assert len(bench.calls) == 8
    more_s = outcome.looks[0].more_s
    assert more_s > 0
    longer = decide(Bench({"a": 0.99}, NOISY), [A], asked._replace(budget_s=8.0 + 2 * more_s))[A]
    assert longer.verdict == PASSED


def test_at_the_margin_no_time_would_tell():
    same = Bench({"a": 1.0}, sd=(0.02, 0.0, 0.0))
    groups = gate.measured(same.make, [A], ASKED._replace(budget_s=6.0)).groups[A]
    ratio = comparison.ratio(groups, gate.PAIR).ratio
    at_the_margin = gate.look(groups, Rule(ratio - 1, 0.95))
    assert at_the_margin.verdict == UNDECIDED
    assert at_the_margin.more_s is None


def test_decided_rows_leave_the_time_to_the_others():
    bench = Bench({"a": 1.0, "b": 1.02}, NOISY)
    bench.make = limited(bench, {"a": QUIET})
    gate.measured(bench.make, [A, B], ASKED._replace(budget_s=40.0))
    assert bench.count("a") < bench.count("b")
    assert bench.count("a") + bench.count("b") <= 40


def limited(bench, sd):
    """The bench's `make` with another spread for some pairs."""
    plain = bench.make

    def make(name, batch_sizes):
        bench.sd = sd.get(name, NOISY)
        return plain(name, batch_sizes)

    return make


def test_batch_sizes_of_a_pair_share_processes_until_they_are_decided():
    rows = [Row("a", 1), Row("a", 8)]
    bench = Bench({"a": 1.0})
    known = gate.measured(bench.make, rows, ASKED)
    assert set(bench.calls) <= {("a", (1, 8)), ("a", (1,)), ("a", (8,))}
    assert bench.calls[0] == ("a", (1, 8))
    for row in rows:
        for group in known.groups[row]:
            assert {session["opened"]["after"]["batch_size"] for session in group["sessions"]} == {row.batch_size}
    assert known.groups[rows[0]][0]["wall_s"] == known.groups[rows[1]][0]["wall_s"] == 0.5


def test_a_pair_that_breaks_costs_itself_alone():
    outcomes = decide(Bench({"a": "after: its process was killed by SIGSEGV", "b": 1.0}), [A, B])
    assert outcomes[A].verdict == gate.NOT_MEASURED
    assert outcomes[A].reason == "after: its process was killed by SIGSEGV"
    assert outcomes[B].verdict == PASSED


def test_rows_that_the_time_did_not_reach_are_undecided():
    outcomes = decide(Bench({"a": 1.0, "b": 1.0}), [A, B], ASKED._replace(budget_s=1.0))
    assert {outcome.verdict for outcome in outcomes.values()} == {UNDECIDED}
    assert not outcomes[B].looks
    assert outcomes[A].looks[0].more_s is None  # one group has no interval


def test_a_suspect_that_the_time_for_a_second_look_did_not_reach_asks_for_a_longer_budget():
    bench = Bench({"a": 1.08, "b": 1.08})
    first = gate.measured(bench.make, [A, B], ASKED)
    again = gate.measured(bench.make, first.slower(), ASKED._replace(budget_s=1.0))
    outcome = gate.outcome(B, first, again)
    assert (outcome.verdict, len(outcome.looks)) == (UNDECIDED, 1)
    assert "raise --budget" in outcome.reason


def test_intervals_hold_for_all_rows_at_once():
    assert Rule.of(0.03, 0.95, [A]).confidence == pytest.approx(0.95)
    assert Rule.of(0.03, 0.95, [A] * 5).confidence == pytest.approx(0.99)
    assert Rule.of(0.03, 0.9, [A] * 5).confidence == pytest.approx(0.98)


def test_what_becomes_of_all_is_what_is_gravest():
    assert gate.gravest([PASSED, UNDECIDED]) == UNDECIDED
    assert gate.gravest([UNDECIDED, gate.NOT_MEASURED, PASSED]) == gate.NOT_MEASURED
    assert gate.gravest([gate.NOT_MEASURED, REGRESSED]) == REGRESSED
    assert gate.gravest([PASSED, PASSED]) == PASSED
    assert gate.gravest([]) == gate.NOT_MEASURED


def test_chance_fails_no_build():
    """The truth lies at the margin, where chance errs most often: one measurement may, two hardly ever do."""
    suspected = failed = 0
    for seed in range(60):
        bench = Bench({"a": 1.03}, NOISY, seed)
        outcome = decide(bench, [A], ASKED._replace(budget_s=10.0))[A]
        suspected += outcome.looks[0].verdict == REGRESSED
        failed += outcome.verdict == REGRESSED
    assert suspected / 60 < 0.12
    assert failed <= 1
