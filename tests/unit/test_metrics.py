"""Checks and comparisons of scores."""

from __future__ import annotations

import numpy as np
import pytest

from dliflow.errors import DliflowError
from dliflow.measuring import metrics


def test_scores_are_checked():
    metrics.check_scores(np.zeros((2, 3)), 2, 3)
    with pytest.raises(DliflowError, match=r"shape \(2, 3\); expected \(2, 4\)"):
        metrics.check_scores(np.zeros((2, 3)), 2, 4)
    with pytest.raises(DliflowError, match="1 of 6 scores are NaN"):
        metrics.check_scores(np.array([[1, 2, np.nan], [1, 2, 3]]), 2, 3)


def test_top_k_breaks_ties_in_class_order():
    assert metrics.top_k(np.array([[1.0, 3.0, 3.0, 2.0]]), 3).tolist() == [[1, 2, 3]]


def test_compare():
    found = metrics.compare(np.array([[1.0, 2.5], [4.0, 3.0]]), np.array([[1.0, 2.0], [3.0, 4.0]]))
    distance = found.pop("score_distance")
    assert found == {"max_abs_score_diff": 1.0, "max_rel_score_diff": 0.25, "agreement": 0.5}
    assert distance == pytest.approx(0.75 / 1.25**0.5)  # root mean square of the differences, over the deviation


def test_the_distance_is_1_for_a_network_that_says_nothing():
    reference = np.random.default_rng(0).normal(3, 2, (8, 50))
    assert metrics.compare(np.full_like(reference, reference.mean()), reference)["score_distance"] == pytest.approx(1)
    assert metrics.compare(reference, reference)["score_distance"] == 0
    constant = np.full((2, 3), 7.0)
    assert metrics.compare(constant, constant)["score_distance"] == 0
    assert metrics.compare(constant + 1, constant)["score_distance"] == 1
    assert metrics.compare(np.array([[1e20, 0]], np.float32), np.array([[0, 1]], np.float32))["score_distance"] > 1


def test_what_lies_beyond_a_bound_is_named():
    found = {"max_rel_score_diff": 0.3, "score_distance": 0.5, "agreement": 0.75}
    assert metrics.beyond(found, {"tolerance": 0.2, "distance": 0.4, "agreement": 0.8}) == [
        *("tolerance", "distance", "agreement")
    ]
    assert metrics.beyond(found, {"tolerance": 0.3, "distance": 0.5, "agreement": 0.75}) == []
    assert metrics.beyond(found, {"tolerance": None, "distance": None, "agreement": None}) == []
    assert metrics.beyond(found, {"tolerance": None, "distance": 0.4, "agreement": 0.7}) == ["distance"]


def test_top_k_is_that_of_a_stable_sort_whatever_is_equal():
    rng = np.random.default_rng(0)
    for k, kinds in ((1, 2), (5, 3), (5, 7), (5, 1000), (12, 4)):
        scores = rng.integers(0, kinds, (50, 12)).astype(np.float32)
        assert np.array_equal(metrics.top_k(scores, k), np.argsort(-scores, axis=1, kind="stable")[:, :k])
