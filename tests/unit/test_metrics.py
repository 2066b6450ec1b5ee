"""Checks and comparisons of scores."""

from __future__ import annotations

import numpy as np
import pytest

from dliflow import metrics
from dliflow.errors import DliflowError


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
    assert found == {"max_abs_score_diff": 1.0, "max_rel_score_diff": 0.25, "agreement": 0.5}


def test_top_k_is_that_of_a_stable_sort_whatever_is_equal():
    rng = np.random.default_rng(0)
    for k, kinds in ((1, 2), (5, 3), (5, 7), (5, 1000), (12, 4)):
        scores = rng.integers(0, kinds, (50, 12)).astype(np.float32)
        assert np.array_equal(metrics.top_k(scores, k), np.argsort(-scores, axis=1, kind="stable")[:, :k])
