"""How sessions scatter, on numbers whose truth is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dliflow.analysis import scatter
from dliflow.analysis.scatter import Variance


def points(rng, truth, count=60, sessions=15):
    """Of each point the values of its sessions, which scatter by 5 %, and their distance; a third of them are far."""
    for _ in range(count):
        distance = np.where(rng.random(sessions) < 1 / 3, 0.5, 0.02) ** 2
        yield rng.normal(rng.normal(), 0.05 * np.sqrt(1 + truth * distance)), distance


@pytest.mark.parametrize("truth", [3.0, 30.0])
def test_growth_is_found(truth):
    found = scatter.growth(list(points(np.random.default_rng(1), truth)))
    assert truth / 2 < found < truth * 2


def test_growth_is_none_where_it_is_not_shown():
    rng = np.random.default_rng(2)
    found = [scatter.growth(list(points(rng, 0.0))) for _ in range(40)]
    assert np.mean([each == 0 for each in found]) > 0.85
    assert scatter.growth([]) == 0
    assert scatter.growth([(np.array([1.0, 2.0]), np.array([0.0, 1.0]))]) == 0  # two have a mean, and nothing to tell
    assert scatter.growth([(np.ones(5), np.arange(5.0))] * 9) == 0


def test_sessions_count_the_less_the_farther_they_were():
    assert scatter.weights(np.array([0.0, 0.01, 0.25]), 20.0) == pytest.approx([1, 1 / 1.2, 1 / 6])
    assert scatter.weights(np.array([0.0, 0.25]), 0.0).tolist() == [1, 1]


def test_what_variances_have_in_common_is_found():
    """Of 2,000 points: true variances as 8 degrees of freedom scatter, each told by 10 (inverse gamma, as assumed)."""
    rng = np.random.default_rng(3)
    true = 0.05**2 * 8 / rng.chisquare(8, 2000)
    told = [Variance(each, 10.0) for each in true * rng.chisquare(10, 2000) / 10]
    found = scatter.common(told)
    assert math.sqrt(found.value) == pytest.approx(0.05, rel=0.05)
    assert found.freedom == pytest.approx(8, rel=0.25)
    off = [[math.log(each.value / truth) for each, truth in zip(some, true)] for some in (told, drawn(told, found))]
    assert np.std(off[1]) < 0.9 * np.std(off[0])


def drawn(told, to):
    return [scatter.drawn(each, to) for each in told]


def test_variances_that_do_not_differ_are_one():
    rng = np.random.default_rng(4)
    told = [Variance(each, 10.0) for each in 0.01 * rng.chisquare(10, 100) / 10 * 0.5 + 0.005]
    found = scatter.common(told)
    assert math.isinf(found.freedom)
    assert found.value == pytest.approx(0.01, rel=0.1)
    assert scatter.drawn(told[0], found) == found


def test_few_points_tell_nothing_of_each_other():
    told = [Variance(0.01, 10.0)] * 7 + [Variance(0.0, 0.0), Variance(0.0, 10.0)]
    found = scatter.common(told)
    assert found.freedom == 0
    assert scatter.drawn(told[0], found) == told[0]


def test_a_variance_is_drawn_by_as_much_as_it_is_unsure():
    to = Variance(0.04, 5.0)
    assert scatter.drawn(Variance(0.01, 15.0), to) == pytest.approx((0.0175, 20.0))
    assert scatter.drawn(Variance(0.01, 5.0), to) == pytest.approx((0.025, 10.0))
    assert scatter.drawn(Variance(0.0, 0.0), to).freedom == 0  # one session has no interval, whatever others have
