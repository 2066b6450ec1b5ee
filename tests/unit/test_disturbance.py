"""What happens beside a measurement is seen, and told in words that help."""

from __future__ import annotations

import multiprocessing
import os
import time

import pytest

from dliflow.analysis import comparison, doubts, surroundings
from dliflow.machine import disturbance

QUIET = {
    **{"drift": 0.03, "drift_p": 0.2},
    "usable_cpus": 2,
    "probe_before_ns": {"0": [1_000_000, 1_010_000, 990_000], "1": [1_000_000] * 3},
    "probe_after_ns": {"0": [1_000_000] * 3, "1": [1_020_000] * 3},
    "pacer_ns": [[600_000] * 3, [900_000, 610_000, 600_000]],
    "pacer": {"numpy": "2.4.6", "blas": "scipy-openblas 0.3.31"},
    "at_rest": True,
    "latency_ns": [100_000_000] * 20,
    "disturbance": {
        **{"wall_s": 1.0, "own_cpu_s": 2.0, "others_cpu_s": 0.01, "steal_s": 0.0, "major_faults": 0},
        "minor_faults": 100,
        **{"frequencies_before_mhz": {}, "frequencies_after_mhz": {"0": 3000.0}},
    },
}


def changed(**changes):
    return {**QUIET, **changes.pop("figures", {}), "disturbance": {**QUIET["disturbance"], **changes}}


def test_a_quiet_process_raises_no_doubt():
    assert doubts.disturbances([QUIET, QUIET]) == []


@pytest.mark.parametrize(
    ("figures", "message"),
    [
        (changed(others_cpu_s=0.5), "other processes took 25% of the processors' time"),
        (changed(others_cpu_s=1.88), "DOUBTFUL: other processes took 94%"),
        (changed(steal_s=0.1), "the hypervisor gave 5% of the processors' time"),
        (changed(major_faults=7), "7 page faults read from disk"),
        (changed(minor_faults=2_000_000), "each request made 100,000 page faults"),
        (changed(minor_faults=5_000), None),
        (changed(frequencies_before_mhz={"0": 1500.0}), "frequencies went from 1500 to 3000 MHz"),
        (changed(figures={"probe_after_ns": {"0": [1_300_000] * 3, "1": [1_000_000] * 3}}), "took 1.00 to 1.30 ms"),
        (changed(figures={"pacer_ns": [[600_000] * 3, [900_000] * 3]}), None),  # within a process
        (changed(figures={"drift": 0.08, "drift_p": 1e-5}), "drifted inside 1 of 1 processes, by +8% from the first"),
        (changed(figures={"drift": 0.01, "drift_p": 1e-5}), None),
        (changed(figures={"drift": None, "drift_p": None}), None),
        (changed(figures={"drift": None, "drift_p": 0.001}), None),
        (changed(others_cpu_s=None, steal_s=None), None),
    ],
)
def test_what_disturbs_is_told(figures, message):
    doubted = doubts.disturbances([figures])
    assert [message in line for line in doubted] == ([True] if message else [])


def test_a_speed_that_changed_between_repetitions_is_told():
    slower = {**QUIET, "pacer_ns": [[900_000] * 3] * 2}
    doubted = doubts.disturbances([QUIET, slower])
    assert len(doubted) == 1
    assert "the pacer took 0.60 to 0.90 ms" in doubted[0]


def test_a_pacer_beside_spinning_threads_tells_nothing():
    restless = {**QUIET, "at_rest": False, "pacer_ns": [[5_000_000] * 3] * 2, "probe_after_ns": {"0": [9_000_000]}}
    found = doubts.disturbances([QUIET, restless])
    assert len(found) == 1
    assert "threads did not sleep" in found[0]
    assert surroundings.pacer_ms(restless) is None


def test_another_pacer_is_told():
    other = {**QUIET, "pacer": {"numpy": "3.0.0", "blas": "blis 2.0"}}
    (line,) = doubts.disturbances([QUIET, other])
    assert "numpy 2.4.6, scipy-openblas 0.3.31; numpy 3.0.0, blis 2.0" in line


def groups_that(pacer_ns=(600_000, 600_000), y=(), **disturbed):
    y = dict(y)
    rounds = [{"pacer_ns": [value], "latency_ns": {"x": [10**8] * 5, "y": [10**8] * 5}} for value in pacer_ns] * 8
    machine_ = {key: {**QUIET["disturbance"], **disturbed}[key] for key in ("wall_s", "others_cpu_s", "steal_s")}
    return [{"disturbance": machine_, "told": {"x": told_by(), "y": told_by(**y)}, "rounds": rounds}] * 6


def told_by(outside="", **counters):
    """What a member's process tells after a group of 80 requests."""
    spent = {"wall_s": 1.0, "own_cpu_s": 1.0, "involuntary_switches": 0, "major_faults": 0, "minor_faults": 100}
    return {
        "disturbance": {**spent, **counters},
        "peak_rss_mib": 100.0,
        "launch": {"asked": {}, "in_effect": {"outside": outside}},
    }


def apart(fast, slow):
    states = [comparison.Ratio(value, (value * 0.99, value * 1.01)) for value in (fast, slow)]
    return comparison.States(*states, {state.verdict for state in states} == {comparison.FIRST, comparison.SECOND})


@pytest.mark.parametrize(
    ("groups", "ratio", "states", "message"),
    [
        (groups_that(), (1.0, 0.995, 1.005), None, None),
        (groups_that(), (1.0, 0.95, 1.05), None, "known to no better than ± 5.0%, where ± 1.0% was asked for"),
        (groups_that(), (0.5, 0.45, 0.55), None, None),  # wide, but decided
        (groups_that(pacer_ns=(600_000, 900_000)), (0.5, 0.49, 0.51), None, "took 0.60 to 0.90 ms in nine of ten"),
        (groups_that(others_cpu_s=0.5), (0.5, 0.49, 0.51), None, "other processes took 25%"),
        (groups_that(), (1.0, 0.995, 1.005), apart(0.9, 1.1), "depends on the state of the machine"),
        (groups_that(), (1.0, 0.995, 1.005), apart(0.999, 1.1), None),
        (groups_that(y={"minor_faults": 8e6}), (0.5, 0.49, 0.51), None, "y: each request made 100,000 page faults"),
        (groups_that(y={"major_faults": 7}), (0.5, 0.49, 0.51), None, "y: 42 page faults read from disk"),
        (groups_that(y={"outside": "3"}), (0.5, 0.49, 0.51), None, "y: threads could run on processors 3, too"),
    ],
)
def test_what_weakens_a_verdict_of_rounds_is_told(groups, ratio, states, message):
    doubted = doubts.comparison(groups, 2, comparison.Ratio(ratio[0], ratio[1:]), states, 0.01, ("x", "y"))
    assert [message in line for line in doubted] == ([True] if message else [])


MADE = {"requests_asked": 1000, "width_asked": None, "latency_ns": [100] * 1000, "latency_half_width": 0.01}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, None),
        ({"latency_ns": [100] * 50}, "only 50 of 1000 requests were made in 2 of 3 processes"),
        ({"width_asked": 0.01, "latency_ns": [100] * 50}, None),
        ({"width_asked": 0.01, "latency_half_width": 0.08}, "2 of 3 processes ended knowing their own median to ± 8%"),
        (
            {"width_asked": 0.01, "latency_half_width": None, "latency_ns": [100] * 3},
            "too early to know their own median",
        ),
    ],
)
def test_processes_that_ended_too_early_are_told(changes, message):
    doubted = doubts.goals([MADE, {**MADE, **changes}, {**MADE, **changes}])
    assert [message in line for line in doubted] == ([True] if message else [])
    assert not changes.get("width_asked") or not doubts.goals([MADE, MADE, {**MADE, **changes}])


def test_a_change_between_processes_is_seen_too():
    slow = changed(figures={"probe_before_ns": {"0": [2_000_000], "1": [2_000_000]}})
    assert "took 1.00 to 2.00 ms" in doubts.disturbances([QUIET, slow])[0]


LAUNCHED = {
    **{"distinct_batches": 5, "distinct_asked": None, "batch_size": 4, "threads_in_effect": 2, "usable_cpus": 2},
    "launch": {"in_effect": {"outside": ""}},
}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, None),
        ({"threads_in_effect": None}, None),
        (
            {"distinct_batches": 1},
            "the same batch, which stays in the processor's caches: there are images for one of 4",
        ),
        ({"distinct_batches": 1, "distinct_asked": 1}, None),
        ({"launch": {"in_effect": {"outside": "2-3"}}}, "threads could run on processors 2-3, too"),
        ({"threads_in_effect": 8}, "8 threads shared 2 processors; set threads"),
    ],
)
def test_a_launch_that_weakens_figures_is_told(changes, message):
    doubted = doubts.launches([LAUNCHED, {**LAUNCHED, **changes}])
    assert [message in line for line in doubted] == ([True] if message else [])


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
        os.sched_setaffinity(0, {here})
        assert set(disturbance.probe()) == {str(here)}
    finally:
        os.sched_setaffinity(0, usable)
    assert after - before > 0.25
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
    assert alone["own_cpu_s"] > 0.29
    before = disturbance.snapshot()
    other = multiprocessing.get_context("fork").Process(target=spin, args=(0.3,))
    other.start()
    other.join()
    beside = disturbance.between(before, disturbance.snapshot())
    assert beside["others_cpu_s"] > 0.2
    assert beside["own_cpu_s"] < 0.2


def test_the_probe_reaches_every_processor_and_leaves_the_affinity_alone():
    before = os.sched_getaffinity(0)
    durations = disturbance.probe()
    assert {int(cpu) for cpu in durations} == before == os.sched_getaffinity(0)
    assert all(len(values) == disturbance.PROBES and min(values) > 0 for values in durations.values())
