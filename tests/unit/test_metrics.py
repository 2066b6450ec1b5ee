"""Checks and comparisons of scores."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats as scipy_stats

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


@pytest.mark.parametrize(
    ("right", "images", "classes"), [(0, 5, 10), (3, 5, 10), (60, 50_000, 1000), (5, 5, 2), (1, 1, 1)]
)
def test_the_tail_of_guessing_is_that_of_the_binomial_distribution(right, images, classes):
    expected = scipy_stats.binom.sf(right - 1, images, 1 / classes)
    assert metrics.chance_p(right, images, classes) == pytest.approx(expected, rel=1e-6, abs=1e-12)


def test_guessing_is_told_from_knowing():
    assert metrics.chance_warning(45, 50_000, 1000)
    assert metrics.chance_warning(100, 50_000, 1000) is None
    assert metrics.chance_warning(1, 20, 1000)
    assert metrics.chance_warning(2, 20, 1000) is None
    assert metrics.chance_warning(0, 3, 2) is None  # three images of two classes cannot show it
