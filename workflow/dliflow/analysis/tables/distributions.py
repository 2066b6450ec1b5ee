"""distributions.csv: how the durations of a point's requests are spread, in bins. Raw durations stay in the records."""

from __future__ import annotations

from typing import Any

import numpy as np

from dliflow.analysis import columns
from dliflow.analysis.tables import shared
from dliflow.analysis.tables.measurements import Measured

FEWEST, MOST = 8, 40  # bins
FAR = 6.0  # interquartile ranges beyond the upper quartile: longer requests are counted in one number


def rows(measured: Measured) -> shared.Rows:
    """One row for each point of a configuration that has figures."""
    return [
        {name: sessions[0].row[name] for name in columns.POINT}
        | binned(np.concatenate([session.durations_ms for session in sessions]))
        for sessions in measured.sessions.values()
        if sessions
    ]


def binned(durations: np.ndarray) -> dict[str, Any]:
    """Bins of equal width from the shortest request on, as many as Freedman and Diaconis (1981) say, within bounds.

    Args:
        durations: float64 (requests,), ms.
    """
    quartile, upper = np.quantile(durations, [0.25, 0.75])
    end = min(durations.max(), upper + FAR * (upper - quartile))
    near = durations[durations <= end]
    bins = np.clip(len(np.histogram_bin_edges(near, "fd")) - 1, FEWEST, MOST)
    counts, edges = np.histogram(near, bins)
    return {
        "requests": len(durations),
        "low_ms": float(edges[0]),
        "bin_ms": float(edges[1] - edges[0]),
        "counts": " ".join(map(str, counts)),
        "beyond": int(len(durations) - len(near)),
        "latency_max_ms": float(durations.max()),
    }
