"""How latencies follow the anchor: slopes of logarithms, and where those of many configurations lie.

A slope is drawn to usual ones by as much as it is unknown, and its error counts. On short differences of the anchor
latencies have half the slope, since the anchor beside a burst sees half of what the burst sees (regression dilution;
W. A. Fuller, Measurement Error Models, 1987).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from dliflow.analysis.anchored import Bursts

TINY = 1e-12  # variance of logarithms that is rounding
NORMAL = 1.96  # standard deviations of a normal distribution that hold 95 %


class Slope(NamedTuple):
    """What is known of a slope."""

    value: float
    variance: float
    freedom: float
    """Degrees of freedom of the variance."""
    between: float
    """How much of a degree of freedom it takes from the differences between groups; the rest, from those within."""


class Population(NamedTuple):
    """How slopes lie."""

    mean: float
    variance: float


UNKNOWN = Slope(0.0, math.inf, math.inf, 0.0)
LASTING = Slope(1.0, 0.25**2, math.inf, 0.0)  # between runs and studies; in three pairs of these 0.9 to 1.5
USUAL = Population(0.5, 0.25)  # of a moment: between that of one thread, 0, and that of the anchor, 1
DRIFTING = Population(1.0, 0.25)  # of a drift, where few configurations cannot tell; in four studies 1.0 to 1.1
FEW = 8  # configurations that cannot tell how they differ


def slope(of: Bursts) -> Slope:
    """Slope of the latency on the anchor by Huber's regression (P. J. Huber, Ann. Stat. 1, 1973), without a variance.

    Batch sizes have intercepts of their own. 0 where the anchor never changes.
    """
    levels = np.unique(of.level, return_inverse=True)[1]
    weights, value = np.ones(len(levels)), 0.0
    for _ in range(30):
        x, y = (_centred(each, levels, weights) for each in (of.anchor, of.latency))
        squares = float(weights @ x**2)
        if squares <= len(x) * TINY:
            break
        value = float(weights @ (x * y)) / squares
        sizes = np.abs(y - value * x)
        limit = 1.345 * 1.4826 * float(np.median(sizes))
        before, weights = weights, np.minimum(1, limit / np.maximum(sizes, 1e-12)) if limit > 1e-12 else weights
        if np.abs(weights - before).max() < 1e-4:
            break
    squared, between, _ = spread(of)
    return Slope(value, 0.0, math.inf, between / squared if squared else 0.0)


def _centred(values: np.ndarray, label: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Less the weighted mean of those of the same label."""
    return values - (np.bincount(label, weights * values) / np.bincount(label, weights))[label]


def spread(of: Bursts) -> tuple[float, float, float]:
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
    apart = max(excess / float(weight.sum() - (weight @ weight) / weight.sum()), 0.0)
    weight = 1 / (variance + apart)
    return Population(float(weight @ value / weight.sum()), apart + 1 / float(weight.sum()))


def drawn(slope: Slope, usual: Population) -> Slope:
    """A slope drawn to where slopes usually lie by as much as it is unknown.

    That is the mean of both, each weighted by the inverse of its variance.
    """
    unsure = slope.variance / (1 - 2 / slope.freedom) if slope.freedom > 2 else math.inf  # as of Student's t
    weight = usual.variance / (usual.variance + unsure)
    value = weight * slope.value + (1 - weight) * usual.mean
    freedom = slope.freedom / weight**2 if weight else math.inf
    return Slope(value, (1 - weight) * usual.variance, freedom, weight * slope.between)


def elsewhere(way: float) -> tuple[float, tuple[float, float]]:
    """By what factor latencies change where a machine's state lasts at another one, with its 95 % interval.

    Args:
        way: to there, of the anchor's logarithm.
    """
    half = abs(way) * NORMAL * math.sqrt(LASTING.variance)
    factor = math.exp(LASTING.value * way)
    return factor, (factor * math.exp(-half), factor * math.exp(half))
