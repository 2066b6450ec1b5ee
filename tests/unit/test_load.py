"""Several requests in flight: the loop, and what its bursts tell."""

from __future__ import annotations

import gc
import os
import threading
import time

import numpy as np
import pytest

from dliflow.analysis import load as analysed
from dliflow.errors import DliflowError
from dliflow.machine import facts
from dliflow.measuring import load
from dliflow.measuring.load import Lanes, Queued, Times

BATCHES = [np.full((1, 1), value, np.float32) for value in range(3)]


# --- The loop ---------------------------------------------------------------------------------------------------------


class ScriptedQueue:
    """A framework's queue on a clock of its own, ns: each slot takes a known time, all of them at once."""

    threads = 2

    def __init__(self, takes):
        self.takes, self.now = takes, 0
        self.running, self.seen, self.most = {}, [], 0

    def clock(self):
        return self.now

    def _end_next(self):
        slot = min(self.running, key=lambda slot: self.running[slot][0])
        self.now, done, batch = self.running.pop(slot)
        done(batch)

    def free(self):
        if len(self.running) == len(self.takes):
            self._end_next()
        return next(slot for slot in range(len(self.takes)) if slot not in self.running)

    def start(self, batch, done):
        slot = self.free()
        self.seen.append(int(batch[0, 0]))
        self.running[slot] = (self.now + self.takes[slot], done, batch)
        self.most = max(self.most, len(self.running))

    def wait(self):
        while self.running:
            self._end_next()


def test_a_queue_always_has_all_its_slots_busy_and_each_request_its_own_times():
    queue = ScriptedQueue([1_000, 2_500])
    lanes = Queued(queue, 2).burst(BATCHES, requests=100, limit_s=20e-6, clock=queue.clock)
    assert lanes[0] == Times(list(range(0, 21_000, 1_000)), list(range(1_000, 22_000, 1_000)))
    assert lanes[1] == Times(list(range(0, 20_001, 2_500)), list(range(2_500, 22_501, 2_500)))
    assert queue.most == 2
    assert [scores[0, 0] for scores in Queued(queue, 2).once(BATCHES[1:])] == [1, 2]
    assert queue.seen[:-2] == [index % 3 for index in range(len(queue.seen) - 2)]


def test_a_queue_stops_at_its_bound_and_not_before_all_slots_made_a_few():
    queue = ScriptedQueue([1_000, 1_000])
    lanes = Queued(queue, 2).burst(BATCHES, requests=5, limit_s=60, clock=queue.clock)
    assert max(len(lane.started) for lane in lanes) == 5
    queue = ScriptedQueue([1_000, 90_000])
    lanes = Queued(queue, 2).burst(BATCHES, requests=1000, limit_s=1e-6, clock=queue.clock)
    assert min(len(lane.started) for lane in lanes) == load.LEAST


def test_lanes_are_in_flight_together():
    together = threading.Barrier(3)  # a request ends only when two others are in flight

    def predict(batch):
        together.wait(60)
        return batch

    lanes = Lanes([predict] * 3)
    assert [scores[0, 0] for scores in lanes.once(BATCHES[:2])] == [0, 1, 0]
    times = lanes.burst(BATCHES, requests=4, limit_s=60)
    lanes.close()
    assert [len(lane.started) for lane in times] == [4, 4, 4]
    for number in range(4):
        assert max(lane.started[number] for lane in times) <= min(lane.ended[number] for lane in times)


def test_each_lane_begins_at_another_batch_and_makes_a_few_however_slow():
    seen = [[], []]
    lanes = Lanes([lambda batch: seen[0].append(int(batch[0, 0])), lambda batch: seen[1].append(int(batch[0, 0]))])
    times = lanes.burst(BATCHES, requests=1000, limit_s=0)
    assert all(len(lane.started) >= load.LEAST for lane in times)
    assert seen[0][:3] == [0, 1, 2] and seen[1][:3] == [1, 2, 0]


def test_a_lane_that_breaks_keeps_no_other_waiting_and_garbage_is_collected_again():
    def broken(batch):
        raise ValueError("no more")

    started = time.monotonic()
    with pytest.raises(ValueError, match="no more"):
        Lanes([broken, lambda batch: time.sleep(0.001)]).burst(BATCHES, requests=10**6, limit_s=0.05)
    assert time.monotonic() - started < 100  # of a thousand that all requests would take
    assert gc.isenabled()


def test_the_window_is_where_all_lanes_are_busy():
    lanes = [Times([0, 10, 20], [10, 20, 30]), Times([2, 14, 26], [14, 26, 38])]
    assert load.figures(lanes) == {
        "lane": [0, 0, 0, 1, 1, 1],
        "started_ns": [0, 10, 20, 2, 14, 26],
        "latency_ns": [10, 10, 10, 12, 12, 12],
        "window_ns": [14, 30],
    }
    alone = [load.figures([lane]) for lane in lanes]
    assert load.merged(alone) == load.figures(lanes)


def test_requests_that_never_were_together_are_refused():
    with pytest.raises(DliflowError, match=r"2 requests were never in flight together.*throughput\.burst_s"):
        load.figures([Times([0, 10], [10, 20]), Times([20, 30], [30, 40])])


def test_processes_get_cores_of_their_own():
    usable = os.sched_getaffinity(0)
    for count in range(1, facts.physical_cores() + 1):
        shares = load.shares(count)
        assert len(shares) == count and all(shares)
        assert set().union(*shares) == usable and sum(map(len, shares)) == len(usable)
    assert load.shares(facts.physical_cores() + 1) is None
    with load.pinned(set(list(usable)[:1])):
        assert os.sched_getaffinity(0) == set(list(usable)[:1])
    assert os.sched_getaffinity(0) == usable


# --- What bursts tell -------------------------------------------------------------------------------------------------


def round_of(lanes):
    return {key: {"x": values} for key, values in load.figures(lanes).items()}


def back_to_back(takes, count, start=0):
    started = [start + takes * number for number in range(count)]
    return Times(started, [one + takes for one in started])


@pytest.mark.parametrize("shift", [0, 1, 37, 50, 99])
def test_images_per_second_do_not_depend_on_how_lanes_run_in_step(shift):
    """Two lanes of 100 ns complete a request each 50 ns, whatever lies between them and however few there are."""
    for count in (3, 4, 20):
        round_ = round_of([back_to_back(100, count), back_to_back(100, count, shift)])
        assert analysed.request_ms(round_, "x") == pytest.approx(50 / 1e6)


def test_lanes_of_different_speed_add_up():
    found = analysed.busy(round_of([back_to_back(100, 30), back_to_back(250, 12)]), "x")
    assert found.wall_ns == 3000 - 250
    assert found.requests == pytest.approx(27.5 + 11)


def test_latencies_are_of_requests_that_were_wholly_under_load_in_their_order():
    found = analysed.busy(round_of([Times([0, 10, 20], [10, 20, 30]), Times([2, 14, 26], [14, 26, 38])]), "x")
    assert found.latency_ns.tolist() == [12, 10]  # from 14 to 30: those that began at 14 and at 20


def reached(*values):
    return [analysed.Reached(1 << place, value, high) for place, (value, high) in enumerate(values)]


def test_the_knee_is_the_first_whose_interval_reaches_enough_of_the_most():
    assert analysed.knee(reached((100, 104), (180, 200), (210, 230))) == 2  # 200 is 95 % of 210
    assert analysed.knee(reached((100, 104), (180, 199), (210, 230))) == 4
    assert analysed.knee(reached((100, 101), (99, 110), (80, 81))) == 1
    assert analysed.knee(reached((95, None), (100, None))) == 1
    assert analysed.knee(reached((94, None), (100, None))) == 2
