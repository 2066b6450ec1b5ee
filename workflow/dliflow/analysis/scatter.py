"""How sessions scatter about their mean: what all points of a node together tell, since the few of one cannot.

Far from the reference state sessions scatter more: latencies follow the anchor only so closely, and where the state
changes within a session, anchor and burst have seen other parts of it. So a session counts less, the farther from it
the anchor was.

Points scatter by different amounts. What one's own sessions tell is drawn to what points have in common, by as much as
it is unsure (G. K. Smyth, Stat. Appl. Genet. Mol. Biol. 3, 2004).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from dliflow.analysis.slopes import FEW, TINY

GROWTHS = np.geomspace(0.1, 100, 31)
SHOWN = 1.92  # of a logarithm of a likelihood: by how much a parameter must raise it, at 5 % (S. S. Wilks, 1938)
PASSES = 10  # of Newton's method; six give twelve digits


class Variance(NamedTuple):
    """A variance and its degrees of freedom."""

    value: float
    freedom: float


def weights(distance: np.ndarray, growth: float) -> np.ndarray:
    """How much each session counts: 1 at the reference state.

    Args:
        distance: of the anchor from there, squared: the mean over the session's bursts.
        growth: as `growth` tells.
    """
    return 1 / (1 + growth * distance)


def growth(points: Sequence[tuple[np.ndarray, np.ndarray]]) -> float:
    """By how much the variance of sessions grows with the squared distance from the reference state, as a share of it.

    The most likely one (restricted to residuals: H. D. Patterson and R. Thompson, Biometrika 58, 1971), where each
    point has a mean and a variance of its own; 0 unless it is shown.

    Args:
        points: of each the values of its sessions, and their `distance`.
    """
    telling = [each for each in points if len(each[0]) > 2 and np.ptp(each[0]) > TINY]
    if not telling:
        return 0.0
    values, distance = (np.concatenate(each) for each in zip(*telling))
    sizes = np.array([len(each) for each, _ in telling])
    point = np.repeat(np.arange(len(sizes)), sizes)

    def likelihood(candidate: float) -> float:
        weight = weights(distance, candidate)
        sums = np.bincount(point, weight)
        rest = values - (np.bincount(point, weight * values) / sums)[point]
        squares = np.bincount(point, weight * rest**2)
        return float(np.log(weight).sum() - np.log(sums).sum() - (sizes - 1) @ np.log(squares)) / 2

    most = max(GROWTHS.tolist(), key=likelihood)
    return most if likelihood(most) - likelihood(0.0) > SHOWN else 0.0


def common(variances: Sequence[Variance]) -> Variance:
    """What points' variances have in common, with the freedom of a point's whose own are worth as much.

    Without freedom where few points are there to tell; with infinite freedom where they do not differ.
    """
    telling = [each for each in variances if each.freedom and each.value > TINY**2]
    if len(telling) < FEW:
        return Variance(0.0, 0.0)
    from scipy import special  # here: the rules import this room for names only, and scipy takes half a second

    value, freedom = np.array(telling).T
    logarithms = np.log(value) - special.digamma(freedom / 2) + np.log(freedom / 2)
    mean = float(logarithms.mean())
    excess = float(logarithms.var(ddof=1) - special.polygamma(1, freedom / 2).mean())
    if excess <= 0:
        return Variance(math.exp(mean), math.inf)
    half = 0.5 + 1 / excess
    for _ in range(PASSES):  # where the trigamma function is the excess
        trigamma = float(special.polygamma(1, half))
        half += trigamma * (1 - trigamma / excess) / float(special.polygamma(2, half))
    return Variance(math.exp(mean + float(special.digamma(half)) - math.log(half)), 2 * half)


def drawn(variance: Variance, to: Variance) -> Variance:
    """A point's variance, drawn to what all have in common; its own where it has no freedom, or they have none."""
    if not variance.freedom or not to.freedom:
        return variance
    if math.isinf(to.freedom):
        return to
    freedom = variance.freedom + to.freedom
    return Variance((variance.freedom * variance.value + to.freedom * to.value) / freedom, freedom)
