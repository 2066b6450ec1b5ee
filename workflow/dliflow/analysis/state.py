"""Latency at the reference state: what a burst's anchor tells of the machine, taken out. Pure functions of plain data.

A machine changes its speed, and no counter shows it. The anchor beside every burst does: the logarithm of a burst's
median is regressed on the anchor's, which is a control variate, and read off where the anchor takes as long as it does
in the median over the study (the reference state).
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Optional, TypeVar

import numpy as np
from scipy import stats as scipy_stats

K = TypeVar("K", bound=Hashable)
MS = 1e6  # ns


class Bursts(NamedTuple):
    """The bursts of one configuration on one node, in any order: arrays of the same length."""

    level: np.ndarray
    """int: batch size."""
    group: np.ndarray
    """int: which process."""
    session: np.ndarray
    """int: which opening, unique over groups and levels."""
    latency: np.ndarray
    """float64: logarithm of the burst's median, ms."""
    anchor: np.ndarray
    """float64: logarithm of the anchor beside it, ms: the mean over both flanks of the logarithms of their medians."""


class Estimate(NamedTuple):
    """The latency of a point: geometric means over its sessions, ms, with 95 % intervals where there are any."""

    latency: float
    """As measured."""
    interval: Optional[tuple[float, float]]
    reference: float
    """At the reference state."""
    reference_interval: Optional[tuple[float, float]]
    slope: float
    """d log latency / d log anchor of the configuration: 0 where the state does not touch it."""


class Slope(NamedTuple):
    """A slope with its variance and the degrees of freedom of that."""

    value: float
    variance: float
    freedom: float


class Mean(NamedTuple):
    """A mean with its variance and the degrees of freedom of that; no freedom: no variance either."""

    value: float
    variance: float
    freedom: float


def beside(session: Mapping[str, Any]) -> Iterator[tuple[int, str, float, float]]:
    """The bursts of a session in the order in which they were: round, member, and logarithms of medians in ms.

    The first is that of the member's burst, the second the mean of those of the anchor's two beside it.
    """
    anchors = [math.log(float(np.median(durations)) / MS) for durations in session["anchor_ns"]]
    place = 0
    for number, round_ in enumerate(session["rounds"]):
        for name in round_["order"]:
            if name in round_["latency_ns"]:
                median = float(np.median(round_["latency_ns"][name]))
                yield number, name, math.log(median / MS), (anchors[place] + anchors[place + 1]) / 2
                place += 1


def bursts(groups: Sequence[Mapping[str, Any]]) -> dict[str, Bursts]:
    """Every member's bursts.

    Args:
        groups: `figures.groups` of a record, or of several, one behind the other.
    """
    rows: dict[str, list[tuple[int, int, int, float, float]]] = {}
    sessions = ((number, session) for number, group in enumerate(groups) for session in group["sessions"])
    for opening, (number, session) in enumerate(sessions):
        for _, name, latency, anchor in beside(session):
            level = session["opened"][name]["batch_size"]
            rows.setdefault(name, []).append((level, number, opening, latency, anchor))
    return {name: Bursts(*map(np.array, zip(*of_member))) for name, of_member in rows.items()}


def reference_state(of: Iterable[Bursts]) -> float:
    """Logarithm of the anchor's median over a node's study, ms."""
    return float(np.median(np.concatenate([each.anchor for each in of])))


def estimates(
    of: Mapping[K, Bursts], reference: Optional[float] = None, confidence: float = 0.95
) -> dict[tuple[K, int], Estimate]:
    """The estimates of all points.

    Args:
        of: for each configuration its bursts, all of one node, since what they have in common is pooled.
        reference: logarithm of the anchor at the state to read off, ms; that of these bursts when absent.
    """
    if not of:
        return {}
    if reference is None:
        reference = reference_state(of.values())
    slopes = {key: slope(each.latency, each.anchor, each.level, each.group) for key, each in of.items()}
    points, measured, adjusted, states = [], [], [], []
    for key, each in of.items():
        excess = each.anchor - reference
        for level in np.unique(each.level):
            here = each.level == level
            session, group = each.session[here], each.group[here]
            points.append((key, int(level)))
            measured.append(medians(each.latency[here], session, group))
            adjusted.append(medians((each.latency - slopes[key].value * excess)[here], session, group))
            states.append(float(excess[here].mean()))
    found = {}
    for point, plain, read_off, state in zip(points, means(measured), means(adjusted), states):
        of_slope = slopes[point[0]]
        at_reference = plus(read_off, state**2 * of_slope.variance, of_slope.freedom)
        found[point] = Estimate(
            math.exp(plain.value),
            interval(plain, confidence),
            math.exp(at_reference.value),
            interval(at_reference, confidence),
            of_slope.value,
        )
    return found


def slope(values: np.ndarray, anchor: np.ndarray, level: np.ndarray, group: np.ndarray) -> Slope:
    """Slope of values on the anchor by Huber's regression (P. J. Huber, Ann. Stat. 1, 1973), errors clustered by group.

    0 without variance where it cannot be known: fewer than four values, one group, or an anchor that never changes.

    Args:
        values: logarithms.
        anchor: logarithms.
        level: values of the same level have a common intercept.
        group: values of different groups are independent.
    """
    levels, groups = (np.unique(labels, return_inverse=True)[1] for labels in (level, group))
    clusters = int(groups.max()) + 1
    weights = np.ones(len(values))
    if len(values) < 4 or clusters < 2:
        return Slope(0.0, 0.0, math.inf)
    for _ in range(30):
        x, y = (_centred(each, levels, weights) for each in (anchor, values))
        spread = float(weights @ x**2)
        if spread <= len(x) * 1e-12:
            return Slope(0.0, 0.0, math.inf)
        value = float(weights @ (x * y)) / spread
        residuals = y - value * x
        sizes = np.abs(residuals)
        limit = 1.345 * 1.4826 * float(np.median(sizes))
        before, weights = weights, np.minimum(1, limit / np.maximum(sizes, 1e-12)) if limit > 1e-12 else weights
        if np.abs(weights - before).max() < 1e-4:
            break
    scores = np.bincount(groups, before * x * residuals)
    return Slope(value, clusters / (clusters - 1) * float(scores @ scores) / spread**2, clusters - 1)


def _centred(values: np.ndarray, label: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Less the weighted mean of those of the same label."""
    return values - (np.bincount(label, weights * values) / np.bincount(label, weights))[label]


def medians(values: np.ndarray, session: np.ndarray, group: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each session the median of its values, and its group."""
    order = np.lexsort((values, session))
    _, starts, counts = np.unique(session[order], return_index=True, return_counts=True)
    low, high = order[starts + (counts - 1) // 2], order[starts + counts // 2]
    return (values[low] + values[high]) / 2, group[low]


class Squares(NamedTuple):
    """One way analysis of variance of a point's sessions."""

    between: float
    """Sum of squares between groups."""
    within: float
    groups: int
    sessions: int
    size: float
    """Sessions of a group: what the variance between groups counts for in the mean square between them."""
    share: float
    """Sum of the squared shares of groups: what it counts for in the variance of the mean."""


def means(points: Sequence[tuple[np.ndarray, np.ndarray]]) -> list[Mean]:
    """Each point's mean over its sessions, of which those of one group may be alike.

    How alike, the intraclass correlation, is pooled over all points, since the few groups of one cannot tell. With it a
    point's sum of squares gives the variance of its mean, with as many degrees of freedom as such a sum has
    (F. E. Satterthwaite, Biometrics Bull. 2, 1946).

    Args:
        points: for each point its sessions' values and their groups.
    """
    squares = [_squares(*point) for point in points]
    correlation = alike(squares)
    return [_mean(values, each, correlation) for (values, _), each in zip(points, squares)]


def _squares(values: np.ndarray, group: np.ndarray) -> Squares:
    _, groups, sizes = np.unique(group, return_inverse=True, return_counts=True)
    count, shares = len(values), sizes / len(values)
    centred = values - values.mean()
    of_groups = np.bincount(groups, centred) / sizes
    total, between = float(centred @ centred), float(sizes @ of_groups**2)
    if total <= count * 1e-24:
        total = between = 0.0
    size = count * (1 - float(shares @ shares)) / max(len(sizes) - 1, 1)
    return Squares(between, max(total - between, 0.0), len(sizes), count, size, float(shares @ shares))


def alike(points: Sequence[Squares]) -> float:
    """Intraclass correlation of sessions in groups, pooled over points that are scaled to one variance; 0 at least."""
    told = [each for each in points if each.sessions > each.groups > 1 and each.between + each.within > 0]
    if not told:
        return 0.0
    between, within, groups, count, size, _ = np.array(told).T
    scale = (count - 1) / (between + within)
    rest = float(scale @ within) / float((count - groups).sum())
    above = (float(scale @ between) - rest * float((groups - 1).sum())) / float((groups - 1) @ size)
    return max(above, 0.0) / (max(above, 0.0) + rest)


def _mean(values: np.ndarray, of: Squares, correlation: float) -> Mean:
    between = 1 - correlation + of.size * correlation
    within = 1 - correlation
    expected = (of.groups - 1) * between + (of.sessions - of.groups) * within
    if of.sessions < 2 or expected <= 0:
        return Mean(float(values.mean()), 0.0, 0.0)
    variance = (of.between + of.within) / expected * (within / of.sessions + correlation * of.share)
    freedom = expected**2 / ((of.groups - 1) * between**2 + (of.sessions - of.groups) * within**2)
    return Mean(float(values.mean()), variance, freedom)


def plus(mean: Mean, variance: float, freedom: float) -> Mean:
    """A mean with an independent error of this variance and its degrees of freedom added (Satterthwaite)."""
    total = mean.variance + variance
    if not mean.freedom or not total:
        return mean
    return Mean(mean.value, total, total**2 / (mean.variance**2 / mean.freedom + variance**2 / freedom))


def interval(mean: Mean, confidence: float) -> Optional[tuple[float, float]]:
    """Student's t interval of the exponential of a mean of logarithms; None without degrees of freedom."""
    if not mean.freedom:
        return None
    half = float(scipy_stats.t.ppf((1 + confidence) / 2, mean.freedom)) * math.sqrt(mean.variance)
    return math.exp(mean.value - half), math.exp(mean.value + half)
