"""Taking turns: what comes between what, what a batch size that breaks costs, and what is not opened again."""

from __future__ import annotations

import contextlib
import os
import random
import sys
from types import SimpleNamespace

import pytest

from dliflow.measuring import anchor, turns
from dliflow.measuring.workers import WorkerEnded

PACE = turns.Pace(4, {"requests": 5, "limit_s": 0.5}, {"requests": 3, "limit_s": 7.0}, 60.0)


class FakeWorker:
    """Answers without a process; every request goes to a log with the bound of its answer, s."""

    def __init__(self, name, log, skip=None):
        self.name, self.log, self.skip = name, log, skip

    def ask(self, request, limit_s):
        kind = next(iter(request)) if self.name != anchor.NAME else "burst"
        self.log.append((self.name, kind, limit_s))
        if kind == "open":
            opened = {"batch_size": request["open"]["batch_size"], "threads_in_effect": 1}
            return {"skip": self.skip} if self.skip else opened
        return {"latency_ns": [len(self.log)], "energy_uj": None} if kind == "burst" else {"peak_rss_mib": 1.0}


def group_of(log, *names, **skips):
    members = {name: FakeWorker(name, log, skips.get(name)) for name in names}
    return turns.Group(FakeWorker(anchor.NAME, log), members, {}, {})


def test_every_burst_stands_between_two_of_the_anchor():
    log = []
    found = turns.session(group_of(log, "a", "b"), {"a": 4, "b": 2}, PACE, random.Random(0))
    bursts = [name for name, kind, _ in log if kind == "burst"]
    assert bursts[::2] == [anchor.NAME] * 9
    assert bursts[1::2] == [name for round_ in found["rounds"] for name in round_["order"]]
    assert [len(found["anchor_ns"]), len(found["rounds"])] == [9, 4]
    assert all(sorted(round_["order"]) == ["a", "b"] == sorted(round_["latency_ns"]) for round_ in found["rounds"])
    places = [number for number, (name, *_) in enumerate(log, 1) if name == anchor.NAME]
    assert found["anchor_ns"] == [[place] for place in places]
    for round_ in found["rounds"]:
        for name in round_["order"]:
            ((place,),) = [round_["latency_ns"][name]]
            assert log[place - 1][0] == name
    assert found["opened"]["a"] == {"batch_size": 4, "threads_in_effect": 1, "peak_rss_mib": 1.0}
    assert found["anchor_threads"] == 1
    assert found["wall_ms"] > 0 and found["started_at"].endswith("+00:00")


def test_an_anchor_on_a_gpu_is_another_piece_of_work_than_on_threads_of_the_cpu():
    running = group_of([], "a")
    running.anchor_ready = {"device": anchor.GPU}
    assert turns.session(running, {"a": 1}, PACE, random.Random(0))["anchor_threads"] == 0


def test_an_anchor_that_has_no_gpu_is_the_reason_unless_a_member_has_one_of_its_own():
    def session(**skips):
        running = group_of([], "a", **skips)
        running.anchor.ask = lambda request, limit_s: {"skip": "no GPU"}
        return turns.session(running, {"a": 1}, PACE, random.Random(0))

    with pytest.raises(turns.Skipped, match="anchor: no GPU"):
        session()
    with pytest.raises(turns.Skipped, match="a: not here"):
        session(a="not here")


def test_the_order_is_shuffled_anew_by_the_seed():
    def orders(seed):
        pace = PACE._replace(rounds=30)
        rounds = turns.session(group_of([], "a", "b", "c"), dict.fromkeys("abc", 1), pace, random.Random(seed))[
            "rounds"
        ]
        return [tuple(round_["order"]) for round_ in rounds]

    assert orders(1) == orders(1) != orders(2)
    assert len(set(orders(1))) == 6


def test_each_answer_has_as_long_as_it_was_given_and_the_time_of_a_hang():
    for burst, limit_s in (({"requests": 5, "limit_s": 0.5}, 60.5), ({"requests": 1000, "limit_s": None}, 660.0)):
        log = []
        turns.session(group_of(log, "a"), {"a": 1}, PACE._replace(burst=burst), random.Random(0))
        limits = {(name, kind): limit for name, kind, limit in log}
        assert limits == {
            ("a", "open"): 67.0,
            ("a", "burst"): limit_s,
            ("a", "close"): 60.0,
            (anchor.NAME, "burst"): 60.0,
        }


def test_a_member_that_cannot_is_named():
    with pytest.raises(turns.Skipped, match="b: no such batch") as skipped:
        turns.session(group_of([], "a", "b", b="no such batch"), {"a": 1, "b": 1}, PACE, random.Random(0))
    assert (skipped.value.name, skipped.value.reason) == ("b", "no such batch")


# --- Which batch sizes are opened, without processes ------------------------------------------------------------------


@pytest.fixture
def sweep(monkeypatch):
    """Sweep with sessions that take a known time and fail as asked; what came out, and which were opened."""

    def run(wanted, takes=(), faults=(), seed=0):
        now, opened, started = [0.0], [], []

        @contextlib.contextmanager
        def group(*_):
            started.append(len(opened))
            yield turns.Group(None, {}, {}, {})

        def session(running, sizes, pace, order, in_flight):
            (size,) = sizes.values()
            opened.append(size)
            now[0] += dict(takes).get(size, 0.1)
            fault = dict(faults).get((size, opened.count(size)))
            if fault is not None:
                raise fault
            return {"opened": {"x": {"batch_size": size}}}

        monkeypatch.setattr(turns, "group", group)
        monkeypatch.setattr(turns, "session", session)
        monkeypatch.setattr(turns, "Watch", lambda running: SimpleNamespace(seen=dict))
        monkeypatch.setattr(turns, "time", SimpleNamespace(monotonic=lambda: now[0]))
        groups, broken = turns.sweep("x", [], [], 0, wanted, PACE, random.Random(seed))
        measured = [[one["opened"]["x"]["batch_size"] for one in group["sessions"]] for group in groups]
        return SimpleNamespace(measured=measured, broken=broken, opened=opened, started=started)

    return run


def test_all_batch_sizes_take_turns_in_a_seeded_order(sweep):
    found = [sweep(turns.Sweep(turns.points([1, 2, 4, 8]), 5, None), seed=seed) for seed in (0, 0, 1)]
    for one in found:
        assert one.measured == [one.opened] and one.started == [0]
        assert [sorted(one.opened[start : start + 4]) for start in range(0, 20, 4)] == [[1, 2, 4, 8]] * 5
    assert found[0].opened == found[1].opened != found[2].opened
    assert len({tuple(found[0].opened[start : start + 4]) for start in range(0, 20, 4)}) > 1


def test_a_batch_size_that_has_spent_its_time_is_not_opened_again(sweep):
    found = sweep(turns.Sweep(turns.points([1, 2, 4]), 3, 1.0), takes={1: 0.4, 2: 0.6, 4: 9.0})
    assert [found.opened.count(size) for size in (1, 2, 4)] == [3, 2, 1]


def test_what_breaks_at_one_batch_size_costs_that_one_alone_with_what_it_had_before(sweep):
    fault = WorkerEnded("x", "its process was killed by SIGSEGV")
    found = sweep(turns.Sweep(turns.points([1, 2, 4]), 3, None), faults={(4, 2): fault})
    assert found.broken == [turns.Broken(4, False, "its process was killed by SIGSEGV")]
    assert len(found.started) == 2 == len(found.measured)  # a fresh process goes on
    assert sorted(size for group in found.measured for size in group) == [1] * 3 + [2] * 3
    assert found.opened.count(4) == 2


def test_a_process_that_says_it_cannot_goes_on_with_the_others(sweep):
    found = sweep(turns.Sweep(turns.points([1, 4]), 3, None), faults={(4, 1): turns.Skipped("x", "too many")})
    assert found.broken == [turns.Broken(4, True, "too many")]
    assert found.started == [0]
    assert found.measured == [[1, 1, 1]]


def test_nothing_at_all_is_no_group(sweep):
    faults = {(1, 1): turns.Skipped("x", "one"), (4, 1): WorkerEnded("x", "four")}
    found = sweep(turns.Sweep(turns.points([1, 4]), 3, None), faults=faults)
    assert found.measured == []
    assert sorted(found.broken) == [turns.Broken(1, True, "one"), turns.Broken(4, False, "four")]


def test_no_process_is_started_for_what_has_spent_its_time(sweep):
    for seed in range(8):
        found = sweep(turns.Sweep(turns.points([1, 4]), 3, 1.0), {1: 9.0}, {(4, 1): WorkerEnded("x", "it broke")}, seed)
        assert len(found.started) == (2 if found.opened[0] == 4 else 1)


def test_an_anchor_that_breaks_ends_it(sweep):
    with pytest.raises(WorkerEnded, match="anchor: gone"):
        sweep(turns.Sweep(turns.points([1, 4]), 3, None), faults={(4, 1): WorkerEnded(anchor.NAME, "gone")})


# --- With processes ---------------------------------------------------------------------------------------------------

ANCHOR = """
import json, sys
print(json.dumps({"runtime": "none", "threads": 1, "sha256": ""}), flush=True)
for line in sys.stdin:
    print(json.dumps({"latency_ns": [1000] * json.loads(line)["requests"]}), flush=True)
"""
MEMBER = """
import json, os, sys, time
print(json.dumps({"identity": {}}), flush=True)
for line in sys.stdin:
    ((call, values),) = json.loads(line).items()
    opened = {"batch_size": values.get("batch_size"), "threads_in_effect": 1}
    answer = {"open": opened, "burst": {"latency_ns": [7], "energy_uj": 5}, "close": {}}[call]
    if values.get("batch_size") == 2:
        os.abort()
    if values.get("batch_size") == 4:
        time.sleep(60)
    if values.get("batch_size") == 8:
        answer = {"error": "DliflowError: the scores are NaN"}
    if values.get("batch_size") == 16:
        answer = {"skip": "not so many"}
    print(json.dumps(answer), flush=True)
"""


def test_crash_hang_wrong_scores_and_skip_cost_one_batch_size_each():
    inputs = os.open(os.devnull, os.O_RDONLY)
    wanted = turns.Sweep(turns.points([1, 2, 4, 8, 16, 32]), 2, None)
    pace = turns.Pace(3, {"requests": 1, "limit_s": 0.1}, {"requests": 1, "limit_s": 0.1}, 8.0)
    commands = [[sys.executable, "-S", "-c", code] for code in (MEMBER, ANCHOR)]
    try:
        groups, broken = turns.sweep("x", *commands, inputs, wanted, pace, random.Random(0))
    finally:
        os.close(inputs)
    reasons = {one.batch_size: (one.skipped, one.reason) for one in broken}
    assert reasons == {
        2: (False, "its process was killed by SIGABRT; its own message stands in this log"),
        4: (False, "its process did not answer within 8.1 s and was killed"),
        8: (False, "DliflowError: the scores are NaN"),
        16: (True, "not so many"),
    }
    sessions = [one for group in groups for one in group["sessions"]]
    assert sorted(one["opened"]["x"]["batch_size"] for one in sessions) == [1, 1, 32, 32]
    assert all(len(one["rounds"]) == 3 and len(one["anchor_ns"]) == 4 for one in sessions)
    for group in groups:
        assert group["anchor"]["runtime"] == "none" and group["members"] == {"x": {"identity": {}}}
        assert group["wall_s"] >= group["disturbance"]["wall_s"] > 0
        assert set(group["disturbance"]) == set(turns.MACHINE)
    starts = [one["started_at"] for one in sessions]
    assert starts == sorted(starts)


def test_a_member_that_cannot_run_here_at_all_is_told_before_anything():
    skipping = [sys.executable, "-S", "-c", """print('{"skip": "no such processor"}', flush=True); input()"""]
    with (
        pytest.raises(turns.Skipped, match="x: no such processor"),
        turns.group({"x": skipping}, [sys.executable, "-S", "-c", ANCHOR], 0, 60.0),
    ):
        pass
