"""Requests before those that count."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dliflow.measuring import measure, series


def warm_up(predict: Any, batches: Sequence[np.ndarray], requests: int, limit_s: float) -> tuple[list[int], str]:
    """Make requests until they are steady; their durations in ns, and why they ended: steady, requests or time."""
    if not requests:
        return [], "requests"
    samples = measure.run(
        predict, batches, requests=requests, limit_s=limit_s, until=series.steady, ask_from=series.STEADY_FROM
    )
    return samples.latency_ns, {"until": "steady"}.get(samples.stopped_by, samples.stopped_by)
