"""When a warm-up ends, on series whose truth is known, through the real timing loop."""

from __future__ import annotations

import gc
from functools import partial

import numpy as np
import pytest
import synthetic

from dliflow.measuring import measure, series, warmup

RUNS = 120


@pytest.fixture(scope="module", autouse=True)
def quick_collections():
    """Each run of the timing loop collects garbage; what is loaded by now is none."""
    gc.freeze()
    yield
    gc.unfreeze()


def made(durations) -> int:
    """How many requests a warm-up makes."""
    session = synthetic.Synthetic(durations)
    options = {"requests": len(durations), "limit_s": None, "until": series.steady, "ask_from": series.STEADY_FROM}
    return len(measure.run(session.predict, synthetic.BATCHES, clock=session.clock, **options).latency_ns)


def test_few_requests_give_no_verdict():
    assert not series.steady([5] * (series.STEADY_FROM - 1))
    assert series.steady([5] * series.STEADY_FROM)


def test_the_warm_up_ends_after_the_slow_requests_and_soon_where_there_are_none():
    rng = np.random.default_rng(3)
    ends = {
        distribution: np.array([made(distribution(rng, 200)) for _ in range(RUNS)])
        for distribution in (synthetic.independent, synthetic.slow_first)
    }
    assert np.median(ends[synthetic.independent]) == series.STEADY_FROM
    assert np.mean(ends[synthetic.slow_first] < synthetic.SLOW) <= 0.1
    assert np.median(ends[synthetic.slow_first]) <= 120


@pytest.mark.parametrize("distribution", synthetic.STATIONARY, ids=lambda function: function.__name__)
def test_a_series_that_is_steady_is_seen_to_be(distribution):
    rng = np.random.default_rng(4)
    assert np.median([made(distribution(rng, 1000)) for _ in range(RUNS)]) <= 60


def test_a_series_that_falls_all_the_time_is_not_steady():
    falling = 1e6 * np.linspace(3, 1, 100)
    assert made(falling) == 100
    single = np.full(50, 1e6)
    single[30] = 9e6  # one outlier moves no batch's median
    assert made(single) == series.STEADY_FROM


def test_a_warm_up_tells_why_it_ended():
    calls = []

    def answer(requests, limit_s=60.0):
        return warmup.warm_up(partial(measure.run, calls.append), synthetic.BATCHES, requests, limit_s)

    assert answer(0) == ([], "requests") and calls == []
    durations, stopped_by = answer(7)
    assert (len(durations), stopped_by, len(calls)) == (7, "requests", 7)
    assert answer(1000, limit_s=1e-9)[1] == "time"
    run = partial(measure.run, lambda batch: None)
    assert warmup.warm_up(run, synthetic.BATCHES, 100_000, 60.0)[1] == "steady"
