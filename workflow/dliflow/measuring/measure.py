"""The timing loop of requests that come one by one; `load` has the other one.

What is timed: from a ready input batch in host memory to the scores in host memory, copies included, one request
after another, the next when the last has ended. Two reads of the monotonic clock, a bounds check and an indexed
store are all that stands around the call; nothing is printed, and nothing is allocated but the clock's integers.
"""

from __future__ import annotations

import contextlib
import gc
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Optional

import numpy as np

Until = Callable[[Sequence[int]], bool]
Burst = Callable[[int, int, float], tuple[list[int], int]]


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
    clock: Callable[[], int] = time.perf_counter_ns,
    **bounds: Any,
) -> Samples:
    """Time requests, rotating over `batches`.

    Args:
        clock: a monotonic clock, ns; another one than the machine's for simulated runs.
        bounds: as of `bounded`.
    """
    distinct = len(batches)

    def burst(first: int, most: int, limit_ns: float) -> tuple[list[int], int]:
        durations = [0] * most
        start = clock()
        deadline = start + limit_ns
        for index in range(most):
            batch = batches[(first + index) % distinct]
            before = clock()
            predict(batch)
            after = clock()
            durations[index] = after - before
            if after > deadline:
                break
        return durations[: index + 1], after - start

    with uncollected():
        return bounded(burst, **bounds)


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """No collection of garbage inside, which would be charged to the framework.

    Only what was made of late is looked through before: all that a framework has takes up to half a second.
    """
    collecting = gc.isenabled()
    gc.collect(1)
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def bounded(
    burst: Burst, *, requests: int, limit_s: Optional[float], until: Optional[Until] = None, ask_from: int = 1
) -> Samples:
    """Up to `requests` requests, whoever makes them.

    Args:
        burst: makes requests: told the number of the first, how many at most, and after how many ns no new one may
            begin, it gives their durations and how long all took, ns.
        limit_s: past so many seconds of requests no more are made; None for no limit.
        until: told the durations so far (ns), whether they are enough. It is asked between requests, outside of all
            that is timed, at counts that grow by a quarter.
        ask_from: the first of these counts.
    """
    durations: list[int] = []
    wall_ns, stopped_by = 0, "requests"
    limit_ns = math.inf if limit_s is None else int(limit_s * 1e9)
    for look in [requests] if until is None else pauses(ask_from, requests):
        more, took_ns = burst(len(durations), look - len(durations), limit_ns - wall_ns)
        durations += more
        wall_ns += took_ns
        if len(durations) == requests:
            break
        if wall_ns > limit_ns:
            stopped_by = "time"
            break
        if until is not None and until(durations):
            stopped_by = "until"
            break
    return Samples(durations, stopped_by, wall_ns)
