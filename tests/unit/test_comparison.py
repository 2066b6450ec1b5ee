"""What is compared in rounds, and what the rounds say."""

from __future__ import annotations

import math

import nested
import numpy as np
import pytest

from dliflow.analysis import comparison
from dliflow.analysis.comparison import Pair
from dliflow.analysis.intervals import half_width
from dliflow.analysis.state import Estimate

PAIR = Pair("x", "y", "leaders")
SLOW = math.log(1.4)


def member(framework, precision="fp32", parameters="default"):
    return {
        "framework": framework,
        "api": "python",
        "variant": "default",
        "precision": precision,
        "parameters": parameters,
    }


def measured(*rows):
    """Configurations by name, and their estimates: each a latency with how wide its interval is to either side."""
    members = {comparison.name(one): one for one, _, _ in rows}
    estimates = {
        comparison.name(one): Estimate(9.0, None, ms, half and (ms * math.exp(-half), ms * math.exp(half)), 1.0)
        for one, ms, half in rows
    }
    return members, estimates


def groups_of(ratio, slope=0.0, sd=(0.0, 0.0, 0.005), **more):
    """Groups in which `x` takes so many times as long as `y` where the state is 0."""

    def x(state):
        return ratio * math.exp((1 + slope) * state)

    return nested.groups({"x": x, "y": math.exp}, sd=sd, **{"rounds": 3, **more})


def by_session(burst):
    """Every second session of four rounds of two bursts is slow."""
    return SLOW * (burst // 8 % 2)


def test_a_member_is_called_by_what_tells_it_apart():
    one = member("openvino", "int8")
    assert comparison.name(one) == "openvino-python-default-int8-default"
    assert comparison.name({**one, "older": "2025.3.0"}) == "openvino-python-default-int8-default@2025.3.0"
    assert comparison.name({**one, "size": 4}) == "openvino-python-default-int8-default:4"


def test_leaders_are_those_not_shown_slower_and_two_at_least():
    rows = (
        (member("slow"), 9.0, 0.01),
        (member("best"), 1.0, 0.05),
        (member("close"), 1.06, 0.05),
        (member("second"), 1.5, 0.01),
    )
    called = {one["framework"]: comparison.name(one) for one, _, _ in rows}
    assert comparison.leaders(measured(*rows)[1], 3) == [called["best"], called["close"]]
    assert comparison.leaders(measured(*rows[:2])[1], 3) == [called["best"], called["slow"]]


def test_what_has_no_interval_may_lead():
    _, estimates = measured((member("a"), 1.0, 0.01), (member("b"), 5.0, None), (member("c"), 9.0, None))
    assert [called[0] for called in comparison.leaders(estimates, 9)] == ["a", "b", "c"]
    assert [called[0] for called in comparison.leaders(estimates, 2)] == ["a", "b"]


def test_each_leader_meets_the_first_and_its_own_references_once():
    rows = (
        (member("a", "int8"), 1.0, 0.1),
        (member("a"), 1.05, 0.1),
        (member("b", "int8"), 1.04, 0.1),
        (member("b"), 9.0, 0.1),
        (member("b", "int8", "tuned"), 1.03, 0.1),
    )
    members, pairs = comparison.choose(*measured(*rows), 4)
    a8, a32, b8, b32, tuned = (comparison.name(one) for one, _, _ in rows)
    assert {comparison.name(one) for one in members} == {a8, a32, b8, b32, tuned}
    assert set(pairs) == {
        *(Pair(a8, other, "leaders") for other in (tuned, b8, a32)),
        Pair(tuned, b8, "tuning"),
        Pair(b8, b32, "precision"),
    }


def test_a_leader_meets_its_older_version():
    rows = (member("a"), 1.0, 0.1), (member("b"), 1.0, 0.1)
    old = {**member("b"), "older": "1.0"}
    members, pairs = comparison.choose(*measured(*rows), 2, lambda one: old if one["framework"] == "b" else None)
    assert old in members
    assert Pair("b-python-default-fp32-default", "b-python-default-fp32-default@1.0", "version") in pairs


def test_each_leader_and_the_fastest_of_each_framework_meet_their_older_version():
    rows = [(member("a", "int8"), 1.0, 0.01), (member("a"), 1.0, 0.01), (member("b", "int8"), 2.0, 0.01)]
    rows.append((member("b"), 3.0, 0.01))
    members, pairs = comparison.choose(*measured(*rows), 2, lambda one: {**one, "older": "1.0"})
    versions = {pair.first: pair.second for pair in pairs if pair.purpose == "version"}
    chosen = ["a-python-default-int8-default", "a-python-default-fp32-default", "b-python-default-int8-default"]
    assert versions == {name: f"{name}@1.0" for name in chosen}
    assert {comparison.name(one) for one in members} == {*versions, *versions.values()}


def test_leaders_and_the_fastest_of_each_framework_meet_themselves_in_the_other_language():
    python, cpp = member("a", "int8"), {**member("a", "int8"), "api": "cpp"}
    rows = [
        (python, 1.02, 0.01),
        (member("b"), 1.0, 0.01),
        ({**member("b"), "api": "cpp"}, 5.0, 0.01),
        (cpp, 4.0, 0.01),
    ]
    rows += [(member("c"), 9.0, 0.01), ({**member("c"), "api": "cpp"}, 8.0, 0.01), (member("d"), 9.0, 0.01)]
    members, pairs = comparison.choose(*measured(*rows), 2)
    fp32 = {f"{name}-cpp-default-fp32-default": f"{name}-python-default-fp32-default" for name in "bc"}
    wanted = {"a-cpp-default-int8-default": "a-python-default-int8-default", **fp32}
    assert {pair.first: pair.second for pair in pairs if pair.purpose == "api"} == wanted
    assert {comparison.name(one) for one in members} == {*wanted, *wanted.values()}


def test_the_ratio_and_who_is_faster():
    slower = comparison.ratio(groups_of(1.05), PAIR)
    assert slower.interval[0] < 1.05 < slower.interval[1]
    assert slower.verdict == comparison.SECOND
    assert comparison.ratio(groups_of(0.95), PAIR).verdict == comparison.FIRST
    assert comparison.ratio(groups_of(1.0, sd=(0.03, 0.07, 0.02)), PAIR).verdict == comparison.TIE
    assert comparison.ratio(groups_of(1.05), Pair("y", "x", "")).ratio == pytest.approx(1 / slower.ratio)


def test_batch_sizes_are_compared_by_image():
    groups = groups_of(1.0)
    for group in groups:
        for session in group["sessions"]:
            session["opened"]["x"]["batch_size"] = 4
    assert comparison.ratio(groups, PAIR).ratio == pytest.approx(0.25, rel=0.01)


def test_moments_in_which_the_machine_stalls_decide_nothing():
    groups = groups_of(1.05, count=6)
    for number, group in enumerate(groups):
        group["sessions"][number % 3]["rounds"][0]["latency_ns"]["y" if number % 2 else "x"] = [1e9] * 5
    found = comparison.ratio(groups, PAIR)
    assert found.verdict == comparison.SECOND
    assert 1.03 < found.interval[0] < 1.05 < found.interval[1] < 1.07


def test_processes_are_the_unit_however_many_rounds_there_were():
    """Groups disagree by 5 %: hundreds of rounds in each do not make the interval narrow."""
    for rounds in (1, 100):
        found = comparison.ratio(groups_of(1.0, sd=(0.05, 0.0, 0.0), rounds=rounds, count=20), PAIR)
        assert math.log(found.interval[1] / found.interval[0]) == pytest.approx(0.066, rel=0.5)


def test_one_group_has_no_interval_and_decides_nothing():
    groups = groups_of(2.0, count=1)
    found = comparison.ratio(groups, PAIR)
    assert found.interval is None
    assert found.verdict == comparison.TIE
    assert not comparison.decided(groups, [PAIR], 0.01)
    assert comparison.groups_needed(groups, PAIR, 0.01, 0.95) is None


def test_rounds_that_a_member_is_missing_from_are_left_out():
    groups = groups_of(1.05, count=4)
    whole = comparison.ratio(groups[:3], PAIR)
    for round_ in groups[3]["sessions"][0]["rounds"]:
        del round_["latency_ns"]["x"]
    groups[3]["sessions"] = groups[3]["sessions"][:1]
    found = comparison.ratio(groups, PAIR)
    assert (found.ratio, *found.interval) == pytest.approx((whole.ratio, *whole.interval))
    nothing = comparison.ratio(groups[3:], PAIR)
    assert math.isnan(nothing.ratio)
    assert nothing.verdict == comparison.TIE


def test_the_ratio_is_that_of_the_reference_state():
    """The anchor is slow in one of four sessions, in which `x` is the slower one."""
    found = groups_of(0.95, slope=0.5, rounds=4, state=lambda burst: SLOW * (burst // 8 % 4 == 3))
    ratio = comparison.ratio(found, PAIR)
    assert ratio.slope == pytest.approx(0.5, abs=0.02)
    assert ratio.ratio == pytest.approx(0.95, rel=0.01)


@pytest.mark.parametrize(("ratio", "slope", "matter"), [(0.95, 0.4, True), (1.02, 0.0, False), (0.9, 0.1, False)])
def test_a_ranking_that_depends_on_the_machine_is_told(ratio, slope, matter):
    found = comparison.at_state(groups_of(ratio, slope, state=by_session, rounds=4), PAIR)
    assert found.matter is matter
    if matter:
        assert found.fast.verdict == comparison.FIRST
        assert found.slow.verdict == comparison.SECOND


def test_a_tie_that_straddles_1_by_chance_depends_on_nothing():
    groups = groups_of(0.999, slope=0.01, sd=(0.01, 0.01, 0.01), state=by_session, rounds=4, seed=3)
    assert not comparison.at_state(groups, PAIR).matter


def test_an_even_machine_has_one_state():
    groups = groups_of(1.0)
    assert comparison.at_state(groups, PAIR) == (comparison.ratio(groups, PAIR),) * 2


def test_the_interval_holds_the_truth_as_often_as_it_says():
    held = 0
    for seed in range(200):
        groups = groups_of(1.0, sd=(0.03, 0.07, 0.02), count=5, sessions=2, state=by_session, rounds=4, seed=seed)
        low, high = comparison.ratio(groups, PAIR).interval
        held += low <= 1 <= high
    assert 0.91 <= held / 200 <= 0.99


def test_decided_asks_for_every_pair_at_a_confidence_that_holds_for_all():
    assert comparison.confidence([PAIR]) == pytest.approx(0.95)
    assert comparison.confidence([PAIR] * 5) == pytest.approx(0.99)
    assert comparison.decided(groups_of(1.0), [PAIR], 0.01)
    assert comparison.decided(groups_of(1.3, sd=(0.0, 0.05, 0.0)), [PAIR], 0.01)
    scattered = groups_of(1.0, sd=(0.05, 0, 0))
    assert not comparison.decided(scattered, [PAIR], 0.01)
    for group in scattered:
        for session in group["sessions"]:
            session["opened"]["z"] = session["opened"]["y"]
            for round_ in session["rounds"]:
                round_["latency_ns"]["z"] = [each * 3 for each in round_["latency_ns"]["y"]]
                round_["order"].append("z")
                session["anchor_ns"].append(session["anchor_ns"][-1])
    assert comparison.decided(scattered, [Pair("y", "z", "")], 0.01)
    assert not comparison.decided(scattered, [Pair("y", "z", ""), PAIR], 0.01)


def test_pairs_are_told_at_the_confidence_at_which_any_two_contenders_hold_at_once_and_decided_at_no_less():
    leaders = [Pair("x", "y", "leaders"), Pair("x", "z", "leaders")]
    assert comparison.of_verdicts(leaders) == pytest.approx(1 - 0.05 / 3)
    assert comparison.of_verdicts([PAIR, Pair("x", "w", "precision")]) == comparison.of_verdicts([]) == 0.95
    even = nested.groups(dict.fromkeys("xyz", math.exp), sd=(0.01, 0.0, 0.0))
    narrower, told = (
        max(half_width(comparison.ratio(even, pair, sure).interval) for pair in leaders)
        for sure in (comparison.confidence(leaders), comparison.of_verdicts(leaders))
    )
    assert not comparison.decided(even, leaders, math.expm1((narrower + told) / 2))
    assert comparison.decided(even, leaders, 1.001 * math.expm1(told))


def test_the_best_is_whom_no_other_beats_though_another_one_is_least_beside_the_first():
    ratios = {("b", "a"): 0.9, ("c", "a"): 0.91, ("b", "c"): 1.02}
    ratios |= {(second, first): 1 / ratio for (first, second), ratio in ratios.items()} | {(x, x): 1.0 for x in "abc"}
    assert comparison.best("abc", lambda one, other: ratios[one, other]) == "c"


def test_chance_does_not_end_a_comparison_early():
    """Two of the same are looked at after every group: an interval that just excludes 1 does not end it."""
    called = ended = 0
    for seed in range(60):
        groups = groups_of(1.0, sd=(0.03, 0.0, 0.0), count=12, sessions=1, rounds=1, seed=seed)
        looks = [groups[:count] for count in range(6, 13)]
        called += any(comparison.ratio(look, PAIR).verdict != comparison.TIE for look in looks)
        ended += any(comparison.decided(look, [PAIR], 0.001) for look in looks)
    assert 2 * ended < called
    assert ended / 60 < 0.1


def test_more_groups_are_foreseen_until_the_pair_is_decided():
    assert comparison.groups_needed(groups_of(1.0), PAIR, 0.01, 0.95) == 0
    groups = groups_of(1.0, sd=(0.05, 0, 0))
    found = comparison.ratio(groups, PAIR)
    half = math.log(found.interval[1] / found.interval[0]) / 2
    target = max(math.log(1.02), abs(math.log(found.ratio)))
    assert comparison.groups_needed(groups, PAIR, 0.02, 0.95) == math.ceil(6 * (half / target) ** 2 - 6)
    assert comparison.groups_needed(groups, PAIR, 0.02, 0.99) > comparison.groups_needed(groups, PAIR, 0.02, 0.95)
    even = groups_of(1.0, sd=(0, 0, 0))
    for number, group in enumerate(even):
        for session in group["sessions"]:
            for round_ in session["rounds"]:
                round_["latency_ns"]["x"] = [1e6 * np.exp(0.1 * (-1) ** number)]
    assert comparison.groups_needed(even, PAIR, 1e-5, 0.95) is None


# --- How long it goes on ----------------------------------------------------------------------------------------------


def made(ratio, sd, wall_s=0.05):
    """A group at a time, of which `x` takes so many times as long as `y`."""
    groups = nested.groups({"x": lambda state: ratio * math.exp(state), "y": math.exp}, count=99, sd=sd)
    return iter({**group, "wall_s": wall_s} for group in groups).__next__


def test_it_ends_when_all_pairs_are_decided_but_not_before_so_many_groups():
    groups = []
    why = comparison.until_decided(made(1.5, (0, 0.01, 0.01)), groups, [PAIR], 4, 60.0, 0.02)
    assert (len(groups), why) == (4, "decided")
    groups = []
    why = comparison.until_decided(made(1.02, (0.02, 0.02, 0.01)), groups, [PAIR], 2, 60.0, 0.004)
    assert why == "decided" and len(groups) > 4


def test_it_ends_with_the_budget_but_has_so_many_groups_in_any_case():
    groups = []
    why = comparison.until_decided(made(1.0, (0.2, 0.1, 0.1)), groups, [PAIR], 3, 0.0, 1e-6)
    assert (len(groups), why) == (3, "time")
    groups = []
    why = comparison.until_decided(made(1.0, (0.2, 0.1, 0.1)), groups, [PAIR], 1, 0.12, 1e-6)
    assert why == "time" and len(groups) == 3  # of 0.05 s each


def test_groups_that_were_finished_count_when_the_next_one_fails():
    make, groups = made(1.5, (0, 0.01, 0.01)), []

    def breaking():
        if len(groups) == 3:
            raise RuntimeError("a member broke")
        return make()

    with pytest.raises(RuntimeError):
        comparison.until_decided(breaking, groups, [PAIR], 4, 60.0, 0.02)
    assert comparison.until_decided(make, groups, [PAIR], 4, 60.0, 0.02) == "decided"
    assert len(groups) == 4
