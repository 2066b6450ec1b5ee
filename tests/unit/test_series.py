"""Estimators inside a process, on series whose truth is known, through the real timing loop."""

from __future__ import annotations

import gc

import numpy as np
import pytest
import synthetic
from scipy import stats as scipy_stats

from dliflow.analysis import series as afterwards
from dliflow.measuring import measure, series

RUNS = 120


@pytest.fixture(scope="module", autouse=True)
def quick_collections():
    """Each run of the timing loop collects garbage; what is loaded by now is none."""
    gc.freeze()
    yield
    gc.unfreeze()


def made(durations, requests, until=None, ask_from=1):
    session = synthetic.Synthetic(durations)
    return measure.run(
        session.predict,
        synthetic.BATCHES,
        requests=requests,
        limit_s=None,
        until=until,
        ask_from=ask_from,
        clock=session.clock,
    )


def holds(found):
    return found is not None and found[0] <= synthetic.LEVEL <= found[1]


def flagged(values):
    p = afterwards.drift_p(values)
    return p is not None and p < 0.01


@pytest.mark.parametrize("distribution", synthetic.STATIONARY, ids=lambda function: function.__name__)
def test_the_interval_holds_the_median_and_no_drift_is_seen(distribution):
    rng = np.random.default_rng(0)
    runs = [np.array(made(distribution(rng, 600), 600).latency_ns) for _ in range(RUNS)]
    assert np.mean([holds(series.median_interval(values)) for values in runs]) >= 0.89
    assert np.mean([flagged(values) for values in runs]) <= 0.05


@pytest.mark.parametrize("distribution", synthetic.STATIONARY[:-1], ids=lambda function: function.__name__)
def test_stopping_when_it_is_narrow_keeps_it_honest_and_saves_requests(distribution):
    rng = np.random.default_rng(1)
    runs = [made(distribution(rng, 1000), 1000, series.narrow(0.01, 30), 30) for _ in range(RUNS)]
    values = [np.array(samples.latency_ns, float) for samples in runs]
    assert np.mean([holds(series.median_interval(each)) for each in values]) >= 0.89
    assert all(samples.stopped_by in ("until", "requests") for samples in runs)
    assert np.mean([len(each) for each in values]) < 700
    for samples, each in zip(runs, values):
        low, high = series.median_interval(each, cautious=True)
        assert samples.stopped_by == "requests" or high - low <= 0.02 * np.median(each)


def test_independent_requests_are_worth_their_number_and_correlated_ones_fewer():
    rng = np.random.default_rng(2)
    worth = [series.effective(synthetic.independent(rng, 1000)) for _ in range(20)]
    assert np.median(worth) > 800
    # The indicator of a normal series has the autocorrelation 2/π arcsin ρ, which is summed here.
    time = 1 + 2 * sum(2 / np.pi * np.arcsin(0.8**lag) for lag in range(1, 100))
    worth = [series.effective(synthetic.autocorrelated(rng, 5000)) for _ in range(20)]
    assert np.median(worth) == pytest.approx(5000 / time, rel=0.25)


def test_few_requests_give_no_interval_and_no_verdict():
    few = np.array([5.0, 6.0, 7.0])
    assert series.median_interval(few) is None
    assert series.median_interval(few[:1]) is None
    assert afterwards.drift(few) is None
    assert afterwards.drift_p(few) is None
    assert not series.narrow(0.01, 6)([5, 6, 7])
    assert not series.steady([5] * 24)


def test_the_interval_of_independent_requests_is_the_textbook_s():
    """Of 20 independent values the 6th and the 15th hold the median with 95.9 %."""
    low, high = series.median_interval(np.arange(20.0).reshape(2, 10).T.ravel() + 1)  # neighbours lie far apart
    assert 5 <= low <= 6.5 and 14.5 <= high <= 16


@pytest.mark.parametrize("freedom", [5, 8, 30, 1000])
def test_student_s_quantile(freedom):
    assert series._student(freedom) == pytest.approx(scipy_stats.t.ppf(0.975, freedom), rel=0.003)


def test_the_warm_up_ends_after_the_slow_requests_and_soon_where_there_are_none():
    rng = np.random.default_rng(3)
    ends = {
        distribution: [
            len(made(distribution(rng, 200), 200, series.steady, series.STEADY_FROM).latency_ns) for _ in range(RUNS)
        ]
        for distribution in (synthetic.independent, synthetic.slow_first)
    }
    assert np.median(ends[synthetic.independent]) == series.STEADY_FROM
    assert np.mean(np.array(ends[synthetic.slow_first]) < 30) <= 0.1
    assert np.median(ends[synthetic.slow_first]) <= 120


def test_drift_is_seen_and_told():
    rng = np.random.default_rng(4)
    runs = [np.array(made(synthetic.drifting(rng, 1000), 1000).latency_ns) for _ in range(30)]
    assert all(afterwards.drift_p(values) < 0.01 for values in runs)
    assert np.mean([afterwards.drift(values) for values in runs]) == pytest.approx(0.75 * synthetic.DRIFT, rel=0.1)
    assert all(afterwards.drift(values[::-1]) < 0 for values in runs)


@pytest.mark.parametrize("few", [[5, 9, 6, 10, 7, 11, 8], [5, 5, 5]])
def test_no_trend_is_told_of_a_handful(few):
    """Values that alternate are worth more independent ones than there are."""
    values = np.array(few)
    assert afterwards.drift(values) is None
    assert afterwards.drift_p(values) is None
