"""Latency at the reference state: what the anchor tells of the machine, taken out. Pure functions of plain data.

A machine changes its speed, and no counter shows it. The anchor beside every burst does: the logarithm of a burst's
median is regressed on the anchor's, which is a control variate, and read off where the anchor takes as long as it does
in the median over the sweep (the reference state).

The state has three parts, with a slope each. What *lasts* from a run to the next one, or to another study, slows down
nearly everything alike; no run tells its slope, so it is a usual one with an error. What all anchors of some seconds
have in common is a *drift*. What a burst's own anchor is off that is a *moment*, of which the burst itself has seen
half: on such differences latencies have half the slope (regression dilution; W. A. Fuller, Measurement Error Models,
1987). One slope for all lies between, and leaves a part of each slow hour in the latencies.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple, Optional, TypeVar

import numpy as np

from dliflow.analysis import scatter, sessions, slopes
from dliflow.analysis.anchored import Bursts, Reference, joined, reference_state, where
from dliflow.analysis.sessions import Sessions
from dliflow.analysis.slopes import DRIFTING, LASTING, TINY, USUAL, Slope

K = TypeVar("K", bound=Hashable)

RUN_S = 600.0  # without a measurement, between two runs
LIKE = 0.05  # difference of two runs' states, of logarithms, whose error from what lasts is 1 % at most
PASSES = 4
NEAR_S = 10.0  # standard deviation of the times whose anchors tell the drift; in these studies 7 to 15 did as well


class Estimate(NamedTuple):
    """The latency of a point: geometric means over sessions, ms, with 95 % intervals where there are any."""

    latency: float
    """As measured."""
    interval: Optional[tuple[float, float]]
    reference: float
    """At the reference state; sessions near to it count for more."""
    reference_interval: Optional[tuple[float, float]]
    slope: float
    """d log latency / d log anchor of the configuration as the machine drifts: 0 where its state does not touch it."""


def estimates(
    of: Mapping[K, Bursts],
    reference: Optional[Reference] = None,
    confidence: float = 0.95,
    rounds: Mapping[K, Bursts] = MappingProxyType({}),
) -> dict[tuple[K, int], Estimate]:
    """The estimates of all points.

    Args:
        of: for each configuration its bursts, all of one node, since what they have in common is pooled.
        reference: the state to read off; that of these bursts when absent.
        rounds: more bursts of some of them, beside an anchor of as many threads. They tell of latencies at the
            reference state, and not which that is: they are of a few minutes, of which all others have seen nothing.
            Those of a run that was faster or slower are left out: how latencies follow what lasts is hardly known.
    """
    if not of:
        return {}
    centre = reference_state(of.values())
    more = of_like_runs(of, rounds, centre)
    every = {key: joined(each, more[key]) if key in more else each for key, each in of.items()}
    telling = {key: np.arange(len(every[key].at)) < len(each.at) for key, each in of.items()}
    away = {key: centre[each.threads] - (reference or centre)[each.threads] for key, each in of.items()}
    over = {key: each.anchor - centre[each.threads] for key, each in every.items()}
    lasting = of_runs(every, over, telling)
    drift = drifts(every, {key: over[key] - lasting[key] for key in every}, telling)
    moment = {key: over[key] - lasting[key] - drift[key] for key in every}
    steady = {key: each._replace(latency=each.latency - LASTING.value * lasting[key]) for key, each in every.items()}
    slow = drifting(steady, drift, moment)
    quick = {
        key: each._replace(latency=each.latency - slow[key].value * drift[key], anchor=moment[key])
        for key, each in steady.items()
    }
    fast = {key: slopes.drawn(each, USUAL) for key, each in sessions.regressed(quick).items()}
    as_they_are = {key: ((), sessions.at(each, 0.0, 0.0)) for key, each in of.items()}
    measured = sessions.means(as_they_are, apart=True)  # the machine's states are in it, which move each one otherwise
    at_reference = {key: each._replace(latency=each.latency - LASTING.value * away[key]) for key, each in quick.items()}
    states = {key: (moment[key], drift[key], lasting[key] + away[key]) for key in quick}
    points = weighted(at_reference, fast, states)
    adjusted = sessions.means({key: ((fast[key], slow[key], LASTING), each) for key, each in points.items()})
    return {
        point: Estimate(
            *(math.exp(measured[point].value), sessions.interval(measured[point], confidence)),
            *(math.exp(adjusted[point].value), sessions.interval(adjusted[point], confidence)),
            slow[point[0]].value,
        )
        for point in measured
    }


def begins(of: Iterable[Bursts]) -> np.ndarray:
    """When runs began, s. Between two nothing was measured for some time: an upgrade, or the rest of what failed."""
    times = np.unique(np.concatenate([each.at for each in of]))
    return times[np.diff(times, prepend=-math.inf) > RUN_S]


def of_like_runs(of: Mapping[K, Bursts], rounds: Mapping[K, Bursts], centre: Reference) -> dict[K, Bursts]:
    """The bursts of rounds of a run in which the sweep measured the same configuration, or which was as fast as one.

    Of another one they would bring the error of what lasts, and a latency be known less than without them.
    """
    parts = [*of.values(), *rounds.values()]
    began = begins(parts)
    of_run = np.concatenate([_run(each, began) for each in parts])
    over = np.concatenate([each.anchor - centre[each.threads] for each in parts])
    state = np.array([np.median(over[of_run == number]) for number in range(len(began))])
    kept = {}
    for key, each in rounds.items():
        swept = state[np.unique(_run(of[key], began))]
        like = np.abs(state[_run(each, began), None] - swept).min(axis=1) <= LIKE
        if like.any():
            kept[key] = where(like, each)
    return kept


def _run(of: Bursts, began: np.ndarray) -> np.ndarray:
    """Of each burst the number of its run."""
    return np.searchsorted(began, of.at, "right") - 1


def of_runs(
    of: Mapping[K, Bursts], over: Mapping[K, np.ndarray], telling: Mapping[K, np.ndarray]
) -> dict[K, np.ndarray]:
    """At each burst the median of its run's anchors, over the reference state; 0 where all were measured in one run.

    Args:
        over: of each burst the logarithm of the anchor over that of the reference state.
        telling: of each burst whether it tells of that state; of a run without such bursts all do.
    """
    began = begins(of.values())
    run = np.concatenate([_run(each, began) for each in of.values()])
    every, tell = (np.concatenate(list(each.values())) for each in (over, telling))
    of_run = [run == number for number in range(len(began))]
    state_of = [float(np.median(every[here & tell if (here & tell).any() else here])) for here in of_run]
    return _apart(of, np.array(state_of)[run])


def drifts(
    of: Mapping[K, Bursts], over: Mapping[K, np.ndarray], telling: Mapping[K, np.ndarray]
) -> dict[K, np.ndarray]:
    """At each burst the mean of the anchors near in time, of all configurations, less that of all that tell.

    Near is a normal curve around the session's beginning. Anchors of other threads tell the same, over a centre of
    their own. A mean of some dozens has an error, too, and is drawn to that of all by it: by the share of its variance
    that the two means have in common which every second session tells alone (C. Spearman, Am. J. Psychol. 15, 1904).

    Args:
        over: of each burst the logarithm of the anchor over that of its run.
        telling: of each burst whether it tells of the reference state.
    """
    at = np.concatenate([each.at for each in of.values()])
    every, tell = (np.concatenate(list(each.values())) for each in (over, telling))
    second = np.unique(at, return_inverse=True)[1] % 2
    whole, *halves = (_near(at, every, counted) for counted in (np.ones(len(at)), second, 1.0 - second))
    both = np.isfinite(halves[0]) & np.isfinite(halves[1])
    variance = float(np.var(whole))
    common = float(np.cov(*(half[both] for half in halves))[0, 1]) if both.sum() > 1 else variance
    share = min(max(common / variance, 0.0), 1.0) if variance > TINY else 1.0
    return _apart(of, share * (whole - whole[tell].mean()))


def weighted(
    of: Mapping[K, Bursts], fast: Mapping[K, Slope], states: Mapping[K, tuple[np.ndarray, ...]]
) -> dict[K, dict[int, Sessions]]:
    """By batch size the sessions of each, which count the less, the farther from the reference state they were.

    Args:
        of: bursts whose latencies are at that state but for the moment, which stands in place of the anchor.
        fast: the slopes on that.
        states: of each burst what the anchor is over it: moment, drift, and what lasts. The first two are how far a
            session was from it; the third is one for all of a run.
    """
    points = {key: sessions.at(each, fast[key].value, 0.0) for key, each in of.items()}
    every = [(key, level) for key, each in points.items() for level in each]
    distance = {
        (key, level): _of_sessions((states[key][0] + states[key][1]) ** 2, of[key], level) for key, level in every
    }
    growth = scatter.growth([(points[key][level].values, distance[key, level]) for key, level in every])
    for key, level in every:
        weight = scatter.weights(distance[key, level], growth)
        parts = (_of_sessions(part, of[key], level) for part in states[key])
        over = tuple(float(np.average(part, weights=weight)) for part in parts)
        points[key][level] = points[key][level]._replace(states=over, weight=weight)
    return points


def _of_sessions(values: np.ndarray, of: Bursts, level: int) -> np.ndarray:
    """The mean of each session at a batch size."""
    here = of.level == level
    return sessions.averages(values[here], of.session[here])


def _apart(of: Mapping[K, Bursts], values: np.ndarray) -> dict[K, np.ndarray]:
    """The values of each configuration's bursts, of those of all in a row."""
    ends = np.cumsum([len(each.at) for each in of.values()])
    return dict(zip(of, np.split(values, ends[:-1])))


def _near(at: np.ndarray, values: np.ndarray, counted: np.ndarray) -> np.ndarray:
    """Of each time the mean of the values near to it; not a number where none is.

    Args:
        at: s.
        counted: for each value 1, or 0 where it is left out.
    """
    seconds, place = np.unique(np.floor(at), return_inverse=True)
    sums, counts = np.bincount(place, values * counted), np.bincount(place, counted)
    total, weight = np.zeros(len(seconds)), np.zeros(len(seconds))
    for apart in range(-int(4 * NEAR_S), int(4 * NEAR_S) + 1):
        there = np.minimum(np.searchsorted(seconds, seconds + apart), len(seconds) - 1)
        near = math.exp(-((apart / NEAR_S) ** 2) / 2) * (seconds[there] == seconds + apart)
        total, weight = total + near * sums[there], weight + near * counts[there]
    with np.errstate(invalid="ignore"):
        return (total / weight)[place]


def drifting(of: Mapping[K, Bursts], drift: Mapping[K, np.ndarray], moment: Mapping[K, np.ndarray]) -> dict[K, Slope]:
    """The slopes on a drift, each drawn to where those of all configurations lie.

    A configuration has seen few states that last, one for each of its groups; all of them together have seen many.

    Args:
        drift: of each burst, as `drifts` tells it.
        moment: what the anchor of each burst is over that.
    """
    rest = dict(of)
    values = dict.fromkeys(of, 0.0)
    for _ in range(PASSES):  # both slopes at once, one after the other: a drift's end is a moment, too
        for key, each in of.items():
            lasting = each._replace(latency=each.latency - values[key] * drift[key], anchor=moment[key])
            passing = slopes.slope(lasting).value * moment[key]
            rest[key] = each._replace(latency=each.latency - passing, anchor=drift[key])
            values[key] = slopes.slope(rest[key]).value
    alone = sessions.regressed(rest)
    lie = slopes.population(list(alone.values()), DRIFTING)
    return {key: slopes.drawn(each, lie) for key, each in alone.items()}
