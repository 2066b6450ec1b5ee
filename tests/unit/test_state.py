"""Latency at the reference state, on bursts whose truth is known."""

from __future__ import annotations

import math
import time

import nested
import numpy as np
import pytest

from dliflow.analysis import anchored, slopes, state
from dliflow.analysis.anchored import Bursts

SLOW = math.log(1.4)


def two_speeds(burst):
    """Of seven sessions of twelve bursts four at full speed, the others 1.4 times as slow."""
    return SLOW * (burst // 12 % 7 > 3)


def touched(latency, slope):
    """A member that takes so long at full speed, and how the state touches it."""
    return lambda excess: latency * math.exp(slope * excess)


def simulated(rng, slope=1.0, groups=5, sessions=3, rounds=2, levels=4, sd=(0.03, 0.07, 0.024)):
    """A configuration that takes 1 ms at any level where the logarithm of the anchor is 0, as at half the time."""
    group = np.repeat(np.arange(groups), levels * sessions * rounds)
    session = np.repeat(np.arange(groups * levels * sessions), rounds)
    level = np.tile(np.repeat(np.arange(levels), sessions * rounds), groups)
    anchor = SLOW * (rng.random(groups * levels * sessions) < 0.5)[session] + rng.normal(0, 0.01, len(session))
    noise = rng.normal(0, sd[0], groups)[group] + rng.normal(0, sd[1], session[-1] + 1)[session]
    latency = slope * anchor + noise + rng.normal(0, sd[2], len(session))
    return Bursts(level, group, session, latency, anchor, session * 0.5)


def test_bursts_are_read_with_the_anchor_beside_them():
    one = {
        "opened": {"x": {"batch_size": 4}, "y": {"batch_size": 2}},
        "rounds": [
            {"order": ["y", "x"], "latency_ns": {"x": [3_000_000, 9_000_000, 1_000_000], "y": [5_000_000]}},
            {"order": ["y", "x"], "latency_ns": {"x": [4_000_000]}},
        ],
        "started_at": "2026-11-27T12:00:00.500+00:00",
        "anchor_threads": 2,
        "anchor_ns": [[1_000_000], [2_000_000], [4_000_000], [16_000_000]],
    }
    read = anchored.bursts([{"sessions": [one, one]}, {"sessions": [one]}])
    assert set(read) == {"x", "y"}
    assert np.exp(read["x"].latency) == pytest.approx([3, 4] * 3)
    assert np.exp(read["x"].anchor) == pytest.approx([math.sqrt(8), 8] * 3)
    assert read["x"].level.tolist() == [4] * 6
    assert read["x"].group.tolist() == [0, 0, 0, 0, 1, 1]
    assert read["x"].session.tolist() == [0, 0, 1, 1, 2, 2]
    assert np.exp(read["y"].anchor) == pytest.approx([math.sqrt(2)] * 3)
    assert read["y"].session.tolist() == [0, 1, 2]
    (reference,) = anchored.reference_state(read.values()).items()
    assert reference == (2, pytest.approx(math.log(8) / 2))


def test_members_beside_another_anchor_have_another_reference_state():
    """On one thread the anchor takes twice as long, and the machine's state does not touch a member of one thread."""
    of_all = nested.groups({"whole": touched(5.0, 1.0)}, state=two_speeds)
    of_one = nested.groups({"one thread": touched(2.0, 0.0)}, state=lambda burst: math.log(2), threads=1)
    read = anchored.bursts(of_all) | anchored.bursts(of_one)
    both = anchored.reference_state(read.values())
    assert math.exp(both[1] - math.log(nested.ANCHOR / 1e6)) == pytest.approx(2)
    assert both[2] == anchored.reference_state([read["whole"]])[2]
    estimates = state.estimates(read)
    assert estimates["one thread", 1].reference == pytest.approx(2.0, rel=1e-3)
    assert estimates["whole", 1].reference == pytest.approx(
        state.estimates(anchored.bursts(of_all))["whole", 1].reference
    )


def test_the_latency_is_read_off_where_the_anchor_is_at_its_median():
    """Three of seven sessions are slow."""
    members = {"whole": touched(5.0, 1.0), "half": touched(3.0, 0.5), "one thread": touched(2.0, 0.0)}
    read = anchored.bursts(nested.groups(members, batch_sizes=(1, 4), rounds=4, state=two_speeds))
    found = state.estimates(read)
    for name, latency, slope in (("whole", 5, 1), ("half", 3, 0.5), ("one thread", 2, 0)):
        for level in (1, 4):
            point = found[name, level]
            assert point.slope == pytest.approx(slope, abs=1e-3)
            assert point.reference == pytest.approx(latency * level, rel=1e-3)
            low, high = point.reference_interval
            assert low * 0.999 < latency * level < high * 1.001
            if slope:
                assert point.latency > latency * level * 1.02
    other = state.estimates(read, reference={2: math.log(nested.ANCHOR / 1e6) + SLOW})
    assert other["half", 4].reference / found["half", 4].reference == pytest.approx(1.4)  # whatever its slope
    assert other["whole", 4].latency == found["whole", 4].latency


def test_the_intervals_hold_the_truth_as_often_as_they_say():
    rng, held = np.random.default_rng(1), []
    for _ in range(60):
        of = {number: simulated(rng, slope) for number, slope in enumerate((0, 0.5, 1) * 2)}
        (reference,) = anchored.reference_state(of.values()).values()
        for (number, _), point in state.estimates(of).items():
            low, high = point.reference_interval
            held.append(low <= math.exp((0, 0.5, 1)[number % 3] * reference) <= high)
    assert 0.92 <= np.mean(held) <= 0.98


def test_sessions_that_are_alike_in_a_group_count_for_less():
    rng = np.random.default_rng(2)
    halves = []
    for sd in ((0.0, 0.07, 0.0), (0.07, 0.0, 0.0)):
        found = state.estimates({n: simulated(rng, sd=sd) for n in range(8)}).values()
        halves.append(np.median([math.log(each.reference_interval[1] / each.reference_interval[0]) for each in found]))
    assert halves[0] == pytest.approx(2 * 0.07 * 1.96 / math.sqrt(15), rel=0.2)
    assert halves[1] > 1.6 * halves[0]  # as of one session for each group: the root of three


def test_sessions_far_from_the_reference_state_count_for_less():
    """Seen: half a second of a machine at 0.6 of its speed, in which sessions scattered by 10 to 17 % instead of 3."""
    rng, of = np.random.default_rng(13), {}
    for number in range(12):
        one = simulated(rng, sd=(0.0, 0.0, 0.01))
        far = (rng.random(60) < 0.2)[one.session]
        off = np.where(far, rng.normal(0, 0.3, 60)[one.session], rng.normal(0, 0.03, 60)[one.session])
        anchor = 0.5 * far + rng.normal(0, 0.01, len(far))
        of[number] = one._replace(anchor=anchor, latency=anchor + off + rng.normal(0, 0.01, len(far)))
    points = state.estimates(of, {1: 0.0}).values()
    assert np.std([math.log(each.reference) for each in points]) < 0.02  # alike: 0.032
    halves = [math.log(each.reference_interval[1] / each.reference_interval[0]) / 2 for each in points]
    assert np.median(halves) < 0.03  # alike: 0.070
    assert np.mean([each.reference_interval[0] < 1 < each.reference_interval[1] for each in points]) > 0.9


def test_an_interval_is_as_wide_as_student_s_where_each_group_has_one_session():
    rng = np.random.default_rng(3)
    one = simulated(rng, sessions=1, rounds=1, levels=1, groups=8)
    found = state.estimates({"x": one._replace(anchor=np.zeros(8))})["x", 0]
    half = 2.3646 * one.latency.std(ddof=1) / math.sqrt(8)
    assert found.interval == pytest.approx((found.latency * math.exp(-half), found.latency * math.exp(half)), rel=1e-3)
    assert found.reference_interval == pytest.approx(found.interval)


def test_a_constant_series_is_known_without_a_width():
    found = state.estimates(anchored.bursts(nested.groups({"x": touched(2.0, 0.0)})))["x", 1]
    assert found.interval == pytest.approx((2.0, 2.0))
    assert found.reference_interval == pytest.approx((2.0, 2.0))
    assert (found.latency, found.reference) == pytest.approx((2.0, 2.0))


def test_one_session_has_no_interval():
    read = anchored.bursts(nested.groups({"x": touched(2.0, 1.0)}, count=1, sessions=1, state=two_speeds))
    found = state.estimates(read)["x", 1]
    assert found.interval is None
    assert found.reference_interval is None
    assert state.estimates({}) == {}


def test_a_slope_that_cannot_be_known_is_a_usual_one_with_an_error():
    """The anchor never changes beside this configuration, and the state to read off is another one."""
    read = anchored.bursts(nested.groups({"x": touched(2.0, 1.0)}, sd=(0.0, 0.01, 0.0)))
    at_one = state.estimates(read)["x", 1]
    assert at_one.slope == pytest.approx(1.0)
    assert at_one.reference_interval == pytest.approx(at_one.interval)
    elsewhere = state.estimates(read, reference={2: math.log(nested.ANCHOR / 1e6) + SLOW})["x", 1]
    assert elsewhere.reference == pytest.approx(at_one.reference * 1.4)
    half = 1.96 * 0.25 * SLOW
    assert elsewhere.reference_interval == pytest.approx((2.8 * math.exp(-half), 2.8 * math.exp(half)), rel=0.02)


def drifting(rng, mean):
    """Eight configurations of 1 ms on a machine that is slower for a minute, whose anchor is off by 10 % each time."""
    groups, opened = np.array([rng.permutation(8) for _ in range(5)]).ravel(), 12
    session = np.arange(len(groups) * opened)
    at = session * 1.0
    slower = mean + 0.08 * np.sin(2 * np.pi * at / 120)
    anchor = slower + rng.normal(0, 0.1, len(session))
    latency = slower + rng.normal(0, 0.03, len(session))
    of = {}
    for number in range(8):
        mine = np.repeat(groups == number, opened)
        group = np.repeat(np.arange(5), opened)
        of[number] = Bursts(np.zeros(len(group), int), group, session[mine], latency[mine], anchor[mine], at[mine])
    return of


def test_a_drift_has_a_slope_of_its_own():
    """Beside an anchor that is off each time, one slope for all is a quarter, and a slow night would stay in."""
    rng = np.random.default_rng(7)
    for mean in (-0.2, 0.2):
        of = drifting(rng, mean)
        points = state.estimates(of, {1: 0.0}).values()
        assert np.median([slopes.slope(each).value for each in of.values()]) < 0.5
        assert np.median([point.slope for point in points]) == pytest.approx(1.0, abs=0.15)
        assert np.median([point.reference for point in points]) == pytest.approx(1.0, rel=0.03)
        held = [point.reference_interval[0] < 1.0 < point.reference_interval[1] for point in points]
        assert np.mean(held) > 0.7


def test_what_lasts_from_run_to_run_slows_all_alike_whatever_a_run_itself_tells():
    """Members share half of what the anchor does within a run; four were measured again when all was slower by 20 %."""
    rng, slower = np.random.default_rng(8), 0.2
    first, later = drifting(rng, 0.0), drifting(rng, 0.0)
    of = {}
    for number in range(8):
        run, moved, hour = (first[number], 0.0, 0.0) if number < 4 else (later[number], slower, 3600.0)
        of[number] = run._replace(latency=0.5 * run.latency + moved, anchor=run.anchor + moved, at=run.at + hour)
    points = state.estimates(of)
    old, new = (np.mean([points[n, 0].reference for n in numbers]) for numbers in (range(4), range(4, 8)))
    assert new / old == pytest.approx(1.0, abs=0.02)
    of_one_run = state.estimates({number: first[number] for number in range(4)})
    assert points[0, 0].reference_interval[1] / points[0, 0].reference_interval[0] > (
        of_one_run[0, 0].reference_interval[1] / of_one_run[0, 0].reference_interval[0]
    )
    assert points[4, 0].latency / points[0, 0].latency == pytest.approx(math.exp(slower), rel=0.05)


def test_rounds_tell_more_of_latencies_and_nothing_of_the_reference_state():
    """Seen: rounds ran when the anchor was slower by a third and their members by half of that; their latencies were
    taken back by all of it, as if it had lasted for days, and known to ± 17 % where the sweep knew ± 5 %.
    """
    rng = np.random.default_rng(11)
    swept, later = drifting(rng, 0.0), drifting(rng, 0.0)
    for of in (swept, later):
        of |= {number: each._replace(latency=0.5 * each.latency) for number, each in of.items()}
    rounds = {
        number: later[number]._replace(
            latency=later[number].latency + 0.15, anchor=later[number].anchor + 0.3, at=later[number].at + 500.0
        )
        for number in (0, 1)
    }
    alone, with_rounds = state.estimates(swept), state.estimates(swept, rounds=rounds)
    for number in range(8):
        before, after = alone[number, 0], with_rounds[number, 0]
        assert (after.latency, after.interval) == (before.latency, before.interval)  # as measured, in the sweep
        assert after.reference == pytest.approx(1.0, rel=0.04)
        widths = [math.log(each.reference_interval[1] / each.reference_interval[0]) for each in (before, after)]
        assert widths[1] < (0.9 if number in rounds else 1.2) * widths[0]
    slower_day = {number: each._replace(at=each.at + 1e5) for number, each in rounds.items()}
    assert state.estimates(swept, rounds=slower_day) == alone
    day_like_it = {number: each._replace(anchor=each.anchor - 0.3) for number, each in slower_day.items()}
    assert set(state.of_like_runs(swept, day_like_it, anchored.reference_state(swept.values()))) == {0, 1}


def test_joined_bursts_keep_their_groups_and_sessions_apart():
    one = drifting(np.random.default_rng(12), 0.0)[0]
    both = anchored.joined(one, one)
    assert [len(np.unique(both.group)), len(np.unique(both.session))] == [
        *(2 * len(np.unique(values)) for values in (one.group, one.session)),
    ]
    assert both.latency.tolist() == [*one.latency, *one.latency] and both.threads == one.threads
    assert len(anchored.where(one.level == 1, one).at) == 0
    assert anchored.where(one.level == 0, one).at.tolist() == one.at.tolist()


def test_another_study_s_state_is_reached_with_an_error():
    factor, (low, high) = slopes.elsewhere(math.log(1.2))
    assert factor == pytest.approx(1.2)
    assert (math.log(factor / low), math.log(high / factor)) == pytest.approx((1.96 * 0.25 * math.log(1.2),) * 2)
    assert slopes.elsewhere(0.0) == (1.0, (1.0, 1.0))
    of = drifting(np.random.default_rng(9), 0.0)
    here, there = (state.estimates(of, {1: reference}) for reference in (0.0, 0.2))
    assert there[0, 0].reference == pytest.approx(here[0, 0].reference * math.exp(0.2))
    halves = [math.log(each[0, 0].reference_interval[1] / each[0, 0].reference) for each in (here, there)]
    assert halves[1] == pytest.approx(math.hypot(halves[0], 1.96 * 0.25 * 0.2), rel=0.2)


@pytest.mark.parametrize(("count", "sessions", "rounds"), [(1, 2, 1), (1, 3, 2), (2, 1, 1), (2, 1, 2), (3, 1, 1)])
def test_few_of_anything_have_intervals_with_bounds(count, sessions, rounds):
    members = {"x": touched(2.0, 1.0), "y": touched(3.0, 0.0)}
    drawn, sd, widths = np.random.default_rng(6).normal(0, 0.1, 999).tolist(), (0.03, 0.07, 0.02), []
    for seed in range(20):
        groups = nested.groups(members, count, sessions, rounds, (1, 2), drawn.__getitem__, sd, seed)
        for point in state.estimates(anchored.bursts(groups)).values():
            low, high = point.reference_interval
            assert low < point.reference < high < math.inf
            assert -1 < point.slope < 2
            widths.append(high / low)
    assert np.median(widths) > 1.2


def test_a_stall_of_one_burst_moves_nothing():
    rng = np.random.default_rng(4)
    of = {n: simulated(rng, sd=(0.0, 0.01, 0.005), rounds=3) for n in range(4)}
    before = state.estimates(of)
    of[0].latency[[1, 34, 100]] += 3.0
    after = state.estimates(of)
    for key, point in after.items():
        assert point.slope == pytest.approx(before[key].slope, abs=0.03)
        assert point.reference == pytest.approx(before[key].reference, rel=0.01)


def test_a_study_takes_no_time():
    rng = np.random.default_rng(5)
    of = {n: simulated(rng) for n in range(17)}
    began = time.perf_counter()
    assert len(state.estimates(of)) == 68
    assert time.perf_counter() - began < 5  # a hundred times what it takes
