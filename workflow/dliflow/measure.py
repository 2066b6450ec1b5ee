"""The only timing loop.

What is timed: from a ready input batch in host memory to the scores in host memory, copies included, one request
after another, the next when the last has ended. Two reads of the monotonic clock, a bounds check and an indexed
store are all that stands around the call; nothing is printed, and nothing is allocated but the clock's integers.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Samples:
    """Durations of successive requests."""

    latency_ns: list[int]
    stopped_by: str
    """`requests`, or `time` when the time limit came first."""
    wall_ns: int
    """From the start of the first request to the end of the last."""


def run(
    predict: Callable[[np.ndarray], object],
    batches: Sequence[np.ndarray],
    *,
    requests: int,
    limit_s: float,
    least: int = 1,
) -> Samples:
    """Time up to `requests` requests, rotating over `batches`.

    Past `limit_s` seconds the loop ends, but not before `least` requests were made.
    """
    clock = time.perf_counter_ns
    durations = [0] * requests
    distinct = len(batches)
    count = 0
    collecting = gc.isenabled()
    gc.collect()
    gc.disable()  # a collection inside a request would be charged to the framework
    try:
        start = clock()
        deadline = start + int(limit_s * 1e9)
        for index in range(requests):
            batch = batches[index % distinct]
            before = clock()
            predict(batch)
            after = clock()
            durations[index] = after - before
            if after > deadline and index + 1 >= least:
                count = index + 1
                break
        else:
            count = requests
    finally:
        if collecting:
            gc.enable()
    stopped_by = "requests" if count == requests else "time"
    return Samples(durations[:count], stopped_by, after - start)
