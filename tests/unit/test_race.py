"""Who leaves a race of launch settings, and how often the wrong ones do; on machines whose truth is known."""

from __future__ import annotations

import functools
import math

import nested
import numpy as np
import pytest

from dliflow.analysis import race

VALID = [{}, *({"threads": number} for number in range(1, 6)), *({"threads": 1, "streams": each} for each in range(40))]


def test_few_settings_all_race_and_of_many_those_that_change_one_thing():
    assert race.field(VALID[:24], 24, 0) == VALID[:24]
    assert race.field(VALID, 24, 0) == VALID[:6]  # others are proposed
    few = race.field(VALID, 3, 0)
    assert few[0] == {} and len(few) == 3 and all(one in VALID[1:6] for one in few[1:])
    assert few == race.field(VALID, 3, 0)
    assert len({str(race.field(VALID, 3, seed)) for seed in range(9)}) > 1


def test_what_the_study_sets_is_no_change():
    """Of settings that all have threads and pinning, those change one thing that differ in one from the first."""
    study = {"threads": 2, "pinning": False}
    single = [{**study, "streams": 2}, {**study, "threads": 4}, {"threads": 2}]
    assert race.field([study, {"threads": 4, "pinning": False, "streams": 2}, *single], 4, 0) == [study, *single]


def slower_by_round(members, burst):
    """The machine's state: every second round is slow."""
    return 0.3 * (burst // members % 2)


def heats(of, count, sd=0.0):
    """Groups of heats in which each candidate of a list takes turns with the default, which takes 5 ms.

    Args:
        of: by name the true logarithm of its ratio to the default, in lists of those that run together.
    """
    groups = []
    for number in range(count):
        for place, together in enumerate(of):
            members = {
                name: (lambda state, level=level: 5 * math.exp(level + state)) for name, level in together.items()
            }
            latency = {race.DEFAULT: lambda state: 5 * math.exp(state), **members}
            by_round = functools.partial(slower_by_round, len(latency))
            groups += nested.groups(latency, 1, state=by_round, sd=(0, sd, sd), seed=100 * number + place)
    return groups


def test_a_figure_of_each_group_is_free_of_the_state_whatever_the_heat():
    groups = heats([{"a": 0.2, "b": -0.1}, {"c": 0.5}], count=4)
    assert race.figures(groups, "a") == pytest.approx([0.2] * 4, abs=1e-3)
    assert race.figures(groups, "c") == pytest.approx([0.5] * 4, abs=1e-3)
    assert race.figures(groups, "gone") == []
    ratio, interval = race.ratio(race.figures(heats([{"a": 0.2}], 5, sd=0.02), "a"))
    assert interval[0] < ratio < interval[1]
    assert ratio == pytest.approx(math.exp(0.2), rel=0.03)
    assert race.ratio([0.2]) == (math.exp(0.2), None)


def test_nobody_leaves_before_the_third_group_and_then_who_is_shown_to_be_slower():
    of = {"fast": [-0.2, -0.21, -0.19], "level": [-0.1, -0.3, -0.19], "slow": [0.5, 0.51, 0.5]}
    assert race.losers({name: values[:2] for name, values in of.items()}, 4) == {}
    (gone,) = race.losers(of, 4).items()
    assert gone[0] == "slow"
    assert gone[1].against == "fast"
    assert gone[1].ratio == pytest.approx(math.exp(0.7), rel=0.02)
    assert 0 < gone[1].p < race.ERROR


def test_the_default_may_be_the_best_and_is_of_equal_ones():
    of = {"slow": [0.3, 0.31, 0.3], "slower": [0.5, 0.51, 0.5]}
    assert race.best(of) == race.DEFAULT
    assert {name: loss.against for name, loss in race.losers(of, 4).items()} == dict.fromkeys(of, race.DEFAULT)
    assert race.best({"same": [0.0, 0.0]}) == race.DEFAULT
    assert race.losers({"same": [0.0, 0.0, 0.0]}, 1) == {}
    assert race.losers({}, 1) == {}


def run(truth, rng, groups=6, heavy=False, sd=0.03):
    """A race of candidates with these true logarithms of ratios: who is left, and how many groups each had."""
    of = {str(number): [] for number in range(len(truth))}
    had = 0
    for _ in range(groups):
        default = rng.normal(0, sd)
        for name, values in of.items():
            noise = rng.standard_t(3) / math.sqrt(3) if heavy else rng.normal()
            values.append(truth[int(name)] + sd * noise - default)
        had += len(of)
        for name in race.losers(of, race.looks(groups)):
            del of[name]
    return of, had


@pytest.mark.parametrize("heavy", [False, True])
@pytest.mark.parametrize("truth", [[-0.1] * 4, [-0.1] * 12, [-0.13, *[-0.1] * 7], [-0.01, 0.0, 0.0]])
def test_a_race_drops_one_that_is_as_fast_as_the_best_in_no_more_than_5_of_100(truth, heavy):
    rng = np.random.default_rng(0)
    lost = sum("0" not in run(truth, rng, heavy=heavy)[0] for _ in range(150))
    assert lost / 150 <= race.ERROR + 2 * math.sqrt(race.ERROR * (1 - race.ERROR) / 150)


def test_what_is_far_behind_leaves_soon():
    rng = np.random.default_rng(0)
    truth = [-0.1, *np.linspace(0.4, 1.5, 11)]
    left, had = zip(*(run(truth, rng) for _ in range(20)))
    assert all("0" in of for of in left)
    assert np.mean([len(of) for of in left]) < 1.2
    assert np.mean(had) < 0.75 * 12 * 6
