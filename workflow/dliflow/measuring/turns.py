"""Configurations take turns, each burst of theirs between two bursts of the anchor: the one way of measuring.

A *group* is a set of fresh processes. In it, members are opened at a batch size (a *session*), and then take turns for
a few *rounds*; of each round every member has one burst, in an order shuffled anew. In a sweep the group has one
member, whose batch sizes come one after another; in a comparison it has several, which are opened together. Where
several requests are in flight at a time, as many as an opening says, a sweep's *points* are batch sizes with numbers of
requests in flight.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, NamedTuple, Optional

from dliflow.machine import disturbance
from dliflow.measuring import anchor, workers
from dliflow.measuring.workers import Worker, WorkerEnded

# What of `disturbance.between` is of the machine; the rest would be of the process that asks, which measures nothing.
MACHINE = ("wall_s", "others_cpu_s", "steal_s", "frequencies_before_mhz", "frequencies_after_mhz")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of a `Pace`."""
    parser.add_argument("--rounds", type=int, required=True, help="in each session")
    parser.add_argument("--burst-requests", type=int, required=True, help="how many at most")
    parser.add_argument("--burst-limit", type=float, help="seconds after which no new one begins; no bound when absent")
    parser.add_argument("--warmup-requests", type=int, required=True, help="how many requests at most")
    parser.add_argument("--warmup-limit", type=float, required=True, help="seconds, likewise, for the warm-up")
    parser.add_argument("--hang", type=float, required=True, help="seconds after which a worker has hung")


class Pace(NamedTuple):
    """How a session is measured."""

    rounds: int
    burst: dict[str, Any]
    """Bounds of a burst, as `measure.run` takes them: `requests` and `limit_s`."""
    warm_up: dict[str, Any]
    """Those of the warm-up."""
    hang_s: float
    """A worker that gives no answer for so many seconds beyond what it was given has hung; a burst without `limit_s`
    was given as many for each hundred requests."""

    @classmethod
    def of(cls, args: argparse.Namespace) -> Pace:
        """That which the options of `arguments` describe."""
        burst = {"requests": args.burst_requests, "limit_s": args.burst_limit}
        warm_up = {"requests": args.warmup_requests, "limit_s": args.warmup_limit}
        return cls(args.rounds, burst, warm_up, args.hang)

    @property
    def opening_limit_s(self) -> float:
        """Seconds within which the answer to an opening must come."""
        return self.hang_s + self.warm_up["limit_s"]

    @property
    def burst_limit_s(self) -> float:
        """Seconds within which the answer to a burst must come."""
        limit_s = self.burst["limit_s"]
        return self.hang_s + (self.hang_s * self.burst["requests"] / 100 if limit_s is None else limit_s)


class Skipped(Exception):
    """A member, or the anchor, says that it cannot run here; `name` is its name."""

    def __init__(self, name: str, reason: str):
        super().__init__(f"{name}: {reason}")
        self.name, self.reason = name, reason


@dataclass
class Group:
    """Running workers."""

    anchor: Worker
    members: dict[str, Worker]
    ready: dict[str, dict[str, Any]]
    """What each member told when it was ready."""
    anchor_ready: dict[str, Any]


@contextlib.contextmanager
def group(
    commands: Mapping[str, Sequence[str]],
    of_anchor: Sequence[str],
    inputs: int,
    hang_s: float,
    kind: Callable[..., workers.Worker] = workers.Worker,
) -> Iterator[Group]:
    """Start fresh processes; they are gone when the block ends.

    Args:
        commands: of the members' workers, by name.
        of_anchor: the anchor's.
        inputs: descriptor that the members inherit.
        kind: what makes a worker.

    Raises:
        Skipped: when a member cannot run here.
        WorkerEnded: when one breaks, or does not come up in time.
    """
    with workers.started({anchor.NAME: of_anchor, **commands}, [inputs], hang_s, kind) as (running, ready):
        anchor_ready = ready.pop(anchor.NAME)
        for name, each in ready.items():
            if "skip" in each:
                raise Skipped(name, each["skip"])
        yield Group(running.pop(anchor.NAME), running, ready, anchor_ready)


def session(
    running: Group, sizes: Mapping[str, int], pace: Pace, order: random.Random, in_flight: Optional[int] = None
) -> dict[str, Any]:
    """Open each of these members at its batch size, and let them take turns: a session of a record.

    Args:
        in_flight: how many requests of a member are in flight at any time of its burst; None: they come one by one.

    Raises:
        Skipped: when a member cannot run at that batch size here, or the anchor on its GPU.
        WorkerEnded: when one breaks.
    """
    started_at, started = datetime.datetime.now(datetime.timezone.utc), time.monotonic()
    opened = {}
    several = {} if in_flight is None else {"in_flight": in_flight}
    for name, size in sizes.items():
        request = {"open": {"batch_size": size, "warm_up": pace.warm_up, **several}}
        opened[name] = running.members[name].ask(request, pace.opening_limit_s)
        if "skip" in opened[name]:
            raise Skipped(name, opened[name]["skip"])
    device = running.anchor_ready.get("device", anchor.CPU)
    threads = anchor.threads_beside([one["threads_in_effect"] for one in opened.values()], device)
    anchored = [_anchor(running, threads, pace)]
    rounds = []
    for _ in range(pace.rounds):
        turns = list(sizes)
        order.shuffle(turns)
        round_: dict[str, Any] = {"order": turns}
        for name in turns:
            for figure, values in running.members[name].ask({"burst": pace.burst}, pace.burst_limit_s).items():
                round_.setdefault(figure, {})[name] = values
            anchored.append(_anchor(running, threads, pace))
        rounds.append(round_)
    for name in sizes:
        opened[name].update(running.members[name].ask({"close": {}}, pace.hang_s))
    return {
        "started_at": started_at.isoformat(timespec="milliseconds"),
        "wall_ms": (time.monotonic() - started) * 1e3,
        "opened": opened,
        "rounds": rounds,
        "anchor_threads": threads,
        "anchor_ns": anchored,
    }


def _anchor(running: Group, threads: int, pace: Pace) -> list[int]:
    answer = running.anchor.ask({"threads": threads, **anchor.BURST}, pace.hang_s)
    if "skip" in answer:
        raise Skipped(anchor.NAME, answer["skip"])
    return answer["latency_ns"]


class Watch:
    """What happens on the machine while a group runs."""

    def __init__(self, running: Group):
        self._helpers = [worker.process.pid for worker in (running.anchor, *running.members.values())]
        self._before = disturbance.snapshot(self._helpers)

    def seen(self) -> dict[str, Any]:
        """Since it began; to be called while the group's processes are there."""
        between = disturbance.between(self._before, disturbance.snapshot(self._helpers))
        return {key: between[key] for key in MACHINE}


def described(
    running: Group, disturbed: dict[str, Any], sessions: list[dict[str, Any]], started: float
) -> dict[str, Any]:
    """A group as records have it.

    Args:
        disturbed: what a `Watch` has seen.
        started: when its processes were, of the monotonic clock.
    """
    return {
        "members": running.ready,
        "anchor": running.anchor_ready,
        "disturbance": disturbed,
        "wall_s": time.monotonic() - started,
        "sessions": sessions,
    }


class Point(NamedTuple):
    """What a sweep opens its member at."""

    batch_size: int
    in_flight: Optional[int] = None
    """Requests at any time; None: one by one."""


def points(batch_sizes: Sequence[int], in_flight: Sequence[Optional[int]] = (None,)) -> list[Point]:
    """Each batch size with each number of requests in flight."""
    return [Point(size, number) for size in batch_sizes for number in in_flight]


class Broken(NamedTuple):
    """A point that a sweep could not measure; `skipped` when the member itself said that it cannot."""

    batch_size: int
    skipped: bool
    reason: str
    in_flight: Optional[int] = None


class Sweep(NamedTuple):
    """What a sweep's group is to measure."""

    points: Sequence[Point]
    sessions: int
    """Of each point, at most."""
    budget_s: Optional[float]
    """For each point: one that has spent it is not opened again."""


def sweep(
    name: str,
    command: Sequence[str],
    of_anchor: Sequence[str],
    inputs: int,
    wanted: Sweep,
    pace: Pace,
    order: random.Random,
) -> tuple[list[dict[str, Any]], list[Broken]]:
    """Measure one configuration: its groups (one, and another for each time that it broke), and what could not be had.

    A point at which its process breaks, hangs or gives wrong scores costs that one alone, with all sessions that it had
    before: a fresh process goes on with the others.

    Raises:
        Skipped: when it cannot run here at all.
        WorkerEnded: when the anchor breaks, or the process does not even start.
    """
    groups: list[dict[str, Any]] = []
    broken: dict[Point, Broken] = {}
    spent = dict.fromkeys(wanted.points, 0.0)

    def due(point: Point) -> bool:
        affordable = wanted.budget_s is None or spent[point] == 0 or spent[point] < wanted.budget_s
        return point not in broken and affordable

    queue = _openings(wanted, order)
    while queue := [point for point in queue if due(point)]:
        started, sessions = time.monotonic(), []
        with group({name: command}, of_anchor, inputs, pace.hang_s) as running:
            watch = Watch(running)
            while queue:
                point = queue.pop(0)
                if not due(point):
                    continue
                began = time.monotonic()
                try:
                    sessions.append(session(running, {name: point.batch_size}, pace, order, point.in_flight))
                    disturbed = watch.seen()
                except (Skipped, WorkerEnded) as ended:
                    if ended.name == anchor.NAME:
                        raise
                    skipped = isinstance(ended, Skipped)
                    broken[point] = Broken(point.batch_size, skipped, ended.reason, point.in_flight)
                    if not skipped:
                        break
                spent[point] += time.monotonic() - began
            if sessions:
                groups.append(described(running, disturbed, sessions, started))
    return _without(groups, set(broken)), list(broken.values())


def _without(groups: list[dict[str, Any]], these: Set[Point]) -> list[dict[str, Any]]:
    """Groups of the sessions of other points than these: what is measured again must not count twice."""
    for each in groups:
        each["sessions"] = [one for one in each["sessions"] if these.isdisjoint(opened_at(one))]
    return [each for each in groups if each["sessions"]]


def opened_at(of: dict[str, Any]) -> set[Point]:
    """The points at which the members of a session were opened."""
    return {Point(opened["batch_size"], opened.get("in_flight")) for opened in of["opened"].values()}


def _openings(wanted: Sweep, order: random.Random) -> list[Point]:
    """Every point so many times: all of them in shuffled order, then again."""
    queue: list[Point] = []
    for _ in range(wanted.sessions):
        turn = list(wanted.points)
        order.shuffle(turn)
        queue += turn
    return queue
