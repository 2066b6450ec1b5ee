"""What taking turns buys: a configuration against itself and against a copy slowed by 5 %. Prints figures.

    PYTHONPATH=workflow .venv/bin/python benchmarks/rounds.py STUDY --framework onnxruntime

One comparison measures three configurations of a finished study, which are one (`a`, `b`) and its slowed copy (`c`), in
two ways: as the sweep does, group by group in shuffled order, where the latencies at the reference state tell the ratio
with an interval of both intervals together; and in rounds, as comparisons do.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import finished
import numpy as np

from dliflow.analysis import anchored, comparison, state, stats
from dliflow.measuring import turns

SHARE = 0.05
PAIRS = {"the same twice": comparison.Pair("b", "a", ""), "slowed by 5 %": comparison.Pair("c", "a", "")}
WANTED = {"the same twice": comparison.TIE, "slowed by 5 %": comparison.SECOND}
Commands = Mapping[str, Sequence[str]]
Ratios = dict[str, list[comparison.Ratio]]
"""By what is compared, the ratio at each batch size."""


def by_sweep(
    commands: Commands, args: argparse.Namespace, of: argparse.Namespace, inputs: int, order: random.Random
) -> Ratios:
    """Ratios of latencies at the reference state."""
    entries = {called: (command, args.batch_sizes) for called, command in commands.items()}
    groups = defaultdict(list)
    for _ in range(args.sweep_groups):
        for called, group in finished.swept(entries, of, inputs, order, of.budget / len(of.batch_sizes)).items():
            groups[called].append(group)
    estimates = state.estimates({called: anchored.bursts(each)["measured"] for called, each in groups.items()})
    return {
        what: [finished.ratio(estimates[pair.first, size], estimates[pair.second, size]) for size in args.batch_sizes]
        for what, pair in PAIRS.items()
    }


def by_rounds(
    commands: Commands, args: argparse.Namespace, of: argparse.Namespace, inputs: int, order: random.Random
) -> Ratios:
    """Ratios of rounds, which end as those of the stage do."""
    pace = turns.Pace.of(of)._replace(rounds=args.rounds, burst={"requests": of.burst_requests, "limit_s": args.burst})
    pairs = list(PAIRS.values())
    ratios: Ratios = {what: [] for what in PAIRS}
    for size in args.batch_sizes:

        def make(size: int = size) -> dict[str, Any]:
            begun = time.monotonic()
            with turns.group(commands, finished.of_anchor(of), inputs, pace.hang_s) as running:
                sizes = dict.fromkeys(commands, size)
                sessions = [turns.session(running, sizes, pace, order) for _ in range(args.sessions)]
            return {"sessions": sessions, "wall_s": time.monotonic() - begun}

        groups: list[Mapping[str, Any]] = []
        comparison.until_decided(make, groups, pairs, args.groups, args.budget, args.width)
        for what, pair in PAIRS.items():
            ratios[what].append(comparison.ratio(groups, pair))
    return ratios


WAYS = {"sweep": by_sweep, "rounds": by_rounds}


def show(ratios: Mapping[str, Ratios], seconds: Mapping[str, Sequence[float]]) -> None:
    """Print what was seen.

    Args:
        ratios: by way, over all comparisons.
        seconds: by way, of each comparison.
    """
    for what, wanted in WANTED.items():
        print(f"  {what}: share that ends in '{wanted.replace('second', 'the copy of full speed')}'")
        for way in WAYS:
            of_way = ratios[way][what]
            right = sum(ratio.verdict == wanted for ratio in of_way)
            low, high = stats.share_interval(right, len(of_way))
            logs = np.log([ratio.ratio for ratio in of_way])
            halves = np.nanquantile([finished.half(ratio.interval) for ratio in of_way], [0.5, 0.9])
            print(
                f"    by {way:7} {right} of {len(of_way)}  [{low:.1%}, {high:.1%}]   ratio {np.exp(logs.mean()):.4f}, "
                f"sd {logs.std():.2%}, half of an interval {halves[0]:.2%} (median), {halves[1]:.2%} (ninth decile)"
            )
    for way in WAYS:
        print(f"  seconds of a comparison, by {way}: {np.median(seconds[way]):.0f}")


def main(args: argparse.Namespace) -> None:
    """Compare, print."""
    finished.enter(args.study)
    of = finished.configuration(args.model, args.framework, args.precision)
    order = random.Random(args.seed)
    ratios: dict[str, Ratios] = {way: {what: [] for what in PAIRS} for way in WAYS}
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    with finished.measuring(of) as inputs:
        plain = finished.worker(of, inputs)
        python, _, _, *stage = plain
        slowed = [python, str(Path(__file__).resolve().with_name("slowed.py")), str(SHARE), *stage]
        for number in range(args.comparisons):
            for way, measure in WAYS.items():
                started = time.monotonic()
                of_comparison = measure({"a": plain, "b": plain, "c": slowed}, args, of, inputs, order)
                seconds[way].append((time.monotonic() - started) / len(args.batch_sizes))
                for what, each in of_comparison.items():
                    ratios[way][what] += each
            print(f"{number + 1} of {args.comparisons}", file=sys.stderr, flush=True)
    print(f"{finished.name(of)}, batch sizes {args.batch_sizes}, {args.comparisons} comparisons of each")
    show(ratios, seconds)


if __name__ == "__main__":
    settings = finished.settings()
    usual = settings["compare"]
    parser = finished.parser(__doc__)
    parser.add_argument("--framework", default="onnxruntime")
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[1], help="each is a comparison of its own")
    parser.add_argument("--comparisons", type=int, default=5)
    parser.add_argument("--sweep-groups", type=int, default=settings["latency"]["groups"], help="of each configuration")
    parser.add_argument("--groups", type=int, default=usual["groups"], help="of rounds, at least")
    parser.add_argument("--budget", type=float, default=usual["budget_s"], help="seconds of rounds, as in the config")
    parser.add_argument("--width", type=float, default=usual["width"], help="half of an interval that is narrow enough")
    parser.add_argument("--sessions", type=int, default=usual["sessions"], help="in each group of rounds")
    parser.add_argument("--rounds", type=int, default=usual["rounds"], help="in each session")
    parser.add_argument("--burst", type=float, default=usual["burst_s"], help="seconds")
    parser.add_argument("--seed", type=int, default=0)
    main(parser.parse_args())
