"""Measure one configuration at all batch sizes in one group: a fresh process, which takes turns with the anchor.

With `--in-flight` it is measured at each batch size with each number of requests in flight at a time (the scenario
throughput), in the way that its framework declares. What a point breaks costs that one alone. Then the stage fails,
what was measured lies beside the record that it could not write, and the next attempt measures only what is missing.
"""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path
from typing import Any

from dliflow import frameworks
from dliflow.errors import DliflowError, Skip
from dliflow.files import digest, read_json, sha256
from dliflow.machine import facts, launch
from dliflow.measuring import anchor, feed, session, turns, workers
from dliflow.study import arguments as command_line
from dliflow.study import paths, source_code

NAME = "measured"  # of the only member
# What its worker is told.
HELD = (
    *("model", "framework", "api", "variant", "precision", "device", "parameters", "threads", "options", "converted"),
    *("built", "scores", "launch", "distinct"),
)


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    session.arguments(parser)
    launch.arguments(parser)
    feed.arguments(parser)
    turns.arguments(parser)
    anchor.arguments(parser)
    parser.add_argument("--node", required=True)
    parser.add_argument("--scenario", required=True)
    parser.add_argument("--python", required=True, help="of the framework's environment, or a file naming it")
    parser.add_argument("--batch-sizes", type=json.loads, required=True, help="JSON: list")
    parser.add_argument("--in-flight", type=json.loads, help="JSON: list; when absent requests come one by one")
    parser.add_argument("--group", type=int, required=True, help="number of the group")
    parser.add_argument("--sessions", type=int, required=True, help="of each point, at most")
    parser.add_argument("--budget", type=float, help="seconds for all points together")
    parser.add_argument("--origin", required=True, help="digest of the model's own file")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True, help="the record")


def run(args: argparse.Namespace) -> None:
    """Write the record with every burst in it.

    Raises:
        DliflowError: naming the points that could not be measured, and why.
    """
    description = session.described(args)
    extra = {key: getattr(args, key) for key in ("node", "scenario", "parameters", "group", "origin")}
    extra["list_sha256"] = None if args.random_images else read_json(args.array)["list_sha256"]
    reason = session.refused(description)
    if reason is not None:  # before inputs are made and processes are started
        session.write_skip(args.out, "sweep", description, Skip(reason), extra)
        return
    partial = Path(paths.partial(str(args.out)))
    earlier = measured_before(partial, args) if partial.exists() else []
    launch.apply(args.launch)  # the workers inherit it
    try:
        groups, broken = measured(args, [each for each in points(args) if each not in at(earlier)])
    except turns.Skipped as skipped:
        session.write_skip(args.out, "sweep", description, Skip(skipped.reason), extra)
        return
    groups = [*earlier, *groups]
    failed = [one for one in broken if not one.skipped]
    if not groups and not failed:
        session.write_skip(args.out, "sweep", description, Skip(broken[0].reason), extra)
        return
    identity = {**description.identity, **extra, "batch_sizes": args.batch_sizes}
    if groups:
        identity["framework_version"] = groups[-1]["members"][NAME]["identity"]["framework_version"]
    figures = {"groups": groups, "broken": [one._asdict() for one in broken], **feed.chosen(args)}
    paths_of = {name: getattr(args, name) for name in ("python", "converted", "built")}
    figures |= {name: path and str(path) for name, path in paths_of.items()}  # by which an older version is run again
    if failed:
        figures["key"] = deciding(args)
        session.write_record(partial, "sweep", identity, figures=figures)
        raise DliflowError("\n".join(f"{_told(one)}: {one.reason}" for one in failed))
    session.write_record(args.out, "sweep", identity, figures=figures)
    partial.unlink(missing_ok=True)


def _told(one: turns.Broken) -> str:
    """A point in words."""
    beside = "" if one.in_flight is None else f", {one.in_flight} in flight"
    return f"batch size {one.batch_size}{beside}"


def points(args: argparse.Namespace) -> list[turns.Point]:
    """All that is to be measured."""
    return turns.points(args.batch_sizes, args.in_flight or [None])


def measured(args: argparse.Namespace, missing: list[turns.Point]) -> tuple[list[dict[str, Any]], list[turns.Broken]]:
    """Groups of sessions of these points, and those that could not be had."""
    of_anchor = anchor.asked(args)
    order = random.Random(f"{args.seed}:{args.out}")
    part = None if args.budget is None else args.budget / len(points(args))
    wanted = turns.Sweep(missing, args.sessions, part)
    held = {key: getattr(args, key) for key in HELD}
    if args.in_flight:
        held["mode"] = frameworks.concurrency(args.framework)
    with feed.shared(feed.images(args)) as inputs:
        command = command_line.worker(workers.python(args.python), inputs, **held)
        return turns.sweep(NAME, command, of_anchor, inputs, wanted, turns.Pace.of(args), order)


def deciding(args: argparse.Namespace) -> str:
    """Digest of everything that decides what is measured; what an earlier attempt left under another one is dropped."""
    code = source_code.digest("stages.sweep", "stages.worker", "stages.anchor", f"frameworks.{args.framework}")
    asked = {key: str(value) for key, value in vars(args).items()}
    named = {key: getattr(args, key) for key in ("converted", "built", "array", "anchor")}
    files = {key: path and sha256(path) for key, path in named.items()}
    machine = facts.stable(facts.describe())  # of the whole record, which tells of one
    return digest({"asked": asked, "files": files, "code": code, "machine": machine}, 64)


def measured_before(partial: Path, args: argparse.Namespace) -> list[dict[str, Any]]:
    """The groups that an earlier attempt left, without the sessions of the points at which it failed."""
    try:
        figures = read_json(partial)["figures"]
    except DliflowError:  # damaged: all is measured
        return []
    if figures["key"] != deciding(args):
        return []
    failed = {turns.Point(one["batch_size"], one["in_flight"]) for one in figures["broken"] if not one["skipped"]}
    of_groups = [
        [one for one in group["sessions"] if failed.isdisjoint(turns.opened_at(one))] for group in figures["groups"]
    ]
    return [{**group, "sessions": sessions} for group, sessions in zip(figures["groups"], of_groups) if sessions]


def at(groups: list[dict[str, Any]]) -> set[turns.Point]:
    """The points of which there are sessions."""
    return {point for group in groups for one in group["sessions"] for point in turns.opened_at(one)}
