"""Which anchor tells most of the machine's state. Prints half widths of intervals by each of them.

    PYTHONPATH=workflow .venv/bin/python benchmarks/anchor.py STUDY

Configurations of a finished study are measured as the sweep does, on one thread and on as many as they like, but each
burst stands between bursts of several anchors: the network on all processors, on one thread, and a product of two
matrices of 384 x 384 by numpy. The latency at the reference state is then computed with each of them, with the network
on as many threads as what is measured, as it is used, and with none.
"""

from __future__ import annotations

import argparse
import datetime
import math
import random
import time
from pathlib import Path
from typing import Any

import finished
import numpy as np

from dliflow.analysis import anchored, sessions, slopes, state
from dliflow.measuring import anchor, turns, workers

MEMBER = "measured"
NONE = "none"
ANCHORS = ("network on all", "network on 1", "product")
BESIDE = "network"  # of the first two that with as many threads as what is measured


def anchors(of: argparse.Namespace) -> dict[str, list[str]]:
    """The commands of their workers."""
    product = [workers.python(of.anchor_python), str(Path(__file__).resolve().with_name("product.py"))]
    return dict(zip(ANCHORS, (finished.of_anchor(of), finished.of_anchor(of), product)))


def session(running: dict[str, workers.Worker], batch_size: int, pace: turns.Pace, order: random.Random) -> dict:
    """A session as `turns.session` makes it, with `anchor_ns` for each anchor."""

    def flank() -> None:
        for name in order.sample(ANCHORS, len(ANCHORS)):
            asked = {"threads": threads[name], **anchor.BURST} if name in threads else anchor.BURST
            anchored[name].append(running[name].ask(asked, pace.hang_s)["latency_ns"])

    threads = {"network on all": anchor.threads_beside([None]), "network on 1": 1}
    anchored: dict[str, list] = {name: [] for name in ANCHORS}
    started_at = datetime.datetime.now(datetime.timezone.utc).isoformat()
    member = running[MEMBER]
    opened = member.ask({"open": {"batch_size": batch_size, "warm_up": pace.warm_up}}, pace.hang_s)
    rounds = []
    flank()
    for _ in range(pace.rounds):
        latency = member.ask({"burst": pace.burst}, pace.burst_limit_s)["latency_ns"]
        rounds.append({"order": [MEMBER], "latency_ns": {MEMBER: latency}})
        flank()
    member.ask({"close": {}}, pace.hang_s)
    beside = anchor.threads_beside([opened["threads_in_effect"]])
    anchored[BESIDE] = anchored["network on 1" if beside == 1 else "network on all"]
    return {
        "started_at": started_at,
        "opened": {MEMBER: opened},
        "rounds": rounds,
        "anchor_threads": beside,
        "anchor_ns": anchored,
    }


def measured(args: argparse.Namespace, configurations: list[argparse.Namespace]) -> dict[str, list[dict[str, Any]]]:
    """By configuration its groups, those of all taking turns until the time is over."""
    order = random.Random(args.seed)
    groups: dict[str, list[dict[str, Any]]] = {finished.name(of): [] for of in configurations}
    ends = time.monotonic() + args.seconds
    with finished.measuring(configurations[0]) as inputs:
        while len(groups[finished.name(configurations[0])]) < 2 or time.monotonic() < ends:
            for of in order.sample(configurations, len(configurations)):
                pace = turns.Pace.of(of)
                commands = {MEMBER: finished.worker(of, inputs), **anchors(of)}
                with workers.started(commands, [inputs], pace.hang_s) as (running, _):
                    sessions = [session(running, args.batch_size, pace, order) for _ in range(of.sessions)]
                groups[finished.name(of)].append({"sessions": sessions})
    return groups


def by(anchor_name: str, groups: list[dict[str, Any]]) -> anchored.Bursts:
    """A configuration's bursts beside this anchor."""
    of_anchor = [
        {"sessions": [{**one, "anchor_ns": one["anchor_ns"][anchor_name]} for one in group["sessions"]]}
        for group in groups
    ]
    return anchored.bursts(of_anchor)[MEMBER]


def spread(of: anchored.Bursts, slope: float) -> float:
    """Standard deviation of the sessions' logarithms that is left."""
    (of_point,) = sessions.at(of, slope, 0.0).values()
    return float(np.std(of_point.values, ddof=1))


def show(groups: dict[str, list[dict[str, Any]]]) -> None:
    """A line for each configuration."""
    halves: dict[str, list[float]] = {name: [] for name in (NONE, BESIDE, *ANCHORS)}
    bursts = {name: {called: by(name, each) for called, each in groups.items()} for name in (BESIDE, *ANCHORS)}
    estimates = {name: state.estimates(each) for name, each in bursts.items()}
    print("Half width of the 95 % interval (standard deviation of sessions; slope), by the anchor")
    print(f"{'':36}" + "".join(f"{name:>26}" for name in halves))
    for called in groups:
        cells = []
        for name in halves:
            taken = BESIDE if name == NONE else name
            (estimate,) = (each for point, each in estimates[taken].items() if point[0] == called)
            slope = 0.0 if name == NONE else slopes.slope(bursts[taken][called]).value
            around = estimate.interval if name == NONE else estimate.reference_interval
            halves[name].append(finished.half(around))
            cells.append(f"{halves[name][-1]:.2%} ({spread(bursts[taken][called], slope):.2%}; {slope:.2f})")
        print(f"{called:36}" + "".join(f"{cell:>26}" for cell in cells))
    print(f"{'median':36}" + "".join(f"{np.median(each):>26.2%}" for each in halves.values()))
    relative = [math.exp(np.mean(np.log(each) - np.log(halves[NONE]))) for each in halves.values()]
    print(f"{'geometric mean, none is 1':36}" + "".join(f"{each:>26.2f}" for each in relative))


def main() -> None:
    """Measure, print."""
    parser = finished.parser(__doc__)
    parser.add_argument("--frameworks", nargs="+", default=["onnxruntime", "openvino", "tflite", "pytorch"])
    parser.add_argument("--batch-size", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=180, help="after which nothing new is measured")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    finished.enter(args.study)
    configurations = [
        finished.configuration(args.model, framework, threads=threads)
        for framework in args.frameworks
        for threads in (None, 1)
    ]
    groups = measured(args, configurations)
    count = len(next(iter(groups.values())))
    print(f"batch size {args.batch_size}, {count} groups of {configurations[0].sessions} sessions")
    show(groups)


if __name__ == "__main__":
    main()
