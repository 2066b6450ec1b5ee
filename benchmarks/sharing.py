"""Whether batch sizes that share a process, as in the sweep, change each other's latencies. Prints ratios.

    PYTHONPATH=workflow .venv/bin/python benchmarks/sharing.py STUDY --framework openvino

One configuration of a finished study is measured in two ways, group by group in random order: with one process for all
batch sizes, whose sessions come in shuffled order, and with a process for each batch size. A ratio of the latencies at
the reference state that is shown to be off 1 by more than 1 % would speak against sharing.
"""

from __future__ import annotations

import argparse
import math
import random
import time

import finished
import numpy as np

from dliflow.analysis import anchored, state


def measured(args: argparse.Namespace, of: argparse.Namespace) -> dict[str, anchored.Bursts]:
    """The bursts of both ways, until the time is over."""
    order = random.Random(args.seed)
    groups: dict[str, list] = {"shared": [], "own": []}
    ends = time.monotonic() + args.seconds
    with finished.measuring(of) as inputs:
        command = finished.worker(of, inputs)
        entries = {"shared": (command, of.batch_sizes), **{str(size): (command, [size]) for size in of.batch_sizes}}
        while len(groups["shared"]) < 2 or time.monotonic() < ends:
            for called, group in finished.swept(entries, of, inputs, order, None).items():
                groups["shared" if called == "shared" else "own"].append(group)
    return {way: anchored.bursts(of_way)["measured"] for way, of_way in groups.items()}


def main() -> None:
    """Measure, print."""
    parser = finished.parser(__doc__)
    parser.add_argument("--framework", default="openvino")
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--sessions", type=int, default=3, help="of each batch size, in each process")
    parser.add_argument("--seconds", type=float, default=120, help="after which nothing new is measured")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    finished.enter(args.study)
    of = finished.configuration(args.model, args.framework, args.precision, sessions=args.sessions)
    bursts = measured(args, of)
    estimates, groups = state.estimates(bursts), len(set(bursts["shared"].group.tolist()))
    print(f"{finished.name(of)}: latency in a shared process / in its own, at the reference state; {groups} groups")
    ratios = {size: finished.ratio(estimates["shared", size], estimates["own", size]) for size in of.batch_sizes}
    for size, ratio in ratios.items():
        print(f"  batch size {size:3}: {ratio.ratio:.4f} ± {finished.half(ratio.interval):.2%}")
    halves = [finished.half(ratio.interval) for ratio in ratios.values()]
    mean = np.exp(np.mean(np.log([ratio.ratio for ratio in ratios.values()])))
    print(f"  geometric mean: {mean:.4f} ± {math.hypot(*halves) / len(halves):.2%}")


if __name__ == "__main__":
    main()
