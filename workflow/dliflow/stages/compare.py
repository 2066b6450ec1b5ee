"""Measure the leading configurations of a model × batch size together, in rounds, and each against its reference.

One worker process for each, in its framework's environment, loaded and warmed; then they take turns in short bursts,
in an order shuffled anew in each round, all others stopped. Beside every burst a probe of all processors and the
pacer. After some rounds all processes are replaced by new ones. It ends when all ratios are narrow, or with the budget.

A member whose process breaks is left out and the others are compared; the stage fails all the same, and their record
lies beside the one that it could not write.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any, Optional

import numpy as np

from dliflow.analysis import comparison
from dliflow.errors import DliflowError
from dliflow.files import read_json
from dliflow.machine import disturbance, launch
from dliflow.measuring import feed, pacer, session, workers
from dliflow.records import record
from dliflow.study import environments, options, paths

# What of `disturbance.between` is of the machine; the rest would be of the process that asks, which measures nothing.
MACHINE = ("wall_s", "others_cpu_s", "steal_s", "frequencies_before_mhz", "frequencies_after_mhz")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    launch.arguments(parser)
    feed.arguments(parser)
    parser.add_argument("--node", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--device", required=True)
    parser.add_argument("--batch-size", type=int, required=True)
    parser.add_argument(
        "--candidates", type=json.loads, required=True, help="JSON: configurations, each with `python` and `options`"
    )
    parser.add_argument("--missing", nargs="*", default=[], help="names of candidates that are left out: they failed")
    parser.add_argument("--repetitions", type=int, required=True, help="how many latency records each of them has")
    parser.add_argument("--array", type=Path, required=True, help="manifest of the images' pixels")
    parser.add_argument("--input", type=json.loads, required=True, help="JSON: the model's input entry")
    parser.add_argument("--scores", type=int, required=True)
    parser.add_argument("--threads", type=int, help="compute threads; the framework's own choice when absent")
    parser.add_argument("--leaders", type=int, required=True, help="how many at most")
    parser.add_argument("--width", type=float, required=True, help="half of a ratio's interval that is narrow enough")
    parser.add_argument("--budget", type=float, required=True, help="seconds after which no new group begins")
    parser.add_argument("--groups", type=int, required=True, help="how many at least, whatever the budget")
    parser.add_argument("--rounds", type=int, required=True, help="in each group")
    parser.add_argument("--burst", type=float, required=True, help="seconds of a burst")
    parser.add_argument("--warmup-requests", type=int, required=True, help="how many requests at most")
    parser.add_argument("--warmup-limit", type=float, required=True, help="seconds, likewise, for the warm-up")
    parser.add_argument("--previous", type=Path, help="a checkout whose finished study has older versions")
    parser.add_argument("--environments", required=True, help="folder of the virtual environments, there as here")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True, help="the record")


def point_of(args: argparse.Namespace) -> dict[str, Any]:
    """What the configurations of this comparison have in common."""
    return {key: getattr(args, key) for key in ("node", "model", "device", "batch_size")}


def measured(args: argparse.Namespace) -> list[tuple[dict[str, Any], list[np.ndarray]]]:
    """Each candidate that ran and whose scores agreed, with its repetitions' durations in ns."""
    point, candidates = point_of(args), []
    for candidate in args.candidates:
        if comparison.name(candidate) in args.missing:
            continue
        parity = record.read(paths.PARITY.format(**point, **candidate))
        records = [
            record.read(paths.LATENCY.format(**point, **candidate, repetition=number))
            for number in range(1, args.repetitions + 1)
        ]
        if all(one["status"] == "ok" for one in (parity, *records)):
            candidates.append((candidate, [np.array(one["figures"]["latency_ns"]) for one in records]))
    return candidates


def older(args: argparse.Namespace, member: dict[str, Any]) -> Optional[dict[str, Any]]:
    """The same configuration in the previous checkout, where its framework had another version.

    Raises:
        DliflowError: when what that study measured cannot be run any more.
    """
    if args.previous is None:
        return None
    latency = paths.LATENCY.format(**point_of(args), **member, repetition=1)
    if not (args.previous / latency).exists():
        print(f"{args.previous} has no {latency}: {comparison.name(member)} meets no older version", flush=True)
        return None
    now = record.read(latency)["identity"]["framework_version"]
    earlier = read_json(args.previous / latency)  # its schema may be that of an older dliflow
    before = earlier["identity"]["framework_version"]
    if now == before or earlier["status"] != "ok":
        return None
    framework = member["framework"]
    if member["python"].endswith(".json"):
        named = args.previous / paths.INTERPRETER.format(framework=framework)
    else:
        file = args.previous / f"envs/{framework}.yaml"
        named = Path(environments.folder(file, str(args.previous / args.environments)), "bin/python")
    for needed in (named, args.previous / paths.CONVERTED.format(**member, model=args.model)):
        if not needed.exists():
            raise DliflowError(
                f"compare.previous: {args.previous} has measured {framework} {before}, but {needed} is gone; finish "
                "the study there once more, or set compare.previous to null"
            )
    return {**member, "older": before, "python": str(named), "checkout": str(args.previous)}


def command(args: argparse.Namespace, member: dict[str, Any]) -> list[str]:
    """How a member's worker is started."""
    configuration = {key: member[key] for key in ("framework", "variant", "precision", "parameters")}
    described = options.words(
        **{"model": args.model, "device": args.device, **configuration, "options": member["options"]},
        **{"threads": args.threads, "array": args.array, "input": args.input, "scores": args.scores},
        converted=Path(member.get("checkout", ""), paths.CONVERTED.format(**member, model=args.model)),
        **{"batch_size": args.batch_size, "launch": args.launch, "out": args.out},
        **{"random_images": args.random_images, "distinct": args.distinct},
    )
    return [workers.python(member["python"]), "-m", "dliflow", "worker", *described]


def group(
    commands: dict[str, list[str]], rounds: int, burst_s: float, warm_up: dict[str, Any], order: random.Random
) -> dict[str, Any]:
    """Rounds of one set of processes.

    What happened on the machine (`disturbance`) is seen from here; what happened to a member, its memory and where it
    ran is told by its own process (`told`).
    """
    burst = {"burst": {"requests": 1000, "limit_s": burst_s, "least": 3}}
    with workers.started({**commands, pacer.NAME: pacer.command(sys.executable)}) as (running, answers):
        beside = running.pop(pacer.NAME)
        for worker in running.values():
            worker.ask({"warm_up": warm_up})
        helpers = [worker.process.pid for worker in (beside, *running.values())]
        before = disturbance.snapshot(helpers)
        measured_rounds = []
        for _ in range(rounds):
            turns = list(running)
            order.shuffle(turns)
            probes, paces, latency = {}, [], {}
            for name in turns:
                probes[name] = disturbance.probe(times=2)
                paces += beside.ask(pacer.BURST)["latency_ns"]
                latency[name] = running[name].ask(burst)["latency_ns"]
            measured_rounds.append({"order": turns, "latency_ns": latency, "probe_ns": probes, "pacer_ns": paces})
        disturbed = disturbance.between(before, disturbance.snapshot(helpers))
        of_members = {name: worker.ask({"tell": True}) for name, worker in running.items()}
        identities = {name: answers[name]["identity"] for name in commands}
    return {
        "members": identities,
        "pacer": answers[pacer.NAME],
        "disturbance": {key: value for key, value in disturbed.items() if key in MACHINE},
        "told": of_members,
        "rounds": measured_rounds,
    }


def until_narrow(
    make: Callable[[], dict[str, Any]], pairs: Sequence[comparison.Pair], least: int, budget_s: float, width: float
) -> tuple[list[dict[str, Any]], str]:
    """Make groups until all ratios are narrow (`width`), or the budget is spent (`time`); the groups, and which it was.

    Args:
        make: measures one group.
        least: so many groups in any case.
        budget_s: after so many seconds no other group begins.
        width: half of a ratio's interval that is narrow enough, as a share of the ratio.
    """
    groups: list[dict[str, Any]] = []
    started = time.monotonic()
    while len(groups) < least or time.monotonic() - started < budget_s:
        groups.append(make())
        if len(groups) >= least and comparison.narrow(groups, pairs, width):
            return groups, "width"
    return groups, "time"


def run(args: argparse.Namespace) -> None:
    """Write the record with every burst in it."""
    identity = {**point_of(args), "scenario": "latency", "threads": args.threads or "default"}
    candidates = measured(args)
    if len(candidates) < 2:
        reason = f"{len(candidates)} of {len(args.candidates)} configurations ran: there is nothing to compare"
        session.write_record(args.out, "compare", identity, status="skipped", reason=reason)
        return
    launch.apply(args.launch)  # the workers inherit it, those of an older checkout too, and the probes run there
    broken: dict[str, workers.WorkerEnded] = {}
    while True:
        try:
            figures = compared(args, candidates, broken)
            break
        except workers.WorkerEnded as ended:
            print(f"dliflow compare: {ended}", file=sys.stderr, flush=True)
            broken[ended.name] = ended
            candidates = [one for one in candidates if comparison.name(one[0]) != ended.name]
            if len(candidates) < 2 or ended.name == pacer.NAME:
                raise DliflowError("\n".join(map(str, broken.values()))) from None
    missing = dict.fromkeys(args.missing, "what it needs failed")
    missing |= {name: f"its process {ended.how}" for name, ended in broken.items()}
    whole = not (broken or args.missing)
    part = args.out if args.missing else Path(paths.partial(str(args.out)))
    session.write_record(args.out if whole else part, "compare", identity, figures={**figures, "missing": missing})
    if whole:
        part.unlink(missing_ok=True)
    if broken:
        raise DliflowError("\n".join(f"{ended}. The others were compared without it" for ended in broken.values()))


def compared(
    args: argparse.Namespace, candidates: list[tuple[dict[str, Any], list[np.ndarray]]], broken: Collection[str]
) -> dict[str, Any]:
    """The record's figures of a comparison of the leading candidates.

    Args:
        candidates: as `measured` gives them.
        broken: names of members that are left out, older versions among them.

    Raises:
        WorkerEnded: when a member's process breaks.
    """

    def before(member: dict[str, Any]) -> Optional[dict[str, Any]]:
        earlier = older(args, member)
        return None if earlier is None or comparison.name(earlier) in broken else earlier

    members, pairs = comparison.choose(candidates, args.leaders, before)
    commands = {comparison.name(member): command(args, member) for member in members}
    warm_up = {"requests": args.warmup_requests, "limit_s": args.warmup_limit}
    order = random.Random(args.seed)
    started = time.monotonic()
    groups, stopped_by = until_narrow(
        lambda: group(commands, args.rounds, args.burst, warm_up, order), pairs, args.groups, args.budget, args.width
    )
    return {
        "members": groups[0]["members"],
        "pairs": [pair._asdict() for pair in pairs],
        "groups": [{key: one[key] for key in ("disturbance", "told", "rounds")} for one in groups],
        "pacer": groups[0]["pacer"],
        "stopped_by": stopped_by,
        "width_asked": args.width,
        "wall_s": time.monotonic() - started,
        "measured_s": measured_s(groups),
    }


def measured_s(groups: list[dict[str, Any]]) -> float:
    """Seconds of all requests."""
    rounds = (round_ for group in groups for round_ in group["rounds"])
    return sum(sum(durations) for round_ in rounds for durations in round_["latency_ns"].values()) / 1e9
