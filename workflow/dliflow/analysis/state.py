"""Latency at the reference state: what a burst's anchor tells of the machine, taken out. Pure functions of plain data.

A machine changes its speed, and no counter shows it. The anchor beside every burst does: the logarithm of a burst's
median is regressed on the anchor's, which is a control variate, and read off where the anchor takes as long as it does
in the median over the study (the reference state).

The session is the unit, and how alike those of a group are is pooled over a node's points; what a slope takes of the
differences between groups is missing from them; a slope is drawn to usual ones by as much as it is unknown, and its
error counts. How often 95 % intervals so hold the truth stands in docs/method.md, and comes from
`benchmarks/coverage.py`; with the slope's error clustered by group, and without the other two, it was less often.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Optional, TypeVar

import numpy as np

K = TypeVar("K", bound=Hashable)
Reference = Mapping[int, float]
"""A state of the machine: by the anchor's threads the logarithm of what it takes, ms."""

MS = 1e6  # ns
TINY = 1e-12  # variance of logarithms that is rounding
BOUND = 100  # of half an interval, of logarithms


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
    threads: int = 1
    """Of the anchor, for all of them; with others it is another piece of work, which has a reference of its own."""


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
    """What is known of a slope."""

    value: float
    variance: float
    freedom: float
    """Degrees of freedom of the variance."""
    between: float
    """How much of a degree of freedom it takes from the differences between groups; the rest, from those within."""


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
    state: float
    """Mean of the anchor's logarithm over that of the reference state."""


class Squares(NamedTuple):
    """One way analysis of variance of a point's sessions."""

    total: float
    """Sum of squares."""
    within: float
    """The part of it within groups."""
    sessions: int
    freedom_between: float
    freedom_within: int
    size: float
    """Sessions of a group: what the variance between groups counts for in the mean square between them."""
    share: float
    """Sum of the squared shares of groups: what it counts for in the variance of the mean."""

    def parts(self, alike: float) -> tuple[float, float]:
        """Expected mean squares between groups and within, where a session has variance 1 and this correlation."""
        return 1 - alike + self.size * alike, 1 - alike

    def expected(self, alike: float) -> float:
        """Expected sum of squares, likewise."""
        between, within = self.parts(alike)
        return self.freedom_between * between + self.freedom_within * within


NONE = Slope(0.0, 0.0, math.inf, 0.0)
USUAL = (0.5, 0.25)  # mean and variance of slopes: between that of one thread, 0, and that of the anchor, 1
ALIKE = 0.15  # intraclass correlation where one group cannot tell: processes differ by 3 %, their sessions by 7 %


Figure = Callable[[Mapping[str, Any], str], float]
"""Of a round and a member: how long something took in its burst, ms."""


def latency(round_: Mapping[str, Any], name: str) -> float:
    """The median of a burst's requests, ms."""
    return median(round_["latency_ns"][name]) / MS


def median(values: Sequence[float]) -> float:
    """Of a few dozen numbers, of which tables ask a million times: numpy's takes ten times as long."""
    ordered, count = sorted(values), len(values)
    return (ordered[(count - 1) // 2] + ordered[count // 2]) / 2


def beside(session: Mapping[str, Any], figure: Figure = latency) -> Iterator[tuple[int, str, float, float]]:
    """The bursts of a session in the order in which they were: round, member, and logarithms of ms.

    The first is that of the member's burst, the second the mean of those of the anchor's medians beside it.

    Args:
        figure: what of the burst.
    """
    anchors = [math.log(median(durations) / MS) for durations in session["anchor_ns"]]
    place = 0
    for number, round_ in enumerate(session["rounds"]):
        for name in round_["order"]:
            if name in round_["latency_ns"]:
                yield number, name, math.log(figure(round_, name)), (anchors[place] + anchors[place + 1]) / 2
                place += 1


def bursts(groups: Sequence[Mapping[str, Any]], figure: Figure = latency) -> dict[str, Bursts]:
    """Every member's bursts.

    Args:
        groups: `figures.groups` of a record, or of several, one behind the other.
        figure: what of each burst takes the place of its latency.
    """
    rows: dict[str, list[tuple[int, int, int, float, float]]] = {}
    threads: dict[str, int] = {}
    sessions = ((number, session) for number, group in enumerate(groups) for session in group["sessions"])
    for opening, (number, session) in enumerate(sessions):
        for _, name, value, anchor in beside(session, figure):
            level = session["opened"][name]["batch_size"]
            rows.setdefault(name, []).append((level, number, opening, value, anchor))
            threads[name] = session["anchor_threads"]
    return {name: _together(of_member, threads[name]) for name, of_member in rows.items()}


def _together(rows: Iterable[tuple[int, int, int, float, float]], threads: int) -> Bursts:
    level, group, session, latency, anchor = map(np.array, zip(*rows))
    return Bursts(level, group, session, latency, anchor, threads)


def reference_state(of: Iterable[Bursts]) -> dict[int, float]:
    """The anchor's median over a node's study; groups of all configurations are spread over the whole of it."""
    anchors: dict[int, list[np.ndarray]] = {}
    for each in of:
        anchors.setdefault(each.threads, []).append(each.anchor)
    return {threads: float(np.median(np.concatenate(each))) for threads, each in anchors.items()}


def estimates(
    of: Mapping[K, Bursts], reference: Optional[Reference] = None, confidence: float = 0.95
) -> dict[tuple[K, int], Estimate]:
    """The estimates of all points.

    Args:
        of: for each configuration its bursts, all of one node, since what they have in common is pooled.
        reference: the state to read off; that of these bursts when absent.
    """
    if not of:
        return {}
    if reference is None:
        reference = reference_state(of.values())
    slopes = {key: slope(each) for key, each in of.items()}
    at = {key: reference[each.threads] for key, each in of.items()}
    first = {key: sessions(each, slopes[key].value, at[key]) for key, each in of.items()}
    squares = {key: [analysis(one, slopes[key]) for one in points.values()] for key, points in first.items()}
    same = alike([one for points in squares.values() for one in points])
    slopes = {key: likely(slopes[key], each, squares[key], same) for key, each in of.items()}
    measured = means({key: (NONE, sessions(each, 0, at[key])) for key, each in of.items()})
    adjusted = means({key: (slopes[key], sessions(each, slopes[key].value, at[key])) for key, each in of.items()})
    return {
        point: Estimate(
            *(math.exp(measured[point].value), interval(measured[point], confidence)),
            *(math.exp(adjusted[point].value), interval(adjusted[point], confidence)),
            slopes[point[0]].value,
        )
        for point in measured
    }


def slope(of: Bursts) -> Slope:
    """Slope of the latency on the anchor by Huber's regression (P. J. Huber, Ann. Stat. 1, 1973), without a variance.

    Batch sizes have intercepts of their own. 0 where the anchor never changes.
    """
    levels = np.unique(of.level, return_inverse=True)[1]
    weights, value = np.ones(len(levels)), 0.0
    for _ in range(30):
        x, y = (_centred(each, levels, weights) for each in (of.anchor, of.latency))
        spread = float(weights @ x**2)
        if spread <= len(x) * TINY:
            break
        value = float(weights @ (x * y)) / spread
        sizes = np.abs(y - value * x)
        limit = 1.345 * 1.4826 * float(np.median(sizes))
        before, weights = weights, np.minimum(1, limit / np.maximum(sizes, 1e-12)) if limit > 1e-12 else weights
        if np.abs(weights - before).max() < 1e-4:
            break
    squared, between, _ = _spread(of)
    return Slope(value, 0.0, math.inf, between / squared if squared else 0.0)


def _centred(values: np.ndarray, label: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Less the weighted mean of those of the same label."""
    return values - (np.bincount(label, weights * values) / np.bincount(label, weights))[label]


def _spread(of: Bursts) -> tuple[float, float, float]:
    """Sums of squares of the anchors of sessions, less the mean of their level; of groups' means; of groups' sums."""
    _, first, sessions_ = np.unique(of.session, return_index=True, return_inverse=True)
    levels, groups = (np.unique(label[first], return_inverse=True)[1] for label in (of.level, of.group))
    anchor = np.bincount(sessions_, of.anchor) / np.bincount(sessions_)
    x = _centred(anchor, levels, np.ones(len(anchor)))
    sums = np.bincount(groups, x)
    squared = float(x @ x)
    if squared <= len(x) * TINY:
        return 0.0, 0.0, 0.0
    return squared, float(sums**2 @ (1 / np.bincount(groups))), float(sums @ sums)


def likely(
    estimate: Slope, of: Bursts, points: Sequence[Squares], alike: float, usual: tuple[float, float] = USUAL
) -> Slope:
    """A slope with its variance, drawn to where slopes usually lie by as much as it is unknown.

    That is the mean of both, each weighted by the inverse of its variance. The variance of what was found comes from
    how sessions differ and what those of a group have in common, which the clusters of five groups could not tell.

    Args:
        points: the analysis of each point of the configuration.
        alike: the intraclass correlation of sessions in groups.
        usual: mean and variance of such slopes.
    """
    squared, _, of_groups = _spread(of)
    freedom = sum(each.freedom_between + each.freedom_within for each in points)
    expected = sum(each.expected(alike) for each in points)
    if not squared or expected <= 0:
        return Slope(*usual, math.inf, 0.0)
    variance = sum(each.total for each in points) / expected
    variance *= ((1 - alike) * squared + alike * of_groups) / squared**2
    weight = usual[1] / (usual[1] + variance)
    value = weight * estimate.value + (1 - weight) * usual[0]
    return Slope(value, weight * variance, freedom / weight**2, weight * estimate.between)


def sessions(of: Bursts, slope: float, reference: float) -> dict[int, Sessions]:
    """By batch size, what the sessions' latencies are where the anchor is at the reference."""
    excess = of.anchor - reference
    adjusted = of.latency - slope * excess
    by_level = {}
    for level in np.unique(of.level).tolist():
        here = of.level == level
        values, group = medians(adjusted[here], of.session[here], of.group[here])
        by_level[level] = Sessions(values, group, float(excess[here].mean()))
    return by_level


def medians(values: np.ndarray, session: np.ndarray, group: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each session the median of its values, and its group."""
    order = np.lexsort((values, session))
    _, starts, counts = np.unique(session[order], return_index=True, return_counts=True)
    low, high = order[starts + (counts - 1) // 2], order[starts + counts // 2]
    return (values[low] + values[high]) / 2, group[low]


def analysis(of: Sessions, slope: Slope) -> Squares:
    """Of a point's sessions, which a slope was taken out of."""
    _, groups, sizes = np.unique(of.group, return_inverse=True, return_counts=True)
    count, shares = len(of.values), sizes / len(of.values)
    centred = of.values - of.values.mean()
    within = centred - (np.bincount(groups, centred) / sizes)[groups]
    total = float(centred @ centred)
    share = float(shares @ shares)
    return Squares(
        *(total if total > count * TINY**2 else 0.0, float(within @ within), count),
        *(max(len(sizes) - 1 - slope.between, 0.0), count - len(sizes)),
        *(count * (1 - share) / max(len(sizes) - 1, 1), share),
    )


def alike(points: Sequence[Squares]) -> float:
    """Intraclass correlation of sessions in groups, pooled over points that are scaled to one variance; 0 at least."""
    telling = [each for each in points if each.freedom_between and each.freedom_within and each.total]
    if not telling:
        return ALIKE
    total, within, count, freedom, freedom_within, size, _ = np.array(telling).T
    scale = (count - 1) / total
    rest = float(scale @ within) / float(freedom_within.sum())
    above = (float(scale @ (total - within)) - rest * float(freedom.sum())) / float(freedom @ size)
    return max(above, 0.0) / (max(above, 0.0) + rest)


def means(of: Mapping[K, tuple[Slope, Mapping[int, Sessions]]]) -> dict[tuple[K, int], Mean]:
    """Each point's mean over its sessions, of which those of one group may be alike.

    How alike is pooled over all points, since the few groups of one cannot tell. With it a point's sum of squares gives
    the variance of its mean, with as many degrees of freedom as such a sum has (F. E. Satterthwaite, Biometrics Bull.
    2, 1946). To it comes what the slope's variance makes of the distance to the reference state.
    """
    squares = {
        (key, level): analysis(each, slope) for key, (slope, points) in of.items() for level, each in points.items()
    }
    same = alike(list(squares.values()))
    return {
        (key, level): plus(_mean(each, squares[key, level], same), each.state**2 * slope.variance, slope.freedom)
        for key, (slope, points) in of.items()
        for level, each in points.items()
    }


def _mean(of: Sessions, squares: Squares, alike: float) -> Mean:
    value, expected = float(of.values.mean()), squares.expected(alike)
    if squares.sessions < 2 or expected <= 0:
        return Mean(value, 0.0, 0.0)
    between, within = squares.parts(alike)
    variance = squares.total / expected * (within / squares.sessions + alike * squares.share)
    freedom = expected**2 / (squares.freedom_between * between**2 + squares.freedom_within * within**2)
    return Mean(value, variance, freedom)


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
