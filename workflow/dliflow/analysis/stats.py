"""Estimators and intervals. Everything here is a pure function of arrays."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any, Optional

import numpy as np
from scipy import stats as scipy_stats

Interval = Optional[tuple[float, float]]


def pooled(repetitions: Sequence[np.ndarray], percent: float) -> float:
    """A percentile of the durations of all processes, in which every process counts alike.

    Within the same time a process makes more requests when the machine is fast; one by one, its requests would outvote
    those of slower processes. Interpolated (R. J. Hyndman, Y. Fan, Am. Stat. 50, 1996, definition 5, by weights).

    Args:
        repetitions: for each process its durations, any one unit, which is that of the result.
    """
    values = np.concatenate(list(repetitions))
    weights = np.concatenate([np.full(len(durations), 1 / len(durations)) for durations in repetitions]) / len(
        repetitions
    )
    order = np.argsort(values, kind="stable")
    # scipy.stats.quantile with weights steps between values, and rounding decides where: the median of 0 to 9 is 4.0
    middles = np.cumsum(weights[order]) - weights[order] / 2
    return float(np.interp(percent / 100, middles, values[order]))


def percentile(repetitions: Sequence[np.ndarray], percent: float) -> Optional[float]:
    """The same, or None where the sample cannot support it.

    At least five observations are asked for on the thinner side: p90 needs 50 of them, p95 100, p99 500.
    """
    thinner = min(percent, 100 - percent) / 100
    if sum(map(len, repetitions)) * thinner < 5 - 1e-9:
        return None
    return pooled(repetitions, percent)


def _log_medians(repetitions: Sequence[np.ndarray]) -> np.ndarray:
    """For each process the logarithm of its median: what every figure and test of a latency is made of."""
    return np.log([np.median(values) for values in repetitions])


def latency(repetitions: Sequence[np.ndarray]) -> float:
    """The latency over processes: the geometric mean of their medians, which `latency_interval` is an interval of.

    Args:
        repetitions: for each process its durations, any one unit, which is that of the result.
    """
    return float(np.exp(_log_medians(repetitions).mean()))


def latency_interval(repetitions: Sequence[np.ndarray], confidence: float = 0.95) -> Interval:
    """Interval of `latency`; None from fewer than two repetitions.

    Processes differ by more than requests within one do, so the unit is the process: Student's t interval of the
    logarithms of the repetitions' medians (T. Kalibera, R. Jones, "Rigorous Benchmarking in Reasonable Time", ISMM
    2013, section 6: the interval comes from the highest level of repetition).

    Args:
        repetitions: for each process its durations, any one unit.
    """
    return mean_interval(_log_medians(repetitions), confidence, of=np.exp)


def ratio_interval(first: Sequence[np.ndarray], second: Sequence[np.ndarray], confidence: float = 0.95) -> Interval:
    """Interval of the ratio first / second of two `latency`; None where one has fewer than two repetitions.

    Welch's t interval (B. L. Welch, Biometrika 34, 1947) of the difference of the logarithms of the repetitions'
    medians. "A is faster than B" may be said when it excludes 1.
    """
    if min(len(first), len(second)) < 2:
        return None
    a, b = _log_medians(first), _log_medians(second)
    if _all_the_same(a) and _all_the_same(b):
        ratio = float(np.exp(a.mean() - b.mean()))
        return ratio, ratio
    low, high = _confidence(lambda: scipy_stats.ttest_ind(a, b, equal_var=False), confidence)
    return float(np.exp(low)), float(np.exp(high))


def mean_interval(values: np.ndarray, confidence: float = 0.95, of: Callable[[float], float] = float) -> Interval:
    """Student's t interval of the mean; None from fewer than two values.

    Args:
        values: independent, of any unit.
        of: a rising function that both ends are given to, `np.exp` for values that are logarithms.
    """
    if len(values) < 2:
        return None
    if _all_the_same(values):
        return float(of(values.mean())), float(of(values.mean()))
    low, high = _confidence(lambda: scipy_stats.ttest_1samp(values, 0), confidence)
    return float(of(low)), float(of(high))


def _all_the_same(values: np.ndarray) -> bool:
    """Whether values are the same but for rounding, so that no test of theirs has a spread to go by."""
    return bool(np.ptp(values) <= 1e-14 * np.abs(values).max())


def _confidence(test: Callable[[], Any], confidence: float) -> tuple[float, float]:
    """The confidence interval of a test of SciPy's, which warns where one of two samples does not vary at all."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Precision loss occurred", RuntimeWarning)
        interval = test().confidence_interval(confidence)
    return float(interval.low), float(interval.high)


def share_interval(successes: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of a share (E. B. Wilson, JASA 22, 1927), right for few images and shares near 1."""
    interval = scipy_stats.binomtest(successes, trials).proportion_ci(confidence, method="wilson")
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
    half = scipy_stats.norm.ppf((1 + confidence) / 2) * spread
    return max(-1.0, float(difference - half)), min(1.0, float(difference + half))


def mcnemar_p(won: int, lost: int) -> float:
    """Two-sided exact p-value of McNemar's test (Q. McNemar, Psychometrika 12, 1947): is the change chance?"""
    return float(scipy_stats.binomtest(won, won + lost, 0.5).pvalue) if won + lost else 1.0
