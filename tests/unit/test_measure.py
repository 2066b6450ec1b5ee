"""The timing loop."""

from __future__ import annotations

import gc
import time

import numpy as np
import pytest

from dliflow import measure

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
