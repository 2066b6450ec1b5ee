"""When a process has warmed up, and when it has measured enough: rules to stop by. They need numpy alone.

They rest on estimators of successive durations, which are not independent; benchmarks/coverage.py shows how well these
do. What the durations say afterwards is computed from the record (`analysis/series.py`), with the same estimators; the
intervals that are quoted come from several processes (`analysis/stats.py`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import NormalDist
from typing import Optional

import numpy as np

Z = NormalDist().inv_cdf(0.975)
FEWEST = 6  # of fewer independent values no two hold the median with 95 %, not even the first and the last
BATCH = 5  # of the 5 in MSER-5


def correlation_time(values: np.ndarray, fitted: int = 1) -> float:
    """How many successive values tell as much about their mean as one independent value would; at least 1.

    The integrated autocorrelation time by the initial monotone positive sequence (C. J. Geyer, "Practical Markov Chain
    Monte Carlo", Statistical Science 7, 1992, section 3.3), with two corrections that short series need. What was
    fitted lowers every autocorrelation by time / n, which is put back over the lags that are summed. And one standard
    error is added (relative: √(2 lags / n); N. Madras, A. D. Sokal, J. Stat. Phys. 50, 1988), since too small a time
    does more harm than too large a one.

    Args:
        values: any unit.
        fitted: parameters that were subtracted from the values or will be: 1 for the mean, 2 for a line.
    """
    count = len(values)
    correlations = _autocorrelations(values)
    if correlations is None:
        return 1.0
    pairs = correlations[0 : count // 2 * 2 : 2] + correlations[1::2]
    ends = np.flatnonzero(pairs <= 0)
    kept = max(int(ends[0]) if len(ends) else len(pairs), 1)
    lags = 4 * kept - 1  # to both sides, and lag 0
    time = max(1.0, 2 * float(np.minimum.accumulate(pairs[:kept]).sum()) - 1)
    return time / max(1 - fitted * lags / count, 0.05) * (1 + math.sqrt(2 * lags / count))


def _autocorrelations(values: np.ndarray) -> Optional[np.ndarray]:
    """From lag 0 on; None for a constant."""
    centred = values - values.mean()
    power = float(centred @ centred)
    if power <= 1e-12 * float(values @ values):
        return None
    size = 1 << (2 * len(values) - 1).bit_length()  # room enough that the ends do not meet
    spectrum = np.abs(np.fft.rfft(centred, size)) ** 2
    return np.fft.irfft(spectrum, size)[: len(values)] / power


def effective(durations: np.ndarray, cautious: bool = False) -> float:
    """How many independent requests would tell as much about the median.

    The autocorrelation is that of 1[x ≤ median], on which the error of a median depends. Where neighbours show less of
    it than half a standard error, requests count as independent; without that, intervals of independent ones would
    hold the truth in 98 instead of 95 of 100 cases.

    Args:
        cautious: never count them as independent, as is right for one who looks often and stops when it suits.
    """
    below = (durations <= np.median(durations)).astype(float)
    correlations = _autocorrelations(below)
    if len(durations) < 3 or (
        not cautious and correlations is not None and correlations[1] * math.sqrt(len(durations)) < 0.5
    ):
        return float(len(durations))
    return len(durations) / correlation_time(below)


def median_interval(durations: np.ndarray, cautious: bool = False) -> Optional[tuple[float, float]]:
    """95 % interval of the median that this process would show if it went on; None from too few requests.

    Between order statistics (interpolated; T. P. Hettmansperger, S. J. Sheather, Stat. Probab. Lett. 4, 1986), as for
    so many independent requests as the series is worth (`effective`), with Student's quantile for their number.

    Args:
        durations: any unit, which is that of the interval.
        cautious: as in `effective`.
    """
    worth, count = effective(durations, cautious), len(durations)
    if worth < FEWEST:
        return None
    half = _student(worth - 1) / 2 / math.sqrt(worth)
    positions = count * np.array([0.5 - half, 0.5 + half]) - 0.5
    if positions[0] < 0:
        return None
    low, high = np.interp(positions, np.arange(count), np.sort(durations))
    return float(low), float(high)


def _student(freedom: float) -> float:
    """Student's 97.5 % quantile, by Cornish and Fisher's expansion (Abramowitz and Stegun, 26.7.5); 5 and more."""
    return (
        Z
        + (Z**3 + Z) / (4 * freedom)
        + (5 * Z**5 + 16 * Z**3 + 3 * Z) / (96 * freedom**2)
        + (3 * Z**7 + 19 * Z**5 + 17 * Z**3 - 15 * Z) / (384 * freedom**3)
    )


def narrow(width: float, least: int) -> Callable[[Sequence[int]], bool]:
    """A rule to stop by: the median's interval is not wider than ± `width` of it (a share).

    Who stops when an interval is narrow stops too often where it is too narrow by chance. So at least `least`
    independent requests' worth is demanded, and the interval is the cautious one; then the one that is quoted
    afterwards holds the truth as often as it says.
    """

    def enough(durations: Sequence[int]) -> bool:
        values = np.asarray(durations, float)
        if effective(values, cautious=True) < least:
            return False
        interval = median_interval(values, cautious=True)
        return interval is not None and interval[1] - interval[0] <= 2 * width * float(np.median(values))

    return enough


STEADY_FROM = 5 * BATCH  # with fewer batches the rule can only say yes


def steady(durations: Sequence[int]) -> bool:
    """Whether the series has come to rest, in its second half at the latest.

    MSER-5 (K. P. White, "An effective truncation heuristic for bias reduction in simulation output", Simulation 69,
    1997) on the medians of batches of five, which single outliers do not move: the truncation point after which the
    mean's standard error is smallest must lie in the first half (K. Hoad, S. Robinson, R. Davies, "Automating warm-up
    length estimation", JORS 61, 2010). Two batches at least remain, since one has no variance.
    """
    count = len(durations) // BATCH
    if len(durations) < STEADY_FROM:
        return False
    batches = np.asarray(durations[-count * BATCH :], float).reshape(count, BATCH)
    medians = np.median(batches, axis=1)
    errors = [float(medians[start:].var()) / (count - start) for start in range(count - 1)]
    return int(np.argmin(errors)) <= count / 2
