"""Estimators and intervals. Everything here is a pure function of arrays.

`scipy.stats` is imported where it is used: it takes half a second, which only the process that makes tables needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional

import numpy as np
from scipy import special


def pooled(sessions: Sequence[np.ndarray], percent: float) -> float:
    """A percentile of the durations of all sessions, in which every session counts alike.

    Within the same time a session has more requests when the machine is fast; one by one, its requests would outvote
    those of slower ones. Interpolated (R. J. Hyndman, Y. Fan, Am. Stat. 50, 1996, definition 5, by weights).

    Args:
        sessions: for each its durations, any one unit, which is that of the result.
    """
    values = np.concatenate(list(sessions))
    weights = np.concatenate([np.full(len(durations), 1 / len(durations)) for durations in sessions]) / len(sessions)
    order = np.argsort(values, kind="stable")
    # scipy.stats.quantile with weights steps between values, and rounding decides where: the median of 0 to 9 is 4.0
    middles = np.cumsum(weights[order]) - weights[order] / 2
    return float(np.interp(percent / 100, middles, values[order]))


def percentile(sessions: Sequence[np.ndarray], percent: float) -> Optional[float]:
    """The same, or None where the sample cannot support it.

    At least five observations are asked for on the thinner side: p90 needs 50 of them, p95 100, p99 500.
    """
    thinner = min(percent, 100 - percent) / 100
    if sum(map(len, sessions)) * thinner < 5 - 1e-9:
        return None
    return pooled(sessions, percent)


def quantile(confidence: float) -> float:
    """How many standard deviations about its middle hold so much of a normal distribution."""
    return float(special.ndtri((1 + confidence) / 2))


def share_interval(successes: float, trials: float, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of a share (E. B. Wilson, JASA 22, 1927), right for few images and shares near 1.

    Neither number must be whole, which SciPy asks for: of images that depend on each other there are `effective` ones.
    """
    z2 = quantile(confidence) ** 2
    share = successes / trials
    middle = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    half = float(np.sqrt(z2 * share * (1 - share) / trials + (z2 / (2 * trials)) ** 2)) / (1 + z2 / trials)
    return max(0.0, middle - half), min(1.0, middle + half)


def trials_needed(share: float, bound: float, confidence: float = 0.95) -> Optional[float]:
    """Of how many trials Wilson's interval of a share ends at a bound above it; None where it is not above."""
    z2 = quantile(confidence) ** 2
    return z2 * bound * (1 - bound) / (bound - share) ** 2 if share < bound else None


def intraclass(outcomes: np.ndarray, clusters: np.ndarray) -> float:
    """How alike the outcomes inside of clusters are: 0 as alike as any two, 1 the same. The analysis of variance's
    estimator (A. Donner, Int. Stat. Rev. 54, 1986), its mean squares pooled over several outcomes of the same images.

    Args:
        outcomes: bool (outcomes, images).
        clusters: int (images,), from 0 without a gap: which one each image is of.

    Returns:
        Between 0 and 1; 1 too where nothing tells, as when no outcome differs from another.
    """
    sizes = np.bincount(clusters)
    images, count = len(clusters), len(sizes)
    if count in (1, images):
        return 1.0
    shares = np.array([np.bincount(clusters, outcome) / sizes for outcome in outcomes])
    means = outcomes.mean(axis=1, keepdims=True)
    between = float((sizes * (shares - means) ** 2).sum()) / (count - 1)
    within = float((sizes * shares * (1 - shares)).sum()) / (images - count)
    usual = (images - float((sizes**2).sum()) / images) / (count - 1)  # size of a cluster
    spread = between + (usual - 1) * within
    return float(np.clip((between - within) / spread, 0, 1)) if spread else 1.0


def effective(clusters: np.ndarray, alike: float) -> float:
    """How many independent images are as telling as these (L. Kish, Survey Sampling, 1965: the design effect).

    Args:
        clusters: as `intraclass` takes them.
        alike: what it returns.
    """
    sizes = np.bincount(clusters)
    return len(clusters) / (1 + (float((sizes**2).sum()) / len(clusters) - 1) * alike)


def paired_change_interval(won: int, lost: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Interval of the change of a share when both were taken on the same images.

    The adjusted Wald interval of D. G. Bonett and R. M. Price, J. Educ. Behav. Stat. 37, 2012, good for small samples.

    Args:
        won: images that are right now and were wrong in the baseline.
        lost: images that were right in the baseline and are wrong now.
        trials: all images.
    """
    gained, given = (won + 1) / (trials + 2), (lost + 1) / (trials + 2)
    difference = gained - given
    spread = np.sqrt((gained + given - difference**2) / (trials + 2))
    half = quantile(confidence) * spread
    return max(-1.0, float(difference - half)), min(1.0, float(difference + half))


def mcnemar_p(won: int, lost: int) -> float:
    """Two-sided exact p-value of McNemar's test (Q. McNemar, Psychometrika 12, 1947): is the change chance?"""
    from scipy import stats

    return float(stats.binomtest(won, won + lost, 0.5).pvalue) if won + lost else 1.0
