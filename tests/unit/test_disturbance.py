"""What happens beside a measurement is seen, and told in words that help."""

from __future__ import annotations

import math
import multiprocessing
import os
import subprocess
import sys
import time

import nested
import numpy as np
import pytest

from dliflow.analysis import comparison, doubts, surroundings
from dliflow.analysis.strain import Strain
from dliflow.machine import disturbance

OPENED = {
    **{"batch_size": 4, "distinct_batches": 5, "threads_in_effect": 2, "peak_rss_mib": 100.0},
    "counters": {"wall_s": 1.0, "own_cpu_s": 2.0, "involuntary_switches": 0, "major_faults": 0, "minor_faults": 100},
    "launch": {"asked": {}, "in_effect": {"outside": ""}},
}
GROUP = {
    "disturbance": {
        **{"wall_s": 1.0, "others_cpu_s": 0.01, "steal_s": 0.0},
        **{"frequencies_before_mhz": {}, "frequencies_after_mhz": {"0": 3000.0}},
    },
    "anchor": {"runtime": "onnxruntime 1.32.0", "sha256": "0" * 64},
}


def seen(group=GROUP, distinct_asked=None, counters=(), **opened):
    """A session of twenty requests of a tenth of a second each, on two processors."""
    told = {**OPENED, **opened, "counters": {**OPENED["counters"], **dict(counters)}}
    group = {"sessions": [{"anchor_threads": 2}], **group}
    return doubts.Seen(told, np.full(20, 1e8), group, 2, distinct_asked)


def beside(**disturbed):
    """A group that was disturbed."""
    return {**GROUP, "disturbance": {**GROUP["disturbance"], **disturbed}}


@pytest.mark.parametrize(
    ("session", "message"),
    [
        (seen(), None),
        (seen(beside(others_cpu_s=0.5)), "other processes took 25 % of the processors' time"),
        (seen(beside(others_cpu_s=1.88)), "DOUBTFUL: other processes took 94 %"),
        (seen(beside(steal_s=0.1)), "the hypervisor gave 5 % of the processors' time"),
        (seen(beside(others_cpu_s=None, steal_s=None)), None),
        (seen(beside(frequencies_before_mhz={"0": 1500.0})), "frequencies went from 1500 to 3000 MHz"),
        (seen(beside(frequencies_before_mhz={"0": 2900.0})), None),
        (seen(counters={"major_faults": 7}), "7 page faults read from disk"),
        (seen(counters={"minor_faults": 2_000_000}), "each request made 100,000 page faults"),
        (seen(counters={"minor_faults": 5_000}), None),
        (seen(threads_in_effect=None), None),
        (seen(threads_in_effect=8), "8 threads shared 2 processors; set threads"),
        (
            seen(distinct_batches=1),
            "the same batch, which stays in the processor's caches: there are images for one of 4",
        ),
        (seen(distinct_batches=1, distinct_asked=1), None),
        (seen(launch={"asked": {}, "in_effect": {"outside": "2-3"}}), "threads could run on processors 2-3, too"),
    ],
)
def test_what_weakens_the_figures_of_a_point_is_told(session, message):
    told = doubts.of_point([session])
    assert [message in line for line in told] == ([True] if message else [])


@pytest.mark.parametrize(
    ("half_width", "message"),
    [(None, "one session: no interval; raise latency.groups"), (0.3, "known to ± 30 % only"), (0.1, None)],
)
def test_a_latency_that_is_hardly_known_is_told(half_width, message):
    told = doubts.of_interval(half_width)
    assert [message in line for line in told] == ([True] if message else [])


def test_others_count_over_all_groups_each_once():
    """Two sessions of a disturbed group, and one of a quiet one: half of the time of both."""
    disturbed = beside(others_cpu_s=0.4)
    assert "took 10 %" in doubts.of_point([seen(disturbed)] * 2 + [seen(beside(others_cpu_s=0.0))])[0]
    assert doubts.of_point([seen(disturbed), *(seen(beside(others_cpu_s=0.0)) for _ in range(3))]) == []


def test_what_makes_figures_doubtful_is_told_first():
    """Other processes and the hypervisor together took more than a quarter of the time."""
    told = doubts.of_point([seen(beside(others_cpu_s=0.3, steal_s=0.3), counters={"minor_faults": 2_000_000})])
    assert [line.startswith("DOUBTFUL: ") for line in told] == [False, True, True]
    assert doubts.joined(told) == doubts.BETWEEN.join([*told[1:], told[0]])
    assert not any("DOUBTFUL" in line for line in doubts.of_point([seen(beside(others_cpu_s=1.9))], busy=False))
    (slow,) = doubts.of_strain(Strain(0.0, 4.2, rounds=False))
    assert slow == "DOUBTFUL: the anchor took 4.2 times as long as at its best; let the machine come to rest"
    assert doubts.of_strain(Strain(0.9, 2.0, rounds=False)) == doubts.of_strain(Strain(None, None, rounds=True)) == []


def test_one_session_of_many_with_page_faults_is_no_doubt():
    sessions = [seen(counters={"minor_faults": 2_000_000}), seen(), seen()]
    assert doubts.of_point(sessions) == []


@pytest.mark.parametrize(("key", "value"), [("runtime", "onnxruntime 2.0"), ("threads", 1), ("sha256", "1" * 64)])
def test_another_anchor_is_told(key, value):
    session = {"anchor_threads": value if key == "threads" else 2}
    other = {**GROUP, "anchor": {**GROUP["anchor"], key: value}, "sessions": [session]}
    (line,) = doubts.of_point([seen(), seen(other)])
    assert line.startswith("the anchor was not the same in all groups (onnxruntime ")
    told = {surroundings.anchor(GROUP, {"anchor_threads": 2}), surroundings.anchor(other, session)}
    assert "onnxruntime 1.32.0, 2 threads, 000000000000" in told
    assert all(one in line for one in told) and "1 threads" not in line


def test_an_anchor_on_the_gpu_says_so():
    assert surroundings.anchor(GROUP, {"anchor_threads": 0}) == "onnxruntime 1.32.0, on the GPU, 000000000000"


def groups_of(ratio=1.0, slope=0.0, y=(), y_counters=(), **disturbed):
    """Six groups in which `x` takes so many times as long as `y`, which takes 100 ms; sessions take turns in speed."""

    def x(state):
        return 100 * ratio * math.exp((1 + slope) * state)

    def by_session(burst):
        return math.log(1.4) * (burst // 8 % 2)

    groups = nested.groups({"x": x, "y": lambda state: 100 * math.exp(state)}, rounds=4, state=by_session)
    for group in groups:
        group |= beside(**disturbed)
        for session in group["sessions"]:
            session["opened"] = {
                "x": OPENED,
                "y": {**OPENED, **dict(y), "counters": {**OPENED["counters"], **dict(y_counters)}},
            }
    return groups


PAIR = comparison.Pair("x", "y", "leaders")
REQUESTS = 4 * 3  # of a session
EVEN, SLOWER = (1.0, (0.995, 1.005)), (0.5, (0.45, 0.55))


@pytest.mark.parametrize(
    ("groups", "ratio", "message"),
    [
        (groups_of(), EVEN, None),
        (groups_of(), (1.0, (1 / 1.05, 1.05)), "known to no better than ± 5.0 %, where ± 1.0 % was asked for"),
        (groups_of(), SLOWER, None),  # wide, but decided
        (groups_of(), (1.0, None), "one group of rounds gives no interval; raise compare.groups"),
        (groups_of(others_cpu_s=0.5), SLOWER, "other processes took 25 %"),
        (
            groups_of(0.95, slope=0.4),
            EVEN,
            "depends on the state of the machine: the first takes 95.0 % of the second's",
        ),
        (groups_of(0.8, slope=0.4), SLOWER, None),
        (groups_of(y_counters={"minor_faults": 1e5 * REQUESTS}), EVEN, "y: each request made 100,000 page faults"),
        (groups_of(y_counters={"major_faults": 7}), EVEN, "y: 126 page faults read from disk"),
        (groups_of(y={"launch": {"in_effect": {"outside": "3"}}}), EVEN, "y: threads could run on processors 3, too"),
    ],
)
def test_what_weakens_a_verdict_of_rounds_is_told(groups, ratio, message):
    told = doubts.of_pair(groups, 2, PAIR, comparison.Ratio(*ratio, 0.0), 0.01)
    assert [message in line for line in told] == ([True] if message else [])


def test_what_others_took_is_a_share_of_all_usable_processors_time():
    groups = [beside(others_cpu_s=0.1, steal_s=0.3), beside(wall_s=3.0, others_cpu_s=0.3, steal_s=None)]
    assert surroundings.share(groups, 2, "others_cpu_s") == pytest.approx(0.4 / 8)
    assert surroundings.share(groups, 2, "steal_s") is None
    assert surroundings.taken_share(groups, 2) == pytest.approx(0.4 / 8)
    assert surroundings.taken_share(groups[:1], 2) == pytest.approx(0.4 / 2)
    assert surroundings.taken_share([beside(others_cpu_s=None, steal_s=None)], 2) is None


def test_the_anchor_of_sessions_is_the_median_of_its_bursts_medians():
    sessions = [{"anchor_ns": [[1e6, 2e6, 9e6], [4e6]]}, {"anchor_ns": [[3e6, 3e6], [8e6]]}]
    assert surroundings.anchor_ms(sessions) == 3.5
    assert surroundings.anchor_ms(sessions[:1]) == 3


def test_a_pinned_process_counts_its_own_processors_only():
    """Another process's time elsewhere is no disturbance."""
    usable = os.sched_getaffinity(0)
    if len(usable) < 2:
        pytest.skip("takes two processors")
    here, there = sorted(usable)[:2]

    def elsewhere():
        os.sched_setaffinity(0, {there})
        spin(0.3)

    other = multiprocessing.get_context("fork").Process(target=elsewhere)
    try:
        os.sched_setaffinity(0, {here})
        pinned = disturbance.snapshot()["processors"]["busy_s"]
        os.sched_setaffinity(0, {there})
        before = disturbance.snapshot()["processors"]["busy_s"]
        other.start()
        other.join()
        after = disturbance.snapshot()["processors"]["busy_s"]
        os.sched_setaffinity(0, usable)
        both = disturbance.snapshot()["processors"]["busy_s"]
    finally:
        os.sched_setaffinity(0, usable)
    assert after - before > 0.1  # less than it used where the hypervisor took some of it away
    assert both > pinned + after - 0.1


def spin(seconds):
    """Use so much processor time, however long it takes on a busy machine."""
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def test_another_process_s_time_is_seen_and_one_s_own_is_not():
    before = disturbance.snapshot()
    spin(0.3)
    alone = disturbance.between(before, disturbance.snapshot())
    assert alone["own_cpu_s"] > 0.2
    before = disturbance.snapshot()
    other = multiprocessing.get_context("fork").Process(target=spin, args=(0.6,))
    other.start()
    other.join()
    beside = disturbance.between(before, disturbance.snapshot())
    assert beside["others_cpu_s"] > 0.2
    assert beside["own_cpu_s"] < 0.4


def test_time_of_a_helper_s_own_children_is_its_own():
    """A worker whose requests run in processes of their own is not disturbed by these."""
    burn = "import time; end = time.process_time() + 0.2\nwhile time.process_time() < end: pass"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-S', '-c', {burn!r}]); print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-S", "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as helper:
        assert helper.stdout.readline() == "\n"
        assert disturbance.snapshot([helper.pid])["helpers_s"] > 0.1
        helper.communicate("\n")


def test_warnings_under_load_are_those_that_still_mean_something():
    loaded = seen(beside(others_cpu_s=0.5), threads_in_effect=8, counters={"major_faults": 7})
    told = doubts.of_point([loaded], under_load=True)
    assert any("other processes took 25 %" in one for one in told) and any("read from disk" in one for one in told)
    assert not any("threads shared" in one for one in told)  # more requests than cores are what was asked for
