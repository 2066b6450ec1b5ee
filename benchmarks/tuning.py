"""Launch settings that are faster than the default ones, for each framework: prints ratios, and whether races agree.

    PYTHONPATH=workflow .venv/bin/python benchmarks/tuning.py STUDY --frameworks onnxruntime openvino --again

The models of a finished study are raced as the stage `tune` does it, on this machine. With --again every race is run
twice, with other seeds: a race that drops wrongly drops what another one chooses. Where two settings are as fast as
each other, either may win; then neither race has dropped the other's winner.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any

import finished

from dliflow.analysis import comparison, race
from dliflow.machine import facts, launch
from dliflow.measuring import turns
from dliflow.measuring.workers import WorkerEnded
from dliflow.stages import tune
from dliflow.study import config

USUAL = {key: entry["default"] for key, entry in config.schema("config")["properties"]["tune"]["properties"].items()}
SAME, TIE, DROPPED = (
    "the same winner",
    "another winner, which neither had dropped",
    "another winner, which one had dropped",
)


def asked(args: argparse.Namespace, of: argparse.Namespace, batch_size: int, seed: int) -> argparse.Namespace:
    """What the stage would be asked for one configuration of the study."""
    parity = finished.settings()["parity"]
    bounds = {name: parity[name][of.precision] for name in ("tolerance", "distance", "agreement")}
    keys = ("candidates", "groups", "sessions", "rounds", "confirm_groups", "width")
    pace = {"burst_limit": args.burst, "budget": args.budget, "confirm_budget": args.confirm_budget}
    scores = {"bounds": bounds, "score_images": parity["images"]}
    point = {"batch_size": batch_size, "seed": seed, "out": f"{finished.name(of)}:{batch_size}"}
    return argparse.Namespace(**{**vars(of), **{key: getattr(args, key) for key in keys}, **pace, **scores, **point})


def raced(of: argparse.Namespace, inputs: int) -> dict[str, Any]:
    """Figures of a race and its confirmation, as a record has them, and how many settings are valid."""
    valid = tune.enumerated(of, facts.processors())
    numbers, propose = itertools.count(), tune.proposer(of, facts.processors(), valid)
    track = tune.Track(of, tune.named(of, valid), inputs, lambda happen: happen(next(numbers)), propose)
    return {**tune.tuned(track), "valid": len(valid)}


def lines(figures: dict[str, Any]) -> Iterator[str]:
    """What was found, in words."""
    left = Counter(one["how"] or "stayed" for one in figures["candidates"] if one["name"] != race.DEFAULT)
    how = ", ".join(f"{number} {word}" for word, number in left.items())
    took = f"{len(figures['candidates'])} of {figures['valid']} candidates ({how}), {figures['wall_s']:.0f} s"
    if not figures["confirm"]:
        yield f"    the default won; {took}"
        return
    found = comparison.ratio(figures["confirm"], race.PAIR)
    low, high = found.interval or (float("nan"),) * 2
    of_race = race.ratio(race.figures(figures["race"], figures["winner"]))[0]
    verdict = "" if figures["chosen"] else "   not shown to be faster"
    yield f"    {found.ratio:.3f} [{low:.3f}, {high:.3f}] of the default: {figures['winner']}{verdict}"
    yield f"    (in the race {of_race:.3f}, which is no gain); {took}"
    for one in figures["candidates"]:
        if one["how"] not in (None, "slower"):
            yield f"    {one['name']}: {one['how']}: {one['why']}"


def agreement(first: dict[str, Any], second: dict[str, Any]) -> str:
    """Whether two races of the same settings chose the same."""
    if first["winner"] == second["winner"]:
        return SAME
    dropped = [{one["name"] for one in each["candidates"] if one["how"] == "slower"} for each in (first, second)]
    return DROPPED if first["winner"] in dropped[1] or second["winner"] in dropped[0] else TIE


def main(args: argparse.Namespace) -> None:
    """Race, print."""
    finished.enter(args.study)
    agreed: Counter[str] = Counter()
    for framework, precision in itertools.product(args.frameworks, args.precisions):
        of = finished.configuration(args.model, framework, precision)
        launch.apply(of.launch)
        for size in args.batch_sizes:
            print(f"{finished.name(of)}, batch size {size}", flush=True)
            found = []
            for seed in range(args.seed, args.seed + 1 + args.again):
                asked_of = asked(args, of, size, seed)
                try:
                    with finished.measuring(of) as inputs:
                        found.append(raced(asked_of, inputs))
                except (WorkerEnded, turns.Skipped) as ended:
                    sys.exit(f"the default settings do not run: {ended}")
                print("\n".join(lines(found[-1])), flush=True)
            if args.again:
                agreed[agreement(*found)] += 1
                print(f"    {agreement(*found)}", flush=True)
    for what, count in agreed.items():
        print(f"{count} of {agreed.total()}: {what}")


if __name__ == "__main__":
    parser = finished.parser(__doc__)
    parser.add_argument("--frameworks", nargs="+", default=finished.settings()["frameworks"])
    parser.add_argument("--precisions", nargs="+", default=["fp32"])
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--again", action="store_true", help="each race twice")
    parser.add_argument("--candidates", type=int, default=USUAL["candidates"], help="at most")
    parser.add_argument("--groups", type=int, default=USUAL["groups"], help="of a race, at most")
    parser.add_argument("--sessions", type=int, default=USUAL["sessions"], help="in each group")
    parser.add_argument("--rounds", type=int, default=USUAL["rounds"], help="in each session")
    parser.add_argument("--burst", type=float, default=USUAL["burst_s"], help="seconds")
    parser.add_argument("--budget", type=float, default=USUAL["budget_s"], help="seconds of a race")
    parser.add_argument("--confirm-groups", type=int, default=USUAL["confirm_groups"], help="at least")
    parser.add_argument("--confirm-budget", type=float, default=USUAL["confirm_budget_s"], help="seconds")
    parser.add_argument("--width", type=float, default=USUAL["width"], help="half of an interval that is narrow enough")
    parser.add_argument("--seed", type=int, default=0)
    main(parser.parse_args())
