"""Measure pairs of an old and a new configuration in rounds, until it is known which are slower by more than a margin.

What seems slower is measured a second time, with fresh processes. `./dliflow compare` says which pairs, and reads the
record.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import random
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dliflow import progress
from dliflow.analysis import doubts, gate
from dliflow.analysis.gate import Look, Lost, Outcome, Row
from dliflow.files import read_json, write_json
from dliflow.machine import facts, launch
from dliflow.measuring import anchor, feed, turns, workers
from dliflow.records.pairs import AFTER, BEFORE
from dliflow.study import arguments as command_line

Group = dict[str, Any]


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    launch.arguments(parser)
    turns.arguments(parser)
    anchor.arguments(parser)
    parser.add_argument(
        "--pairs",
        type=Path,
        required=True,
        help="JSON: list of pairs, each with `name`, `batch_sizes`, `fed` (options of images), and, `before` and "
        "`after`, the `python` and what its worker is told, `held`",
    )
    parser.add_argument("--slower", type=float, required=True, help="the margin, as a share of the old latency")
    parser.add_argument("--confidence", type=float, required=True, help="with which all intervals hold at once")
    parser.add_argument("--budget", type=float, required=True, help="seconds of each of both measurements")
    parser.add_argument("--groups", type=int, required=True, help="by fewer nothing is decided before the budget ends")
    parser.add_argument("--sessions", type=int, required=True, help="at each batch size in a group")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True, help="the record")


def run(args: argparse.Namespace) -> None:
    """Write what becomes of each row, with every burst."""
    asked = gate.Asked(args.slower, args.confidence, args.groups, args.budget)
    launch.apply(args.launch)  # the workers inherit it
    started = time.monotonic()
    with contextlib.ExitStack() as stack:
        maker = Maker(args, stack)
        rows = [Row(name, size) for name, pair in maker.pairs.items() for size in pair["batch_sizes"]]
        first = gate.measured(maker.make, rows, asked)
        suspects = first.slower()
        if suspects:
            progress.say(f"{len(suspects)} of {len(rows)} rows seem slower: they are measured once more")
        again = gate.measured(maker.make, suspects, asked)
    decided = [described(row, gate.outcome(row, first, again)) for row in rows]
    wall_s = time.monotonic() - started
    write_json(args.out, {"rows": decided, "groups": maker.made, "wall_s": wall_s, "machine": facts.describe()})


class Maker:
    """Makes groups of pairs, and keeps each."""

    def __init__(self, args: argparse.Namespace, stack: contextlib.ExitStack):
        """Prepare it.

        Args:
            args: the stage's options.
            stack: by which images in memory are given back.
        """
        self.pairs = {pair["name"]: pair for pair in read_json(args.pairs)}
        self.made: list[Group] = []
        self._anchor = anchor.asked(args)
        self._pace, self._order, self._sessions = turns.Pace.of(args), random.Random(args.seed), args.sessions
        self._tell = progress.meter("measured", None, unit="groups")
        self._stack = stack
        self._inputs: dict[str, int] = {}

    def make(self, name: str, batch_sizes: Sequence[int]) -> Group:
        """One group of a pair: as many sessions as asked for of each of these batch sizes, in shuffled order.

        Raises:
            Lost: when one of both sides breaks, or cannot run.
            WorkerEnded: when the anchor breaks.
        """
        pair = self.pairs[name]
        inputs, hang_s = self._images(pair["fed"]), self._pace.hang_s
        commands = {side: command(pair[side], pair["fed"], inputs) for side in (AFTER, BEFORE)}
        openings = [size for _ in range(self._sessions) for size in self._order.sample(batch_sizes, len(batch_sizes))]
        begun = time.monotonic()
        try:
            with turns.group(commands, self._anchor, inputs, hang_s) as running:
                watch = turns.Watch(running)
                opened = [dict.fromkeys((AFTER, BEFORE), size) for size in openings]
                sessions = [turns.session(running, sizes, self._pace, self._order) for sizes in opened]
                group = turns.described(running, watch.seen(), sessions, begun)
        except (workers.WorkerEnded, turns.Skipped) as ended:
            if ended.name == anchor.NAME:
                raise
            raise Lost(f"{ended.name}: {ended.reason}") from None
        self.made.append({"pair": name, **group})
        self._tell(len(self.made))
        return group

    def _images(self, fed: Mapping[str, Any]) -> int:
        """The descriptor of images in memory; those that several pairs take lie there once."""
        key = json.dumps(fed, sort_keys=True)
        if key not in self._inputs:
            images = feed.images(argparse.Namespace(**{**fed, "array": Path(fed["array"])}))
            self._inputs[key] = self._stack.enter_context(feed.shared(images))
        return self._inputs[key]


def command(side: Mapping[str, Any], fed: Mapping[str, Any], inputs: int) -> list[str]:
    """How the worker of a side of a pair is started."""
    return command_line.worker(workers.python(side["python"]), inputs, **side["held"], distinct=fed["distinct"])


def described(row: Row, outcome: Outcome) -> dict[str, Any]:
    """What becomes of a row, as the record has it."""
    return {
        **row._asdict(),
        "verdict": outcome.verdict,
        "reason": outcome.reason,
        "measurements": [figures(look) for look in outcome.looks],
        "warnings": warnings(outcome),
    }


def figures(look: Look) -> dict[str, Any]:
    """What one measurement says of a row, as the record has it; None where there is no number."""
    low, high = look.ratio.interval or (None, None)
    return {
        "verdict": look.verdict,
        "ratio": look.ratio.ratio if math.isfinite(look.ratio.ratio) else None,
        "ratio_ci_low": low,
        "ratio_ci_high": high,
        "groups": look.groups,
        "wall_s": look.wall_s,
        "more_s": look.more_s,
    }


def warnings(outcome: Outcome) -> list[str]:
    """What weakens what a row's groups say."""
    if not all(look.ratio.interval for look in outcome.looks) or not outcome.looks:
        return []  # it is undecided, and there is nothing to weaken
    usable_cpus, ratio = len(os.sched_getaffinity(0)), outcome.looks[-1].ratio
    return doubts.of_pair(outcome.groups, usable_cpus, gate.PAIR, ratio, math.inf)
