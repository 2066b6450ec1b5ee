"""The sessions of a point, their mean and its interval: sessions of one group may be alike, and slopes have errors.

How alike those of a group are is pooled over a node's points, since the few groups of one cannot tell, and so is how
they scatter (`scatter`); what slopes take of the differences between groups is missing from them. How often 95 %
intervals so hold the truth stands in docs/method.md, and comes from `benchmarks/coverage.py`; with the slope's error
clustered by group, and without how slopes usually lie, it was less often.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import NamedTuple, Optional, TypeVar

import numpy as np

from dliflow.analysis import scatter, slopes
from dliflow.analysis.anchored import Bursts
from dliflow.analysis.slopes import TINY, UNKNOWN, Slope

K = TypeVar("K", bound=Hashable)

BOUND = 100  # of half an interval, of logarithms
ALIKE = 0.15  # intraclass correlation where one group cannot tell: processes differ by 3 %, their sessions by 7 %


class Mean(NamedTuple):
    """A mean with its variance and the degrees of freedom of that; no freedom: no variance either."""

    value: float
    variance: float
    freedom: float


class Sessions(NamedTuple):
    """The sessions of one point: arrays of the same length."""

    values: np.ndarray
    """float64: median of each one's bursts."""
    group: np.ndarray
    states: tuple[float, ...]
    """Means of the anchor's logarithm over that of the reference state: of the part of it that each slope is of."""
    weight: np.ndarray
    """float64: how much each counts: its variance is that of a session at the reference state over this."""

    @property
    def mean(self) -> float:
        """Each as much as it counts."""
        return float(self.weight @ self.values / self.weight.sum())


class Squares(NamedTuple):
    """One way analysis of variance of a point's sessions."""

    total: float
    """Sum of squares, of each session times its weight."""
    within: float
    """The part of it within groups."""
    sessions: int
    weight: float
    """Of all of them."""
    freedom_between: float
    freedom_within: int
    size: float
    """Sessions of a group: what the variance between groups counts for in the mean square between them."""
    share: float
    """What it counts for in the variance of the mean: where all count the same, the sum of groups' squared shares."""

    def parts(self, alike: float) -> tuple[float, float]:
        """Expected mean squares between groups and within, where a session has variance 1 and this correlation."""
        return 1 - alike + self.size * alike, 1 - alike

    def expected(self, alike: float) -> float:
        """Expected sum of squares, likewise."""
        between, within = self.parts(alike)
        return self.freedom_between * between + self.freedom_within * within


def at(of: Bursts, slope: float, reference: float) -> dict[int, Sessions]:
    """By batch size, what the sessions' latencies are where the anchor is at the reference."""
    excess = of.anchor - reference
    adjusted = of.latency - slope * excess
    by_level = {}
    for level in np.unique(of.level).tolist():
        here = of.level == level
        values, group = medians(adjusted[here], of.session[here], of.group[here])
        by_level[level] = Sessions(values, group, (float(excess[here].mean()),), np.ones(len(values)))
    return by_level


def medians(values: np.ndarray, session: np.ndarray, group: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each session the median of its values, and its group."""
    order = np.lexsort((values, session))
    _, starts, counts = np.unique(session[order], return_index=True, return_counts=True)
    low, high = order[starts + (counts - 1) // 2], order[starts + counts // 2]
    return (values[low] + values[high]) / 2, group[low]


def averages(values: np.ndarray, session: np.ndarray) -> np.ndarray:
    """For each session the mean of its values, in the order of `medians`."""
    place = np.unique(session, return_inverse=True)[1]
    return np.bincount(place, values) / np.bincount(place)


def analysis(of: Sessions, taken: float) -> Squares:
    """Of a point's sessions.

    Args:
        taken: degrees of freedom between groups that slopes took out.
    """
    _, groups, sizes = np.unique(of.group, return_inverse=True, return_counts=True)
    count, weight = len(of.values), float(of.weight.sum())
    roots = np.sqrt(of.weight)
    centred = roots * (of.values - of.mean)
    within = centred - (np.bincount(groups, centred) / sizes)[groups]
    total = float(centred @ centred)
    shares = np.bincount(groups, roots) / weight
    share = float(shares @ shares)
    return Squares(
        *(total if total > count * TINY**2 else 0.0, float(within @ within), count, weight),
        *(max(len(sizes) - 1 - taken, 0.0), count - len(sizes)),
        *((count - weight * share) / max(len(sizes) - 1, 1), share),
    )


def alike(points: Sequence[Squares]) -> float:
    """Intraclass correlation of sessions in groups, pooled over points that are scaled to one variance; 0 at least."""
    telling = [each for each in points if each.freedom_between and each.freedom_within and each.total]
    if not telling:
        return ALIKE
    total, within, count, _, freedom, freedom_within, size, _ = np.array(telling).T
    scale = (count - 1) / total
    rest = float(scale @ within) / float(freedom_within.sum())
    above = (float(scale @ (total - within)) - rest * float(freedom.sum())) / float(freedom @ size)
    return max(above, 0.0) / (max(above, 0.0) + rest)


def regressed(of: Mapping[K, Bursts]) -> dict[K, Slope]:
    """Each configuration's slope with its variance."""
    of_each = {key: slopes.slope(each) for key, each in of.items()}
    first = {key: at(each, of_each[key].value, 0.0).values() for key, each in of.items()}
    squares = {key: [analysis(one, of_each[key].between) for one in points] for key, points in first.items()}
    same = alike([one for points in squares.values() for one in points])
    return {key: known(of_each[key], each, squares[key], same) for key, each in of.items()}


def known(estimate: Slope, of: Bursts, points: Sequence[Squares], alike: float) -> Slope:
    """A slope with its variance; `UNKNOWN` where the anchor never changes.

    It comes from how sessions differ and what those of a group have in common, which the clusters of five groups could
    not tell.

    Args:
        points: the analysis of each point of the configuration.
        alike: the intraclass correlation of sessions in groups.
    """
    squared, _, of_groups = slopes.spread(of)
    freedom = sum(each.freedom_between + each.freedom_within for each in points)
    expected = sum(each.expected(alike) for each in points)
    if not squared or expected <= 0:
        return UNKNOWN
    variance = sum(each.total for each in points) / expected
    variance *= ((1 - alike) * squared + alike * of_groups) / squared**2
    return Slope(estimate.value, variance, freedom, estimate.between)


def means(
    of: Mapping[K, tuple[Sequence[Slope], Mapping[int, Sessions]]], apart: bool = False
) -> dict[tuple[K, int], Mean]:
    """Each point's mean over its sessions, of which those of one group may be alike.

    How alike is pooled over all points, since the few groups of one cannot tell. With it a point's sum of squares gives
    the variance of a session, with as many degrees of freedom as such a sum has (F. E. Satterthwaite, Biometrics Bull.
    2, 1946); it is drawn to what all points have in common, and gives that of the mean. To it comes what the slopes'
    variances make of the distance to the reference state.

    Args:
        of: sessions with the slopes that were taken out, in the order of their states; none where none were.
        apart: whether each variance is that of the point's own sessions alone.
    """
    squares = {
        (key, level): analysis(each, sum(slope.between for slope in taken))
        for key, (taken, points) in of.items()
        for level, each in points.items()
    }
    same = alike(list(squares.values()))
    of_one = {point: one_session(each, same) for point, each in squares.items()}
    to = scatter.common([] if apart else list(of_one.values()))
    estimated = {}
    for key, (taken, points) in of.items():
        for level, each in points.items():
            point = key, level
            estimated[point] = _mean(each.mean, scatter.drawn(of_one[point], to), squares[point], same)
            for slope, state in zip(taken, each.states):
                estimated[point] = plus(estimated[point], state**2 * slope.variance, slope.freedom)
    return estimated


def one_session(squares: Squares, alike: float) -> scatter.Variance:
    """The variance of a session at the reference state; without freedom where it cannot be told."""
    expected = squares.expected(alike)
    if squares.sessions < 2 or expected <= 0:
        return scatter.Variance(0.0, 0.0)
    between, within = squares.parts(alike)
    freedom = expected**2 / (squares.freedom_between * between**2 + squares.freedom_within * within**2)
    return scatter.Variance(squares.total / expected, freedom)


def _mean(value: float, session: scatter.Variance, squares: Squares, alike: float) -> Mean:
    _, within = squares.parts(alike)
    variance = session.value * (within / squares.weight + alike * squares.share)
    return Mean(value, variance, session.freedom)


def plus(mean: Mean, variance: float, freedom: float) -> Mean:
    """A mean with an independent error of this variance and its degrees of freedom added (Satterthwaite)."""
    total = mean.variance + variance
    if not mean.freedom or not total:
        return mean
    error = mean.variance**2 / mean.freedom + variance**2 / freedom
    return Mean(mean.value, total, total**2 / error if error else math.inf)


def interval(mean: Mean, confidence: float) -> Optional[tuple[float, float]]:
    """Student's t interval of the exponential of a mean of logarithms; None where it has no bounds."""
    if not mean.freedom:
        return None
    from scipy import special  # here: the rules import this room for names only, and scipy takes half a second

    half = float(special.stdtrit(mean.freedom, (1 + confidence) / 2)) * math.sqrt(mean.variance)
    if not half < BOUND:
        return None
    return math.exp(mean.value - half), math.exp(mean.value + half)
