"""Several requests in flight, and the loop that times them: a closed loop of lanes, each of which always has one.

A lane makes its next request when its last has ended. How lanes come to be is the framework's `concurrency`: calls of
one session from threads, sessions of their own in threads, or a queue of requests that the framework itself has.
Processes (the fourth way) have a lane each; `pinned` gives them processors of their own.

What is timed is what `measure` times: from a ready input batch in host memory to the scores in host memory. Two reads
of the clock, a comparison and two indexed stores stand around the call; nothing is printed, and nothing is allocated
but the clock's integers. When a burst begins and ends not all lanes are busy: every request's start and end is
returned, and the window in which all were, which is what counts (`analysis.load`).
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple, Optional, Union

import numpy as np

from dliflow.errors import DliflowError
from dliflow.frameworks import Queue
from dliflow.machine import facts
from dliflow.measuring import measure
from dliflow.measuring.session import Imported

LEAST = 8  # requests of every lane in a burst, however long they take: processes may begin one or two of them apart

Predict = Callable[[np.ndarray], Any]
Clock = Callable[[], int]


class Times(NamedTuple):
    """The requests of a lane in their order, ns of the monotonic clock, which all processes of a machine share."""

    started: list[int]
    ended: list[int]

    @classmethod
    def room(cls, requests: int) -> Times:
        """For so many requests, each of which is 0 until it was."""
        return cls([0] * requests, [0] * requests)

    def of_first(self, count: int) -> Times:
        """Those of so many requests."""
        return Times(self.started[:count], self.ended[:count])


class Lanes:
    """Threads, each of which calls what it was given, the same or its own."""

    def __init__(self, predicts: Sequence[Predict]):
        self.predicts = predicts
        self.pool = ThreadPoolExecutor(len(predicts))  # kept: frameworks have state for each thread that calls them
        self.gate = threading.Barrier(len(predicts))

    def once(self, batches: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The scores of a request of each lane, all at the same time, over which batches rotate."""
        places = range(len(self.predicts))
        return list(self.pool.map(lambda place: self._scores(place, batches[place % len(batches)]), places))

    def _scores(self, lane: int, batch: np.ndarray) -> np.ndarray:
        self.gate.wait()
        return np.array(self.predicts[lane](batch))

    def burst(
        self, batches: Sequence[np.ndarray], *, requests: int, limit_s: float, clock: Clock = time.perf_counter_ns
    ) -> list[Times]:
        """Let every lane make requests until `limit_s` seconds are over and each of them has made `LEAST`.

        Args:
            batches: over which each lane rotates, each from another one on.
            requests: of a lane at most, whatever the time.
        """
        times = [Times.room(requests) for _ in self.predicts]
        gone = [False] * len(self.predicts)
        least = min(LEAST, requests)

        def enough() -> bool:
            return all(over or one.ended[least - 1] for over, one in zip(gone, times))

        def lane(number: int) -> int:
            try:
                self.gate.wait()
                return _loop(self.predicts[number], _turned(batches, number), times[number], limit_s, enough, clock)
            finally:
                gone[number] = True  # no other lane waits for one that broke

        with measure.uncollected():
            counts = [future.result() for future in [self.pool.submit(lane, number) for number in range(len(times))]]
        return [one.of_first(count) for one, count in zip(times, counts)]

    def close(self) -> None:
        """End the threads."""
        self.pool.shutdown()


def _loop(
    predict: Predict,
    batches: Sequence[np.ndarray],
    times: Times,
    limit_s: float,
    enough: Callable[[], bool],
    clock: Clock,
) -> int:
    """The timing loop of a lane; how many requests it made."""
    started, ended = times
    distinct = len(batches)
    deadline = clock() + int(limit_s * 1e9)
    for index in range(len(started)):
        batch = batches[index % distinct]
        started[index] = clock()
        predict(batch)
        ended[index] = now = clock()
        if now > deadline and enough():
            break
    return index + 1


class Queued:
    """A framework's own queue, whose slots are the lanes."""

    def __init__(self, queue: Queue, slots: int):
        self.queue, self.slots = queue, slots

    def once(self, batches: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The scores of as many requests as there are slots, as of `Lanes.once`."""
        scores: dict[int, np.ndarray] = {}
        for place in range(self.slots):
            self.queue.free()
            self.queue.start(batches[place % len(batches)], partial(scores.__setitem__, place))
        self.queue.wait()
        return [scores[place] for place in range(self.slots)]

    def burst(
        self, batches: Sequence[np.ndarray], *, requests: int, limit_s: float, clock: Clock = time.perf_counter_ns
    ) -> list[Times]:
        """Give each slot its next request as soon as it is free; else as `Lanes.burst`."""
        times = [Times.room(requests) for _ in range(self.slots)]
        counts = [0] * self.slots

        def ended(slot: int, scores: np.ndarray) -> None:
            times[slot].ended[counts[slot] - 1] = clock()

        calls = [partial(ended, slot) for slot in range(self.slots)]
        distinct = len(batches)
        with measure.uncollected():
            deadline = clock() + int(limit_s * 1e9)
            begun = 0
            while True:
                slot = self.queue.free()
                if counts[slot] == requests or (clock() > deadline and min(counts) >= LEAST):
                    break
                index = counts[slot]
                counts[slot] = index + 1
                times[slot].started[index] = clock()
                self.queue.start(batches[begun % distinct], calls[slot])
                begun += 1
            self.queue.wait()
        return [one.of_first(count) for one, count in zip(times, counts)]

    def close(self) -> None:
        """Nothing is left to be done."""


class Opened(NamedTuple):
    """Lanes of a model, and what loading it showed."""

    lanes: Union[Lanes, Queued]
    threads: Optional[int]
    """Compute threads of all lanes together; None where the framework has no say."""
    load_ms: float


def opened(imported: Imported, mode: str, batch_size: int, in_flight: int) -> Opened:
    """So many lanes in this process.

    Args:
        mode: `queue`, `threads` or `sessions`.

    Raises:
        Skip: when this machine cannot run it.
    """
    if mode == "queue":
        queue, load_ms = imported.queue(batch_size, in_flight)
        return Opened(Queued(queue, in_flight), queue.threads, load_ms)
    sessions = [imported.open(batch_size) for _ in range(in_flight if mode == "sessions" else 1)]
    each = sessions[0].identity["threads_in_effect"]
    predicts = [one.predict for one in sessions] if mode == "sessions" else [sessions[0].predict] * in_flight
    # A thread that calls works, too: of one session at least as many threads as there are calls.
    together = each and (each * in_flight if mode == "sessions" else max(each, in_flight))
    return Opened(Lanes(predicts), together, sum(one.load_ms for one in sessions))


def _turned(batches: Sequence[np.ndarray], first: int) -> list[np.ndarray]:
    """The same ones, from another on."""
    first %= len(batches)
    return [*batches[first:], *batches[:first]]


def durations(lanes: Sequence[Times]) -> list[int]:
    """What each request took, ns, lane by lane."""
    return [end - start for times in lanes for start, end in zip(*times)]


def figures(lanes: Sequence[Times]) -> dict[str, list[int]]:
    """A burst as records have it: of each request the lane, when it started and how long it took, ns; and the window.

    The window begins when every lane has a request behind it, and ends when the first one has no other before it:
    inside of it all lanes are busy.

    Raises:
        DliflowError: when there is none.
    """
    window = max(times.ended[0] for times in lanes), min(times.ended[-1] for times in lanes)
    if window[0] >= window[1]:
        raise DliflowError(
            f"{len(lanes)} requests were never in flight together in a burst: they come one after another, or the "
            "burst is too short for them; raise throughput.burst_s, or leave that number out of throughput.in_flight"
        )
    return {
        "lane": [number for number, times in enumerate(lanes) for _ in times.started],
        "started_ns": [start for times in lanes for start in times.started],
        "latency_ns": durations(lanes),
        "window_ns": list(window),
    }


def merged(bursts: Sequence[dict[str, list[int]]]) -> dict[str, list[int]]:
    """What several processes with a lane each tell of a burst, as one."""
    return figures(
        [
            Times(burst["started_ns"], [start + took for start, took in zip(burst["started_ns"], burst["latency_ns"])])
            for burst in bursts
        ]
    )


def shares(count: int) -> Optional[list[set[int]]]:
    """The usable processors as so many disjoint sets of whole cores; None where there are fewer cores."""
    cores = facts.cores()
    if len(cores) < count:
        return None
    parts = np.array_split(np.arange(len(cores)), count)
    return [{cpu for place in part for cpu in cores[place]} for part in parts]


@contextlib.contextmanager
def pinned(processors: set[int]) -> Iterator[None]:
    """What this thread starts inside may run on these processors only."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, processors)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
