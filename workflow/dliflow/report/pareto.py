"""The Pareto front of latency and quality: what is on it by the estimates, and what may be, by the intervals."""

from __future__ import annotations

from typing import Optional

import numpy as np

from dliflow.analysis.rows import Rows

ON, PERHAPS, BEATEN = "on it", "perhaps", "beaten"


def places(points: Rows, quality: str) -> list[Optional[str]]:
    """For each point whether it is on the front; None for what has no quality.

    `beaten` is what another one is shown to be better than in both: its intervals lie apart, on the better side.

    Args:
        points: with `latency`, and its ends `latency_low` and `latency_high`, and the same of the quality.
        quality: name of the latter.
    """

    def of(name: str) -> np.ndarray:
        return np.array([point[name] for point in points], float)  # None becomes NaN, which nothing is better than

    latency, good = of("latency"), of(quality)
    no_worse = (latency[:, None] <= latency) & (good[:, None] >= good)
    better = no_worse & ((latency[:, None] < latency) | (good[:, None] > good))
    shown = (of("latency_high")[:, None] < of("latency_low")) & (of(f"{quality}_low")[:, None] > of(f"{quality}_high"))
    return [
        None if np.isnan(value) else ON if not beaten else BEATEN if shown_beaten else PERHAPS
        for value, beaten, shown_beaten in zip(good, np.logical_or.reduce(better), np.logical_or.reduce(shown))
    ]
