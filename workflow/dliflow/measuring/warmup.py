"""Requests before those that count."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from dliflow.measuring import measure, series


def warm_up(
    run: Callable[..., measure.Samples], batches: Sequence[np.ndarray], requests: int, limit_s: float
) -> tuple[list[int], str]:
    """Make requests until they are steady; their durations in ns, and why they ended: steady, requests or time.

    Args:
        run: a session's, as `session.Opened` has it.
    """
    if not requests:
        return [], "requests"
    samples = run(batches, requests=requests, limit_s=limit_s, until=series.steady, ask_from=series.STEADY_FROM)
    return samples.latency_ns, {"until": "steady"}.get(samples.stopped_by, samples.stopped_by)
