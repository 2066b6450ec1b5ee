"""What taking turns buys: a configuration against itself and against a copy slowed by 5 %. Prints figures.

    PYTHONPATH=workflow .venv/bin/python benchmarks/rounds.py --framework onnxruntime

A finished study left the framework's environment and the converted model in `results/`. One comparison measures three
configurations, which are one (`a`, `b`) and its slowed copy (`c`): in rounds, as the `compare` stage does, and plainly,
as the `latency` stage does, each repetition a fresh process and nothing else running. Between the plain bursts comes
the pacer, so that a ratio to it can be had too. Every comparison is written to a file at once; `--again FILE` prints
its figures anew.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from dliflow import frameworks
from dliflow.analysis import comparison, stats, surroundings
from dliflow.machine import lock, variables
from dliflow.stages import compare
from dliflow.study import config, environments, paths

SHARE = 0.05
PAIRS = {"the same twice": comparison.Pair("b", "a", ""), "slowed by 5 %": comparison.Pair("c", "a", "")}
NAMES = ("a", "b", "c")
WARM_UP = {"requests": 200, "limit_s": 0.1}
Groups = list[dict[str, Any]]


def commands(args: argparse.Namespace) -> dict[str, list[str]]:
    """The workers of the three configurations."""
    entry = config.model(Path("config/models"), args.model, "--model", "--model")["input"]
    folder = Path(paths.PERFORMANCE_ARRAY.format(dataset=args.dataset, spec="*"))
    arrays = sorted(folder.parent.glob(folder.name))
    if not arrays:
        sys.exit(f"{folder}: there is none; finish a study first, or name its --dataset")
    wanted = argparse.Namespace(
        **{
            "model": args.model,
            "device": "cpu",
            "threads": None,
            "input": entry,
            "scores": args.scores,
        },
        **{
            "array": arrays[0],
            "batch_size": args.batch_size,
            "out": Path(os.devnull),
            "random_images": None,
            "launch": {"cpus": None, "numa_node": None, "priority": None, "environment": {}},
            "distinct": None,
        },
    )
    member = {
        **{"framework": args.framework, "variant": frameworks.variants(args.framework)[0], "precision": args.precision},
        **{"parameters": "default", "options": {}},
        "python": environments.folder(Path(f"envs/{args.framework}.yaml"), "results/envs") + "/bin/python",
    }
    plain = compare.command(wanted, member)
    slowed = [plain[0], str(Path(__file__).with_name("slowed.py")), str(SHARE), *plain[3:]]
    return {"a": plain, "b": plain, "c": slowed}


def in_rounds(started: dict[str, list[str]], args: argparse.Namespace, order: random.Random) -> Groups:
    """Groups of rounds of all three, ended as the stage ends them."""
    return compare.until_narrow(
        lambda: compare.group(started, args.rounds, args.burst, WARM_UP, order),
        list(PAIRS.values()),
        args.groups,
        args.budget,
        args.width,
    )[0]


def plainly(started: dict[str, list[str]], args: argparse.Namespace, order: random.Random) -> dict[str, Groups]:
    """For each of the three its repetitions, whole repetitions one after the other in shuffled order."""
    repetitions: dict[str, Groups] = {name: [] for name in started}
    for _ in range(args.repetitions):
        for name in order.sample(NAMES, len(NAMES)):
            repetitions[name].append(
                compare.group({name: started[name]}, args.rounds, args.limit / args.rounds, WARM_UP, order)
            )
    return repetitions


def durations(groups: Groups, name: str, by: Callable[[dict[str, Any]], float]) -> list[np.ndarray]:
    """For each repetition its median latency over what `by` says of its rounds, as `stats` takes it."""
    return [
        np.array(
            [
                np.median(np.concatenate([round_["latency_ns"][name] for round_ in group["rounds"]]))
                / np.median([by(round_) for round_ in group["rounds"]])
            ]
        )
        for group in groups
    ]


def nothing(round_: dict[str, Any]) -> float:
    """No correction."""
    return 1.0


def pace(round_: dict[str, Any]) -> float:
    """The pacer's median, ns."""
    return float(np.median(round_["pacer_ns"]))


def probe(round_: dict[str, Any]) -> float:
    """The probe of all processors, ms."""
    return float(np.mean([surroundings.probe_ms(durations_ns) for durations_ns in round_["probe_ns"].values()]))


PLAIN = {"plain": nothing, "plain, over the pacer": pace, "plain, over the probe": probe}


def ratios(measured: dict[str, Any], pair: comparison.Pair) -> dict[str, comparison.Ratio]:
    """The ratio of one comparison by every way of measuring it."""
    by_way = {"rounds": comparison.ratio(comparison.log_ratios(measured["rounds"], pair))}
    for name, by in PLAIN.items():
        first, second = (durations(measured["plain"][member], member, by) for member in (pair.first, pair.second))
        middle = np.exp(np.mean(np.log(first)) - np.mean(np.log(second)))
        by_way[name] = comparison.Ratio(float(middle), stats.ratio_interval(first, second))
    return by_way


def show(comparisons: list[dict[str, Any]]) -> None:
    """Print what was found."""
    wanted = {"the same twice": comparison.TIE, "slowed by 5 %": comparison.SECOND}
    print(f"{len(comparisons)} comparisons")
    for what, pair in PAIRS.items():
        print(f"  {what}: share that ends in '{wanted[what].replace('second', 'the copy of full speed')}'")
        for name in ("rounds", *PLAIN):
            of_pair = [ratios(measured, pair)[name] for measured in comparisons]
            right = sum(ratio.verdict == wanted[what] for ratio in of_pair)
            low, high = stats.share_interval(right, len(of_pair))
            logs = np.log([ratio.ratio for ratio in of_pair])
            half = np.median([np.log(ratio.interval[1] / ratio.ratio) for ratio in of_pair if ratio.interval])
            print(
                f"    {name:22} {right / len(of_pair):6.1%}  [{low:.1%}, {high:.1%}]   "
                f"ratio {np.exp(logs.mean()):.4f}, sd {logs.std(ddof=1):.2%}, half of an interval {half:.2%}"
            )
    print(f"  groups of a comparison: {np.median([len(measured['rounds']) for measured in comparisons]):.0f} (median)")
    for name in ("rounds", "plain"):
        seconds = [measured["seconds"][name] for measured in comparisons]
        print(f"  seconds of a comparison, {name}: {np.median(seconds):.1f}")
    print("  spread of processes' latencies (sd of logarithms), all plain repetitions of one configuration")
    for name, by in PLAIN.items():
        logs = [np.log(durations(measured["plain"]["a"], "a", by)).ravel() for measured in comparisons]
        within = np.sqrt(np.mean([np.var(values, ddof=1) for values in logs]))
        print(f"    {name:22} within a comparison {within:.2%}, over the whole run {np.std(np.concatenate(logs)):.2%}")


def main(args: argparse.Namespace) -> None:
    """Compare, write, print."""
    started = commands(args)
    environment = variables.passed_on(os.environ, "latency")[0]
    os.environ.clear()
    os.environ.update(environment)
    order = random.Random(0)
    comparisons = []
    args.out.parent.mkdir(parents=True, exist_ok=True)
    with lock.hold(True), open(args.out, "w", encoding="utf-8") as out:
        for number in range(args.comparisons):
            clock = [time.monotonic()]
            rounds = in_rounds(started, args, order)
            clock.append(time.monotonic())
            plain = plainly(started, args, order)
            clock.append(time.monotonic())
            seconds = dict(zip(("rounds", "plain"), np.diff(clock).tolist()))
            comparisons.append({"rounds": rounds, "plain": plain, "seconds": seconds})
            out.write(json.dumps(comparisons[-1]) + "\n")
            out.flush()
            print(f"{number + 1} of {args.comparisons}", file=sys.stderr, flush=True)
    show(comparisons)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--framework", default="onnxruntime")
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--model", default="efficientnet_lite0")
    parser.add_argument("--dataset", default="imagenet_samples")
    parser.add_argument("--scores", type=int, default=1000)
    parser.add_argument("--batch-size", type=int, default=1)
    parser.add_argument("--comparisons", type=int, default=60)
    parser.add_argument("--groups", type=int, default=6, help="of rounds at least, in a comparison")
    parser.add_argument("--budget", type=float, default=30, help="seconds after which no new group begins")
    parser.add_argument("--width", type=float, default=0.01, help="half of a ratio's interval that is narrow enough")
    parser.add_argument("--rounds", type=int, default=8, help="in a group; bursts in a plain repetition")
    parser.add_argument("--burst", type=float, default=0.05, help="seconds")
    parser.add_argument("--repetitions", type=int, default=5, help="plain ones of each, in a comparison")
    parser.add_argument("--limit", type=float, default=0.3, help="seconds of requests in a plain repetition")
    parser.add_argument("--out", type=Path, default=Path("results/benchmarks/rounds.jsonl"))
    parser.add_argument("--again", type=Path, help="print the figures of such a file; nothing is measured")
    chosen = parser.parse_args()
    if chosen.again:
        show([json.loads(line) for line in chosen.again.read_text(encoding="utf-8").splitlines()])
    else:
        main(chosen)
