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


def share_interval(successes: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of a share (E. B. Wilson, JASA 22, 1927), right for few images and shares near 1."""
    from scipy import stats

    interval = stats.binomtest(successes, trials).proportion_ci(confidence, method="wilson")
    return float(interval.low), float(interval.high)


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
    half = special.ndtri((1 + confidence) / 2) * spread
    return max(-1.0, float(difference - half)), min(1.0, float(difference + half))


def mcnemar_p(won: int, lost: int) -> float:
    """Two-sided exact p-value of McNemar's test (Q. McNemar, Psychometrika 12, 1947): is the change chance?"""
    from scipy import stats

    return float(stats.binomtest(won, won + lost, 0.5).pvalue) if won + lost else 1.0
