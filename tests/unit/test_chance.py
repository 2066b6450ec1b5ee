"""Is a classifier better than guessing?"""

from __future__ import annotations

import pytest
from scipy import stats as scipy_stats

from dliflow.analysis import chance


@pytest.mark.parametrize(
    ("right", "images", "classes"), [(0, 5, 10), (3, 5, 10), (60, 50_000, 1000), (5, 5, 2), (1, 1, 1)]
)
def test_the_tail_of_guessing_is_that_of_the_binomial_distribution(right, images, classes):
    expected = scipy_stats.binom.sf(right - 1, images, 1 / classes)
    assert chance.tail(right, images, classes) == pytest.approx(expected, rel=1e-6, abs=1e-12)


def test_guessing_is_told_from_knowing():
    assert chance.warning(45, 50_000, 1000)
    assert chance.warning(100, 50_000, 1000) is None
    assert chance.warning(1, 20, 1000)
    assert chance.warning(2, 20, 1000) is None
    assert chance.warning(0, 3, 2) is None  # three images of two classes cannot show it
