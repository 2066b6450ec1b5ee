"""The timing loop of requests that come one by one; `load` has the other one.

What is timed: from a ready input batch in host memory to the scores in host memory, copies included, one request
after another, the next when the last has ended. Two reads of the monotonic clock, a bounds check and an indexed
store are all that stands around the call; nothing is printed, and nothing is allocated but the clock's integers.
"""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Optional

import numpy as np

Until = Callable[[Sequence[int]], bool]


@dataclass(frozen=True)
class Samples:
    """Durations of successive requests."""

    latency_ns: list[int]
    stopped_by: str
    """`requests`; `time` when the time limit came first; `until` when that said so."""
    wall_ns: int
    """From the start of the first request to the end of the last, without the time that `until` took."""


def pauses(first: int, requests: int) -> Iterator[int]:
    """The counts at which the loop pauses: a quarter more each time, so that looking costs little; the last is all."""
    count = first
    while count < requests:
        yield count
        count = max(count + 1, count * 5 // 4)
    yield requests


def run(
    predict: Callable[[np.ndarray], object],
    batches: Sequence[np.ndarray],
    *,
    requests: int,
    limit_s: Optional[float],
    until: Optional[Until] = None,
    ask_from: int = 1,
    clock: Callable[[], int] = time.perf_counter_ns,
) -> Samples:
    """Time up to `requests` requests, rotating over `batches`.

    Args:
        limit_s: past so many seconds of requests the loop ends; None for no limit.
        until: told the durations so far (ns), whether they are enough. It is asked between requests, outside of all
            that is timed, at counts that grow by a quarter.
        ask_from: the first of these counts.
        clock: a monotonic clock, ns; another one than the machine's for simulated runs.
    """
    durations = [0] * requests
    distinct = len(batches)
    looks = [requests] if until is None else pauses(ask_from, requests)
    count = wall_ns = 0
    stopped_by = "requests"
    collecting = gc.isenabled()
    gc.collect()
    gc.disable()  # a collection inside a request would be charged to the framework
    try:
        for look in looks:
            start = clock()
            deadline = math.inf if limit_s is None else start + int(limit_s * 1e9) - wall_ns
            for index in range(count, look):
                batch = batches[index % distinct]
                before = clock()
                predict(batch)
                after = clock()
                durations[index] = after - before
                if after > deadline:
                    break
            count = index + 1
            wall_ns += after - start
            if count == requests:
                break
            if after > deadline:
                stopped_by = "time"
                break
            if until is not None and until(durations[:count]):
                stopped_by = "until"
                break
    finally:
        if collecting:
            gc.enable()
    return Samples(durations[:count], stopped_by, wall_ns)
