"""What is compared in rounds, and what the rounds say."""

from __future__ import annotations

import numpy as np
import pytest

from dliflow.analysis import comparison
from dliflow.analysis.comparison import Pair

RNG = np.random.default_rng(0)


def member(framework, precision="fp32", parameters="default"):
    return {"framework": framework, "variant": "default", "precision": precision, "parameters": parameters}


def measured(*rows):
    """Configurations and the medians of their repetitions."""
    return [(one, [np.array([value]) for value in medians]) for one, medians in rows]


def groups_of(ratios, sd=0.001, rounds=8, seed=0, pace=lambda group, round_: 1.0):
    """Groups of rounds in which `x` takes so many times as long as `y`; a ratio can be a function of the pace."""
    rng = np.random.default_rng(seed)
    found = []
    for number, ratio in enumerate(ratios):
        rounds_ = []
        for round_ in range(rounds):
            state = pace(number, round_)
            value = ratio(state) if callable(ratio) else ratio
            y = state * 1e6
            x = y * value * np.exp(rng.normal(0, sd))
            rounds_.append({"latency_ns": {"x": [x] * 3, "y": [y] * 3}, "pacer_ns": [state * 1e5]})
        found.append({"rounds": rounds_})
    return found


def test_leaders_are_those_not_shown_slower_and_two_at_least():
    rows = measured(
        (member("slow"), [9.0, 9.1, 9.2]),
        (member("best"), [1.0, 1.1, 1.05]),
        (member("close"), [1.02, 1.12, 1.1]),
        (member("second"), [1.5, 1.51, 1.52]),
    )
    assert [one["framework"] for one in comparison.leaders(rows, 3)] == ["best", "close"]
    assert [one["framework"] for one in comparison.leaders(rows[:2], 3)] == ["best", "slow"]


def test_leaders_are_sorted_by_the_figure_that_they_are_tested_by():
    """Three processes of `late` are the fastest of all, two are three times as slow: its median would lead."""
    rows = measured(
        (member("late"), [1.0, 1.0, 1.0, 3.0, 3.1]),
        (member("even"), [1.01, 1.02, 1.03, 1.04, 1.05]),
        (member("slow"), [1.2, 1.21, 1.22, 1.23, 1.24]),
    )
    assert [one["framework"] for one in comparison.leaders(rows, 3)] == ["even", "slow", "late"]


def test_one_repetition_shows_nothing_slower():
    rows = measured((member("a"), [1.0]), (member("b"), [5.0]), (member("c"), [9.0]))
    assert [one["framework"] for one in comparison.leaders(rows, 9)] == ["a", "b", "c"]


def test_each_leader_meets_the_first_and_its_own_references_once():
    rows = measured(
        (member("a", "int8"), [1.0, 1.1]),
        (member("a"), [1.05, 1.1]),
        (member("b", "int8"), [1.04, 1.1]),
        (member("b"), [9.0, 9.1]),
        (member("b", "int8", "tuned"), [1.03, 1.1]),
    )
    members, pairs = comparison.choose(rows, 4)
    a8, a32, b8, b32, tuned = (comparison.name(one) for one, _ in rows)
    assert {comparison.name(one) for one in members} == {a8, a32, b8, b32, tuned}
    assert set(pairs) == {
        *(Pair(a8, other, "leaders") for other in (tuned, b8, a32)),
        Pair(tuned, b8, "tuning"),
        Pair(b8, b32, "precision"),
    }


def test_moments_in_which_the_machine_stalls_decide_nothing():
    groups = groups_of([1.05] * 6, sd=0.01, rounds=8)
    for number, group in enumerate(groups):
        stalled = group["rounds"][number]["latency_ns"]
        stalled["y" if number % 2 else "x"] = [1e9] * 5
    found = comparison.ratio(comparison.log_ratios(groups, Pair("x", "y", "leaders")))
    assert found.verdict == comparison.SECOND
    assert 1.03 < found.interval[0] < 1.05 < found.interval[1] < 1.07


def test_the_ratio_and_who_is_faster():
    pair = Pair("x", "y", "leaders")
    slower = comparison.ratio(comparison.log_ratios(groups_of([1.05] * 4, sd=0.01), pair))
    assert slower.interval[0] < 1.05 < slower.interval[1]
    assert slower.verdict == comparison.SECOND
    assert comparison.ratio(comparison.log_ratios(groups_of([0.95] * 4, sd=0.01), pair)).verdict == comparison.FIRST
    scattered = comparison.ratio(comparison.log_ratios(groups_of([0.9, 1.1, 1.05, 0.97]), pair))
    assert scattered.verdict == comparison.TIE


def test_processes_are_the_unit_however_many_rounds_there_were():
    """Two groups that disagree by 10 %: a thousand rounds in each do not make the interval narrow."""
    found = comparison.ratio(comparison.log_ratios(groups_of([1.0, 1.1], rounds=1000), Pair("x", "y", "leaders")))
    assert found.interval[1] / found.interval[0] > 1.2


def test_one_group_has_no_interval_and_decides_nothing():
    found = comparison.ratio(comparison.log_ratios(groups_of([2.0]), Pair("x", "y", "leaders")))
    assert found.interval is None
    assert found.verdict == comparison.TIE


def test_the_interval_holds_the_truth_as_often_as_it_says():
    held = 0
    for _ in range(400):
        ratios = np.exp(RNG.normal(0, 0.01, 6))
        low, high = comparison.ratio(comparison.log_ratios(groups_of(ratios, rounds=2), Pair("x", "y", ""))).interval
        held += low <= 1 <= high
    assert 0.91 <= held / 400 <= 0.985


def test_narrow_asks_for_every_pair():
    pairs = [Pair("x", "y", "leaders")]
    assert comparison.narrow(groups_of([1.0, 1.001, 0.999]), pairs, 0.01)
    assert not comparison.narrow(groups_of([1.0, 1.1, 0.9]), pairs, 0.01)
    assert not comparison.narrow(groups_of([1.0]), pairs, 0.01)


@pytest.mark.parametrize(("ratio", "matter"), [(lambda state: 0.95 if state < 1.2 else 1.08, True), (1.02, False)])
def test_a_ranking_that_depends_on_the_machine_is_told(ratio, matter):
    def pace(group, round_):
        return 1.0 if round_ % 2 else 1.5

    found = comparison.states(groups_of([ratio] * 5, sd=0.01, pace=pace), Pair("x", "y", "leaders"))
    assert found.matter is matter
    if matter:
        assert found.fast.verdict == comparison.FIRST
        assert found.slow.verdict == comparison.SECOND


def test_a_tie_that_straddles_1_by_chance_depends_on_nothing():
    def pace(group, round_):
        return 1.0 if round_ % 2 else 1.5

    ratios = [lambda state: 0.999 if state < 1.2 else 1.004] * 5
    found = comparison.states(groups_of(ratios, sd=0.003, pace=pace), Pair("x", "y", "leaders"))
    assert found.fast.ratio < 1 < found.slow.ratio
    assert not found.matter


def test_an_even_machine_has_one_state():
    assert comparison.states(groups_of([1.0] * 3), Pair("x", "y", "leaders")) is None


def test_a_leader_meets_its_older_version():
    rows = measured((member("a"), [1.0, 1.1]), (member("b"), [1.0, 1.2]))
    old = {**member("b"), "older": "1.0"}
    members, pairs = comparison.choose(rows, 2, lambda one: old if one["framework"] == "b" else None)
    assert old in members
    assert Pair("b-default-fp32-default", "b-default-fp32-default@1.0", "version") in pairs
