"""Estimators: against closed forms, published examples and simulation."""

from __future__ import annotations

import numpy as np
import pytest

from dliflow.analysis import stats


def test_percentiles_are_refused_where_the_sample_cannot_support_them():
    values = np.arange(100.0)
    assert stats.percentile([values], 90) == pytest.approx(89.5)
    assert stats.percentile([values[:50], values[50:]], 95) is not None
    assert stats.percentile([values], 99) is None
    assert stats.percentile([values[:49]], 90) is None


def test_each_session_counts_alike_however_many_requests_it_had():
    fast, slow = [np.full(40, 10.0)] * 2, [np.full(20, 20.0)] * 3
    assert stats.pooled([*fast, *slow], 50) == 20
    assert np.median(np.concatenate([*fast, *slow])) == 10  # which most sessions never took
    values = [np.random.default_rng(seed).normal(5, 1, 31) for seed in range(3)]
    assert stats.pooled(values, 50) == pytest.approx(np.median(np.concatenate(values)))
    assert stats.pooled([np.array([3.0])], 50) == 3


def test_wilson_interval_is_the_published_one():
    # R. G. Newcombe, Statistics in Medicine 17, 1998, table I: 81 of 263, method 3.
    assert stats.share_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert stats.share_interval(0, 20)[0] == 0
    assert stats.share_interval(20, 20)[1] == 1


def test_mcnemar_is_the_binomial_test():
    assert stats.mcnemar_p(0, 0) == 1
    assert stats.mcnemar_p(1, 5) == pytest.approx(2 * (1 + 6) / 2**6)


def test_paired_interval_holds_the_change_and_narrows():
    low, high = stats.paired_change_interval(3, 9, 100)
    assert low < -0.06 < high
    wide = stats.paired_change_interval(30, 90, 1000)
    assert wide[1] - wide[0] < high - low


def test_paired_interval_covers():
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(2000):
        won, lost, _ = rng.multinomial(50, [0.05, 0.10, 0.85])
        low, high = stats.paired_change_interval(won, lost, 50)
        hits += low <= -0.05 <= high
    assert 0.93 <= hits / 2000 <= 0.99


@pytest.mark.parametrize("share", [0.0, 0.002, 0.006])
def test_so_many_trials_bring_the_end_of_the_interval_to_the_bound(share):
    needed = stats.trials_needed(share, 0.01)
    assert stats.share_interval(share * needed, needed)[1] == pytest.approx(0.01)
    assert stats.trials_needed(0.01, 0.01) is None


CLUSTERS = np.repeat(np.arange(40), 15)


def test_what_is_the_same_in_each_cluster_is_worth_one_image_for_each():
    outcomes = np.random.default_rng(0).random((5, 40)) < 0.3
    alike = stats.intraclass(outcomes[:, CLUSTERS], CLUSTERS)
    assert alike == pytest.approx(1)
    assert stats.effective(CLUSTERS, alike) == pytest.approx(40)


def test_independent_images_are_worth_their_number():
    outcomes = np.random.default_rng(0).random((20, 600)) < 0.1
    assert stats.intraclass(outcomes, CLUSTERS) < 0.01
    assert stats.effective(CLUSTERS, 0.0) == 600
    assert stats.effective(np.arange(600), 1.0) == 600  # one image of each photograph


def test_where_nothing_tells_how_alike_images_are_each_photograph_counts_once():
    assert stats.intraclass(np.zeros((3, 600), bool), CLUSTERS) == 1


def test_the_interval_of_what_is_alike_covers():
    """Photographs differ in the share of their parts that change; an interval of all parts would be too narrow."""
    rng = np.random.default_rng(0)
    hits = naive = 0
    for _ in range(400):
        shares = rng.beta(0.5, 4.5, (6, 40))  # 0.1 in the mean, an intraclass correlation of 1/6
        outcomes = rng.random((6, 600)) < shares[:, CLUSTERS]
        effective = stats.effective(CLUSTERS, stats.intraclass(outcomes, CLUSTERS))
        low, high = stats.share_interval(outcomes[0].mean() * effective, effective)
        hits += low <= 0.1 <= high
        low, high = stats.share_interval(outcomes[0].sum(), 600)
        naive += low <= 0.1 <= high
    assert hits / 400 >= 0.92
    assert naive / 400 < 0.8
