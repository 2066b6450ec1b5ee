"""Measure the leading configurations of a model × batch size together, in rounds, and each against its reference.

The same machinery as that of the sweep, with several members, each in its framework's environment. It ends when all
pairs are known or clearly decided, or with the budget. Without a batch size the fastest configurations of several batch
sizes meet: which one classifies most images in a time.

A member whose process breaks is left out and the others are compared, with the groups that were finished before; the
stage fails all the same, and their record lies beside the one that it could not write.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from dliflow import frameworks
from dliflow.analysis import anchored, comparison, race, state
from dliflow.analysis.anchored import Bursts, Reference
from dliflow.analysis.state import Estimate
from dliflow.configuration import CPP
from dliflow.errors import DliflowError
from dliflow.machine import launch
from dliflow.measuring import anchor, feed, session, turns, workers
from dliflow.records import earlier, record
from dliflow.study import arguments as command_line
from dliflow.study import paths, plan

Member = dict[str, Any]


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    launch.arguments(parser)
    feed.arguments(parser)
    turns.arguments(parser)
    anchor.arguments(parser)
    parser.add_argument("--node", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--device", required=True)
    parser.add_argument("--batch-sizes", type=json.loads, required=True, help="JSON: of several the best is looked for")
    parser.add_argument(
        "--candidates",
        type=json.loads,
        required=True,
        help="JSON: configurations, each with `python` and `options`, and `anchor` where one runs on their GPU",
    )
    parser.add_argument("--tuned", type=json.loads, default=[], help="JSON: records of tuning whose settings take part")
    parser.add_argument("--missing", nargs="*", default=[], help="names of candidates that are left out: they failed")
    parser.add_argument("--groups-of-sweep", type=int, required=True, help="how many records each of them has")
    parser.add_argument("--scores", type=int, required=True)
    parser.add_argument("--threads", type=int, help="compute threads; the framework's own choice when absent")
    parser.add_argument("--leaders", type=int, required=True, help="how many at most")
    parser.add_argument("--width", type=float, required=True, help="half of a ratio's interval that is narrow enough")
    parser.add_argument("--budget", type=float, required=True, help="seconds after which no new group begins")
    parser.add_argument("--groups", type=int, required=True, help="how many at least, whatever the budget")
    parser.add_argument("--sessions", type=int, required=True, help="in each group")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True, help="the record")


class Swept(NamedTuple):
    """What the sweep tells of the candidates that ran, and whose scores agreed."""

    members: dict[str, Member]
    estimates: dict[tuple[str, int], Estimate]
    """By name and batch size."""
    reference: Reference
    """The state that ratios are read off at."""


def swept(args: argparse.Namespace) -> Swept:
    """Read the candidates' records."""
    point = {"node": args.node, "model": args.model, "device": args.device}
    members: dict[str, Member] = {}
    bursts: dict[tuple[str, int | None], Bursts] = {}  # of all batch sizes, or of the only one with these settings
    broken: set[tuple[str, int]] = set()
    for candidate in args.candidates:
        name = comparison.name(candidate)
        if name in args.missing:
            continue
        parity = record.read(paths.PARITY.format(**point, **candidate))
        if candidate["parameters"] == race.TUNED:
            tuned = _tuned(args, candidate) if parity["status"] == "ok" else {}
            if tuned:
                members[name] = {**candidate, "settings": {size: each["chosen"] for size, each in tuned.items()}}
                bursts |= {(name, size): anchored.bursts(each["confirm"])[race.TUNED] for size, each in tuned.items()}
            continue
        numbers = range(1, args.groups_of_sweep + 1)
        records = [_of_sweep(paths.SWEEP.format(**point, **candidate, group=number)) for number in numbers]
        if all(one["status"] == "ok" for one in (parity, *records)):
            members[name] = candidate
            (bursts[name, None],) = anchored.bursts(
                [group for one in records for group in one["figures"]["groups"]]
            ).values()
            broken |= {(name, lost["batch_size"]) for one in records for lost in one["figures"]["broken"]}
    estimates = {(name, size): known for ((name, _), size), known in state.estimates(bursts).items()}
    kept = {key: known for key, known in estimates.items() if key not in broken}
    return Swept(members, kept, anchored.reference_state(bursts.values()))


def _tuned(args: argparse.Namespace, candidate: Member) -> dict[int, dict[str, Any]]:
    """By batch size, what the records of tuning found for a candidate that is shown faster than its default."""
    point = {"node": args.node, "model": args.model, "device": args.device}
    paths_of = {size: paths.TUNE.format(**point, **candidate, batch_size=size) for size in args.batch_sizes}
    records = {size: record.read(path) for size, path in paths_of.items() if path in args.tuned}
    good = {size: each["figures"] for size, each in records.items() if each["status"] == "ok"}
    return {size: figures for size, figures in good.items() if figures["chosen"]}


def _at(member: Member, size: int) -> Member:
    """A member with the launch settings that it has at a batch size; one that is not tuned has the study's at all."""
    if "settings" not in member:
        return member
    threads, options = frameworks.apart(member["settings"][size])
    return {
        **{key: value for key, value in member.items() if key != "settings"},
        "threads": threads,
        "options": options,
    }


def _of_sweep(path: str) -> dict[str, Any]:
    """A record of the sweep; where it broke at some batch sizes, what it left of the others."""
    return record.read(path if Path(path).exists() else paths.partial(path))


def chosen(args: argparse.Namespace, known: Swept) -> tuple[list[Member], list[comparison.Pair]]:
    """Who takes part, each with its `size`, and the pairs to decide."""
    members, estimates = known.members, known.estimates
    if len(args.batch_sizes) == 1:
        (size,) = args.batch_sizes
        of_size = {name: estimates[name, size] for name in members if (name, size) in estimates}
        able = {name: _at(members[name], size) for name in of_size}
        if len(able) < 2:
            return [], []
        point = {"node": args.node, "model": args.model, "device": args.device}
        return comparison.choose(able, of_size, args.leaders, lambda member: earlier.version(member, point))
    fastest = {size: _fastest(args, size, known) for size in args.batch_sizes}
    each = [{**_at(members[name], size), "size": size} for size, name in fastest.items() if name is not None]
    if len(each) < 2:
        return [], []
    rate = {comparison.name(one): _of_image(one, estimates) for one in each}
    first, *others = sorted(rate, key=rate.__getitem__)
    return each, [comparison.Pair(first, other, "batch size") for other in others]


def _of_image(member: Member, estimates: Mapping[tuple[str, int], Estimate]) -> float:
    """Milliseconds for an image."""
    called = comparison.name({key: value for key, value in member.items() if key != "size"})
    return estimates[called, member["size"]].reference / member["size"]


def _fastest(args: argparse.Namespace, size: int, known: Swept) -> str | None:
    """The fastest of a batch size: by its rounds, without any by the sweep; None where nothing ran."""
    able = [name for name in known.members if (name, size) in known.estimates]
    path = Path(paths.COMPARE.format(node=args.node, model=args.model, device=args.device, batch_size=size))
    of_size = record.read(str(path)) if path.exists() else None
    if of_size is not None and of_size["status"] == "ok":
        figures = of_size["figures"]
        together = [name for name in figures["members"] if name in able]
        if together:
            groups, at = figures["groups"], comparison.reference(figures["groups"], known.reference)
            return comparison.best(
                together,
                lambda one, other: comparison.ratio(groups, comparison.Pair(one, other, ""), at=at).ratio,
            )
    return min(able, key=lambda name: known.estimates[name, size].reference, default=None)


def run(args: argparse.Namespace) -> None:
    """Write the record with every burst in it."""
    sizes = {"batch_sizes": args.batch_sizes} if len(args.batch_sizes) > 1 else {"batch_size": args.batch_sizes[0]}
    point = {"node": args.node, "model": args.model, "device": args.device, **sizes}
    identity = {**point, "scenario": "latency", "threads": args.threads or "default"}
    known = swept(args)
    members, pairs = chosen(args, known)
    if not members:
        reason = f"fewer than two of {len(args.candidates)} configurations ran: there is nothing to compare"
        session.write_record(args.out, "compare", identity, status="skipped", reason=reason)
        return
    launch.apply(args.launch)  # the workers inherit it
    broken: dict[str, str] = {}
    groups: list[Mapping[str, Any]] = []
    with feed.shared(feed.images(args)) as inputs:
        while True:
            try:
                figures = compared(args, members, pairs, known.reference, groups, inputs)
                break
            except (workers.WorkerEnded, turns.Skipped) as ended:
                print(f"dliflow rounds: {ended}", file=sys.stderr, flush=True)
                broken[ended.name] = ended.reason
                pairs = _without(ended.name, pairs)
                members = [one for one in members if any(comparison.name(one) in pair[:2] for pair in pairs)]
                if not pairs or ended.name == anchor.NAME:
                    raise DliflowError(_told(broken)) from None
    missing = {**dict.fromkeys(args.missing, "what it needs failed"), **broken}
    whole = not missing
    part = args.out if args.missing else Path(paths.partial(str(args.out)))
    session.write_record(args.out if whole else part, "compare", identity, figures={**figures, "missing": missing})
    if whole:
        part.unlink(missing_ok=True)
    if broken:
        raise DliflowError(f"{_told(broken)}. The others were compared without it")


def _told(broken: Mapping[str, str]) -> str:
    return "\n".join(f"{name}: {reason}" for name, reason in broken.items())


def _without(name: str, pairs: Sequence[comparison.Pair]) -> list[comparison.Pair]:
    """The pairs that are left, each once; where all of a purpose were with one that broke, the next takes its place."""
    anew = []
    for purpose in ("leaders", "batch size"):
        others = [pair.second for pair in pairs if pair.purpose == purpose and pair.first == name]
        anew += [comparison.Pair(others[0], other, purpose) for other in others[1:]]
    left = [*anew, *(pair for pair in pairs if name not in pair[:2])]
    return list({frozenset(pair[:2]): pair for pair in reversed(left)}.values())[::-1]


def compared(
    args: argparse.Namespace,
    members: Sequence[Member],
    pairs: Sequence[comparison.Pair],
    reference: Reference,
    groups: list[Mapping[str, Any]],
    inputs: int,
) -> dict[str, Any]:
    """The record's figures of a comparison.

    Args:
        reference: of the sweep.
        groups: those that were finished before a member broke, which had a part in them; more are added.
        inputs: descriptor of the inputs, which the workers inherit.

    Raises:
        WorkerEnded: when a member's process breaks.
        Skipped: when a member cannot run here after all.
    """
    of_anchor = anchor_command(args, members)
    commands = {comparison.name(member): command(args, member, inputs) for member in members}
    sizes = {comparison.name(member): member.get("size", args.batch_sizes[0]) for member in members}
    pace, order = turns.Pace.of(args), random.Random(args.seed)

    def make() -> dict[str, Any]:
        begun = time.monotonic()
        with turns.group(commands, of_anchor, inputs, pace.hang_s) as running:
            watch = turns.Watch(running)
            sessions = [turns.session(running, sizes, pace, order) for _ in range(args.sessions)]
            return turns.described(running, watch.seen(), sessions, begun)

    stopped_by = comparison.until_decided(make, groups, pairs, args.groups, args.budget, args.width, reference)
    return {
        "members": {name: ready["identity"] for name, ready in groups[0]["members"].items()},
        "pairs": [pair._asdict() for pair in pairs],
        "groups": groups,
        "stopped_by": stopped_by,
        "width_asked": args.width,
        "wall_s": sum(group["wall_s"] for group in groups),
        **feed.chosen(args),
    }


def anchor_command(args: argparse.Namespace, members: Sequence[Member]) -> list[str]:
    """How the anchor's worker is started: on a GPU where a member that runs there brings its environment.

    So members that run on another GPU beside it, for which there is none, do not keep it from theirs.
    """
    of_members = [member["anchor"] for member in members if "anchor" in member]
    if not of_members:
        return anchor.asked(args)
    return anchor.command(workers.python(of_members[0]), anchor.file(args.anchor), anchor.GPU)


def command(args: argparse.Namespace, member: Member, inputs: int) -> list[str]:
    """How a member's worker is started."""
    configuration = {key: member[key] for key in (*plan.CANDIDATE, "options")}
    return command_line.worker(
        workers.python(member["python"]),
        inputs,
        **configuration,
        **{"model": args.model, "device": args.device, "scores": args.scores},
        threads=member.get("threads", args.threads),
        converted=member.get("converted") or paths.CONVERTED.format(**member, model=args.model),
        built=member.get("built") or (paths.BUILT.format(**member) if member["api"] == CPP else None),
        **{"launch": args.launch, "distinct": args.distinct},
    )
