"""Latency at the reference state: what the anchor tells of the machine, taken out. Pure functions of plain data.

A machine changes its speed, and no counter shows it. The anchor beside every burst does: the logarithm of a burst's
median is regressed on the anchor's, which is a control variate, and read off where the anchor takes as long as it does
in the median over the study (the reference state).

The state has three parts, with a slope each. What *lasts* from a run to the next one, or to another study, slows down
nearly everything alike; no run tells its slope, so it is a usual one with an error. What all anchors of some seconds
have in common is a *drift*. What a burst's own anchor is off that is a *moment*, of which the burst itself has seen
half: on such differences latencies have half the slope (regression dilution; W. A. Fuller, Measurement Error Models,
1987). One slope for all lies between, and leaves a part of each slow hour in the latencies.

The session is the unit, and how alike those of a group are is pooled over a node's points; what slopes take of the
differences between groups is missing from them; a slope is drawn to usual ones by as much as it is unknown, and its
error counts. How often 95 % intervals so hold the truth stands in docs/method.md, and comes from
`benchmarks/coverage.py`; with the slope's error clustered by group, and without the other two, it was less often.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Optional, TypeVar

import numpy as np

K = TypeVar("K", bound=Hashable)
Reference = Mapping[int, float]
"""A state of the machine: by the anchor's threads the logarithm of what it takes, ms."""

MS = 1e6  # ns
TINY = 1e-12  # variance of logarithms that is rounding
NORMAL = 1.96  # standard deviations of a normal distribution that hold 95 %
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
    at: np.ndarray
    """float64: when its session began, s."""
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
    """d log latency / d log anchor of the configuration as the machine drifts: 0 where its state does not touch it."""


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
    states: tuple[float, ...]
    """Means of the anchor's logarithm over that of the reference state: of the part of it that each slope is of."""


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


class Population(NamedTuple):
    """How slopes lie."""

    mean: float
    variance: float


UNKNOWN = Slope(0.0, math.inf, math.inf, 0.0)
LASTING = Slope(1.0, 0.25**2, math.inf, 0.0)  # between runs and studies: in eight pairs of studies 0.9 to 1.5
RUN_S = 600.0  # without a measurement, between two runs
USUAL = Population(0.5, 0.25)  # of a moment: between that of one thread, 0, and that of the anchor, 1
DRIFTING = Population(1.0, 0.25)  # of a drift, where few configurations cannot tell; in four studies 1.0 to 1.1
HIDDEN = 0.01  # variance that slopes of drifts lose where they are drawn to each other: as they differ by 0.1
FEW = 8  # configurations that cannot tell how they differ
PASSES = 4
NEAR_S = 10.0  # standard deviation of the times whose anchors tell the drift; in these studies 7 to 15 did as well
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
    rows: dict[str, list[tuple[int, int, int, float, float, float]]] = {}
    threads: dict[str, int] = {}
    sessions = ((number, session) for number, group in enumerate(groups) for session in group["sessions"])
    for opening, (number, session) in enumerate(sessions):
        at = datetime.datetime.fromisoformat(session["started_at"]).timestamp()
        for _, name, value, anchor in beside(session, figure):
            level = session["opened"][name]["batch_size"]
            rows.setdefault(name, []).append((level, number, opening, value, anchor, at))
            threads[name] = session["anchor_threads"]
    return {name: _together(of_member, threads[name]) for name, of_member in rows.items()}


def _together(rows: Iterable[tuple[int, int, int, float, float, float]], threads: int) -> Bursts:
    level, group, session, latency, anchor, at = map(np.array, zip(*rows))
    return Bursts(level, group, session, latency, anchor, at, threads)


def reference_state(of: Iterable[Bursts]) -> dict[int, float]:
    """The anchor's median over a node's study; groups of all configurations are spread over the whole of it."""
    anchors: dict[int, list[np.ndarray]] = {}
    for each in of:
        anchors.setdefault(each.threads, []).append(each.anchor)
    return {threads: float(np.median(np.concatenate(each))) for threads, each in anchors.items()}


def estimates(
    of: Mapping[K, Bursts],
    reference: Optional[Reference] = None,
    confidence: float = 0.95,
    slopes: Population = DRIFTING,
) -> dict[tuple[K, int], Estimate]:
    """The estimates of all points.

    Args:
        of: for each configuration its bursts, all of one node, since what they have in common is pooled.
        reference: the state to read off; that of these bursts when absent.
        slopes: on a drift, where these configurations are too few to tell how they lie.
    """
    if not of:
        return {}
    centre = reference_state(of.values())
    away = {key: centre[each.threads] - (reference or centre)[each.threads] for key, each in of.items()}
    over = {key: each.anchor - centre[each.threads] for key, each in of.items()}
    lasting = of_runs(of, over)
    drift = drifts(of, {key: over[key] - lasting[key] for key in of})
    moment = {key: over[key] - lasting[key] - drift[key] for key in of}
    steady = {key: each._replace(latency=each.latency - LASTING.value * lasting[key]) for key, each in of.items()}
    slow = drifting(steady, drift, moment, slopes)
    quick = {
        key: each._replace(latency=each.latency - slow[key].value * drift[key], anchor=moment[key])
        for key, each in steady.items()
    }
    fast = {key: drawn(each, USUAL) for key, each in regressed(quick).items()}
    measured = means({key: ((), sessions(each, 0.0, 0.0)) for key, each in of.items()})
    points: dict[K, tuple[Sequence[Slope], Mapping[int, Sessions]]] = {}
    for key, each in quick.items():
        at_reference = each._replace(latency=each.latency - LASTING.value * away[key])
        by_level = sessions(at_reference, fast[key].value, 0.0)
        for level, one in by_level.items():
            here = each.level == level
            parts = float(drift[key][here].mean()), float(lasting[key][here].mean()) + away[key]
            by_level[level] = one._replace(states=(*one.states, *parts))
        points[key] = (fast[key], slow[key], LASTING), by_level
    adjusted = means(points)
    return {
        point: Estimate(
            *(math.exp(measured[point].value), interval(measured[point], confidence)),
            *(math.exp(adjusted[point].value), interval(adjusted[point], confidence)),
            slow[point[0]].value,
        )
        for point in measured
    }


def of_runs(of: Mapping[K, Bursts], over: Mapping[K, np.ndarray]) -> dict[K, np.ndarray]:
    """At each burst the median of its run's anchors, over the reference state; 0 where all were measured in one run.

    Between two runs nothing was measured for some time: an upgrade later, or the rest of what failed.

    Args:
        over: of each burst the logarithm of the anchor over that of the reference state.
    """
    at = np.concatenate([each.at for each in of.values()])
    times, place = np.unique(at, return_inverse=True)
    run = np.cumsum(np.diff(times, prepend=times[0]) > RUN_S)[place]
    every = np.concatenate(list(over.values()))
    state_of = [float(np.median(every[run == number])) for number in range(run.max() + 1)]
    return _apart(of, np.array(state_of)[run])


def drifts(of: Mapping[K, Bursts], over: Mapping[K, np.ndarray]) -> dict[K, np.ndarray]:
    """At each burst the mean of the anchors near in time, of all configurations, less that of all.

    Near is a normal curve around the session's beginning. Anchors of other threads tell the same, over a centre of
    their own. A mean of some dozens has an error, too, and is drawn to that of all by it: by the share of its variance
    that the two means have in common which every second session tells alone (C. Spearman, Am. J. Psychol. 15, 1904).

    Args:
        over: of each burst the logarithm of the anchor over that of its run.
    """
    at = np.concatenate([each.at for each in of.values()])
    every = np.concatenate(list(over.values()))
    second = np.unique(at, return_inverse=True)[1] % 2
    whole, *halves = (_near(at, every, counted) for counted in (np.ones(len(at)), second, 1.0 - second))
    told = np.isfinite(halves[0]) & np.isfinite(halves[1])
    variance = float(np.var(whole))
    common = float(np.cov(*(half[told] for half in halves))[0, 1]) if told.sum() > 1 else variance
    share = min(max(common / variance, 0.0), 1.0) if variance > TINY else 1.0
    return _apart(of, share * (whole - whole.mean()))


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


def drifting(
    of: Mapping[K, Bursts], drift: Mapping[K, np.ndarray], moment: Mapping[K, np.ndarray], usual: Population
) -> dict[K, Slope]:
    """The slopes on a drift, each drawn to where those of all configurations lie.

    A configuration has seen few states that last, one for each of its groups; all of them together have seen many.

    Args:
        drift: of each burst, as `drifts` tells it.
        moment: what the anchor of each burst is over that.
        usual: slopes, where these configurations are too few to tell how they lie.
    """
    rest = dict(of)
    slopes = dict.fromkeys(of, 0.0)
    for _ in range(PASSES):  # both slopes at once, one after the other: a drift's end is a moment, too
        for key, each in of.items():
            lasting = each._replace(latency=each.latency - slopes[key] * drift[key], anchor=moment[key])
            passing = slope(lasting).value * moment[key]
            rest[key] = each._replace(latency=each.latency - passing, anchor=drift[key])
            slopes[key] = slope(rest[key]).value
    alone = regressed(rest)
    lie = population(list(alone.values()), usual)
    return {key: drawn(each, lie) for key, each in alone.items()}


def regressed(of: Mapping[K, Bursts]) -> dict[K, Slope]:
    """Each configuration's slope with its variance."""
    slopes = {key: slope(each) for key, each in of.items()}
    first = {key: sessions(each, slopes[key].value, 0.0).values() for key, each in of.items()}
    squares = {key: [analysis(one, slopes[key].between) for one in points] for key, points in first.items()}
    same = alike([one for points in squares.values() for one in points])
    return {key: known(slopes[key], each, squares[key], same) for key, each in of.items()}


def population(slopes: Sequence[Slope], usual: Population) -> Population:
    """How slopes of configurations lie (R. DerSimonian and N. Laird, Control. Clin. Trials 7, 1986).

    Args:
        usual: where few of them can be told.
    """
    telling = [each for each in slopes if each.variance < math.inf]
    if len(telling) < FEW:
        return usual
    value, variance = (np.array(each) for each in zip(*((each.value, each.variance + TINY) for each in telling)))
    weight = 1 / variance
    mean = float(weight @ value / weight.sum())
    excess = float(weight @ (value - mean) ** 2) - (len(telling) - 1)
    spread = max(excess / float(weight.sum() - (weight @ weight) / weight.sum()), 0.0)
    weight = 1 / (variance + spread)
    return Population(float(weight @ value / weight.sum()), spread + 1 / float(weight.sum()))


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


def lying(slopes: Sequence[float]) -> Population:
    """How slopes on a drift lie that were drawn to each other; `DRIFTING` where they are few."""
    if len(slopes) < FEW:
        return DRIFTING
    return Population(float(np.mean(slopes)), float(np.var(slopes, ddof=1)) + HIDDEN)


def known(estimate: Slope, of: Bursts, points: Sequence[Squares], alike: float) -> Slope:
    """A slope with its variance; `UNKNOWN` where the anchor never changes.

    It comes from how sessions differ and what those of a group have in common, which the clusters of five groups could
    not tell.

    Args:
        points: the analysis of each point of the configuration.
        alike: the intraclass correlation of sessions in groups.
    """
    squared, _, of_groups = _spread(of)
    freedom = sum(each.freedom_between + each.freedom_within for each in points)
    expected = sum(each.expected(alike) for each in points)
    if not squared or expected <= 0:
        return UNKNOWN
    variance = sum(each.total for each in points) / expected
    variance *= ((1 - alike) * squared + alike * of_groups) / squared**2
    return Slope(estimate.value, variance, freedom, estimate.between)


def drawn(slope: Slope, usual: Population) -> Slope:
    """A slope drawn to where slopes usually lie by as much as it is unknown.

    That is the mean of both, each weighted by the inverse of its variance.
    """
    unsure = slope.variance / (1 - 2 / slope.freedom) if slope.freedom > 2 else math.inf  # as of Student's t
    weight = usual.variance / (usual.variance + unsure)
    value = weight * slope.value + (1 - weight) * usual.mean
    freedom = slope.freedom / weight**2 if weight else math.inf
    return Slope(value, (1 - weight) * usual.variance, freedom, weight * slope.between)


def sessions(of: Bursts, slope: float, reference: float) -> dict[int, Sessions]:
    """By batch size, what the sessions' latencies are where the anchor is at the reference."""
    excess = of.anchor - reference
    adjusted = of.latency - slope * excess
    by_level = {}
    for level in np.unique(of.level).tolist():
        here = of.level == level
        values, group = medians(adjusted[here], of.session[here], of.group[here])
        by_level[level] = Sessions(values, group, (float(excess[here].mean()),))
    return by_level


def medians(values: np.ndarray, session: np.ndarray, group: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each session the median of its values, and its group."""
    order = np.lexsort((values, session))
    _, starts, counts = np.unique(session[order], return_index=True, return_counts=True)
    low, high = order[starts + (counts - 1) // 2], order[starts + counts // 2]
    return (values[low] + values[high]) / 2, group[low]


def analysis(of: Sessions, taken: float) -> Squares:
    """Of a point's sessions.

    Args:
        taken: degrees of freedom between groups that slopes took out.
    """
    _, groups, sizes = np.unique(of.group, return_inverse=True, return_counts=True)
    count, shares = len(of.values), sizes / len(of.values)
    centred = of.values - of.values.mean()
    within = centred - (np.bincount(groups, centred) / sizes)[groups]
    total = float(centred @ centred)
    share = float(shares @ shares)
    return Squares(
        *(total if total > count * TINY**2 else 0.0, float(within @ within), count),
        *(max(len(sizes) - 1 - taken, 0.0), count - len(sizes)),
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


def means(of: Mapping[K, tuple[Sequence[Slope], Mapping[int, Sessions]]]) -> dict[tuple[K, int], Mean]:
    """Each point's mean over its sessions, of which those of one group may be alike.

    How alike is pooled over all points, since the few groups of one cannot tell. With it a point's sum of squares gives
    the variance of its mean, with as many degrees of freedom as such a sum has (F. E. Satterthwaite, Biometrics Bull.
    2, 1946). To it comes what the slopes' variances make of the distance to the reference state.

    Args:
        of: sessions with the slopes that were taken out, in the order of their states; none where none were.
    """
    squares = {
        (key, level): analysis(each, sum(slope.between for slope in slopes))
        for key, (slopes, points) in of.items()
        for level, each in points.items()
    }
    same = alike(list(squares.values()))
    estimated = {}
    for key, (slopes, points) in of.items():
        for level, each in points.items():
            estimated[key, level] = _mean(each, squares[key, level], same)
            for slope, state in zip(slopes, each.states):
                estimated[key, level] = plus(estimated[key, level], state**2 * slope.variance, slope.freedom)
    return estimated


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


def elsewhere(way: float) -> tuple[float, tuple[float, float]]:
    """By what factor latencies change where a machine's state lasts at another one, with its 95 % interval.

    Args:
        way: to there, of the anchor's logarithm.
    """
    half = abs(way) * NORMAL * math.sqrt(LASTING.variance)
    factor = math.exp(LASTING.value * way)
    return factor, (factor * math.exp(-half), factor * math.exp(half))


def interval(mean: Mean, confidence: float) -> Optional[tuple[float, float]]:
    """Student's t interval of the exponential of a mean of logarithms; None where it has no bounds."""
    if not mean.freedom:
        return None
    from scipy import special  # here: the rules import this room for names only, and scipy takes half a second

    half = float(special.stdtrit(mean.freedom, (1 + confidence) / 2)) * math.sqrt(mean.variance)
    if not half < BOUND:
        return None
    return math.exp(mean.value - half), math.exp(mean.value + half)
