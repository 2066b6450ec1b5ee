"""The timing loop."""

from __future__ import annotations

import argparse
import gc
import time
import weakref
from types import SimpleNamespace

import numpy as np
import pytest

from dliflow.measuring import measure, session
from dliflow.stages import worker

BATCHES = [np.zeros((1, 2)), np.ones((1, 2))]


def test_a_request_s_duration_is_what_the_call_takes():
    samples = measure.run(lambda batch: time.sleep(0.01), BATCHES, requests=5, limit_s=60)
    assert len(samples.latency_ns) == 5
    assert min(samples.latency_ns) >= 10_000_000
    assert samples.stopped_by == "requests"
    assert samples.wall_ns >= sum(samples.latency_ns)


def test_the_time_limit_ends_it_and_finished_requests_stay():
    samples = measure.run(lambda batch: time.sleep(0.02), BATCHES, requests=1000, limit_s=0.05)
    assert samples.stopped_by == "time"
    assert 1 <= len(samples.latency_ns) <= 4
    assert min(samples.latency_ns) >= 20_000_000


def test_at_least_one_request_is_made():
    samples = measure.run(lambda batch: None, BATCHES, requests=3, limit_s=1e-12)
    assert len(samples.latency_ns) == 1


def test_requests_rotate_over_the_batches():
    seen = []
    measure.run(lambda batch: seen.append(batch[0, 0]), BATCHES, requests=5, limit_s=60)
    assert seen == [0, 1, 0, 1, 0]


def test_collection_of_garbage_is_off_inside_and_restored():
    states = []
    measure.run(lambda batch: states.append(gc.isenabled()), BATCHES, requests=1, limit_s=60)
    assert states == [False]
    assert gc.isenabled()


def test_collection_is_restored_after_an_error():
    def fail(batch):
        raise ValueError

    with pytest.raises(ValueError):
        measure.run(fail, BATCHES, requests=1, limit_s=60)
    assert gc.isenabled()


class Opened(session.Opened):
    """A session that is garbage to a collection alone, since it refers to itself."""

    def __init__(self):
        super().__init__(self.scores, {"threads_in_effect": 1}, 0.0)

    def scores(self, batch):
        return np.zeros((len(batch), 3), np.float32)


def test_what_a_session_leaves_is_gone_when_the_next_one_loads_and_frameworks_are_looked_through_once():
    launch = {"cpus": None, "numa_node": None, "priority": None, "environment": {}}
    args = argparse.Namespace(distinct=None, scores=3, device="cpu", framework="null", launch=launch)
    earlier, whole = [], []

    def load(batch_size):
        assert all(each() is None for each in earlier)
        opened = Opened()
        earlier.append(weakref.ref(opened))
        return opened

    def note(phase, of):
        if phase == "start" and of["generation"] == 2:
            whole.append(gc.get_freeze_count() > 0)

    held = worker.Held(SimpleNamespace(pid="self", counters=dict, open=load), np.zeros((4, 1), np.float32), args)
    gc.collect()
    gc.callbacks.append(note)
    try:
        for _ in range(3):
            held.open(2, {"requests": 2, "limit_s": 60.0})
            held.burst(requests=2, limit_s=60.0)
            held.close()
    finally:
        gc.callbacks.remove(note)
        gc.unfreeze()
    assert whole == [False, True]  # before the second session of all, before the third of what this one has made


class Clock:
    """Simulated: each request takes a second."""

    def __init__(self):
        self.now = 0

    def __call__(self):
        return self.now

    def predict(self, batch):
        self.now += 10**9


def test_a_rule_ends_it_when_asked_at_growing_counts():
    clock, asked = Clock(), []

    def until(durations):
        asked.append(len(durations))
        clock.now += 10**9  # what deciding takes belongs to no request
        return len(asked) == 4

    samples = measure.run(clock.predict, BATCHES, requests=1000, limit_s=None, until=until, ask_from=8, clock=clock)
    assert asked == [8, 10, 12, 15]
    assert samples.latency_ns == [10**9] * 15
    assert (samples.stopped_by, samples.wall_ns) == ("until", 15 * 10**9)


def test_bounds_hold_beside_a_rule():
    clock = Clock()
    options = {"until": lambda durations: False, "clock": clock}
    assert measure.run(clock.predict, BATCHES, requests=30, limit_s=None, **options).stopped_by == "requests"
    samples = measure.run(clock.predict, BATCHES, requests=30, limit_s=10.5, **options)
    assert (len(samples.latency_ns), samples.stopped_by) == (11, "time")


def test_there_may_be_no_limit():
    clock = Clock()
    assert len(measure.run(clock.predict, BATCHES, requests=5000, limit_s=None, clock=clock).latency_ns) == 5000
