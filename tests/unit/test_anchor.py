"""The anchor's bursts: short, and never of too few requests. Its network is made and run in tests/workflow."""

from __future__ import annotations

import os
import time

import numpy as np

from dliflow.measuring import anchor

IMAGE = np.zeros((1, 3, anchor.SIDE, anchor.SIDE), np.float32)


class Session:
    """Takes so many seconds for a request."""

    def __init__(self, takes_s):
        self.takes_s, self.made = takes_s, 0

    def run(self, outputs, inputs):
        assert inputs["input"] is IMAGE
        self.made += 1
        time.sleep(self.takes_s)


def burst(takes_s, **bounds):
    session = Session(takes_s)
    durations = list(anchor._durations(session, IMAGE, **{**anchor.BURST, **bounds}))
    assert session.made == len(durations)
    assert min(durations) >= takes_s * 1e9
    return len(durations)


def test_a_burst_ends_with_its_requests_or_its_time():
    assert burst(0.0, limit_s=60.0) == anchor.BURST["requests"]
    assert burst(0.002, requests=1000) in range(anchor.FEWEST, 11)
    assert burst(0.0, requests=7, limit_s=60.0) == 7


def test_on_a_slow_machine_there_are_enough_for_a_median():
    assert burst(0.03) == anchor.FEWEST


def test_the_network_is_one_chain_of_convolutions():
    channels = 3
    for kernel, filters, stride, separate in anchor.LAYERS:
        assert kernel in (1, 3) and stride in (1, 2)
        assert filters % channels == 0 or not separate
        channels = filters


def test_it_takes_as_many_threads_as_the_most_of_its_neighbours_of_usable_processors():
    usable = len(os.sched_getaffinity(0))
    assert anchor.threads_beside([1, 1]) == 1
    assert anchor.threads_beside([1, 2]) == min(2, usable)
    assert anchor.threads_beside([1, None]) == anchor.threads_beside([1000]) == usable
    assert anchor.threads_beside([1, None], anchor.GPU) == 0
