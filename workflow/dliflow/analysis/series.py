"""What the durations of one process tell beside its latency: how well it knows its own median, and whether it drifted.

The estimators for successive durations, which are not independent, are those that measuring stops by
(`measuring/series.py`); benchmarks/coverage.py shows how well these do.
"""

from __future__ import annotations

import math
from typing import Optional

import numpy as np
from scipy import stats as scipy_stats

from dliflow.measuring import series


def half_width(durations: np.ndarray) -> Optional[float]:
    """Half the 95 % interval of the process's median, as a share of that; None from too few requests.

    Args:
        durations: float64 (requests,), any one unit, in the order in which they were made; so below.
    """
    interval = series.median_interval(durations)
    return None if interval is None else float((interval[1] - interval[0]) / 2 / np.median(durations))


def drift(durations: np.ndarray) -> Optional[float]:
    """How much slower the last quarter was than the first: share of the first's median; None from fewer than eight."""
    quarter = len(durations) // 4
    if quarter < 2:
        return None
    return float(np.median(durations[-quarter:]) / np.median(durations[:quarter])) - 1


def drift_p(durations: np.ndarray) -> Optional[float]:
    """Two-sided p-value of a trend; None where fewer than ten requests, or ten independent ones' worth, cannot tell.

    Spearman's rank correlation with time, by Fisher's transformation (E. C. Fieller, H. O. Hartley, E. S. Pearson,
    Biometrika 44, 1957). Its variance is that of so many independent values as the ranks without the trend are worth,
    as in K. H. Hamed, A. R. Rao, "A modified Mann-Kendall trend test for autocorrelated data", J. Hydrology 204, 1998.
    """
    count = len(durations)
    if count < 10:  # such as go up and down by turns are worth more than their number
        return None
    ranks = scipy_stats.rankdata(durations)
    ranks -= ranks.mean()
    times = np.arange(count) - (count - 1) / 2
    if not ranks.any():
        return 1.0
    slope = float(ranks @ times) / float(times @ times)
    worth = count / series.correlation_time(ranks - slope * times, fitted=2)
    if worth < 10:
        return None
    correlation = slope * math.sqrt(float(times @ times) / float(ranks @ ranks))
    z = math.atanh(max(-1 + 1e-12, min(1 - 1e-12, correlation))) * math.sqrt((worth - 3) / 1.06)
    return float(2 * scipy_stats.norm.sf(abs(z)))
