"""Tell where the time of a request goes: by the framework's own profiler, in turns with requests without it."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import Any

from dliflow import profiling
from dliflow.errors import DliflowError, Skip
from dliflow.machine import launch
from dliflow.measuring import feed, measure, metrics, session, warmup


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    session.arguments(parser)
    launch.arguments(parser)
    feed.arguments(parser)
    parser.add_argument("--node", required=True)
    parser.add_argument("--batch-size", type=int, required=True)
    parser.add_argument("--rounds", type=int, required=True, help="bursts with the profiler, and as many without")
    parser.add_argument("--burst-requests", type=int, required=True, help="how many at most")
    parser.add_argument("--burst-limit", type=float, required=True, help="seconds after which no new one begins")
    parser.add_argument("--warmup-requests", type=int, required=True, help="how many requests at most")
    parser.add_argument("--warmup-limit", type=float, required=True, help="seconds, likewise, for the warm-up")
    parser.add_argument("--out", type=Path, required=True, help="the record")


def run(args: argparse.Namespace) -> None:
    """Write the record."""
    description = session.described(args)
    place = {"node": args.node, "batch_size": args.batch_size}
    launch.apply(args.launch)
    try:
        profiler = profiling.load(args.framework)
        if profiler is None:
            raise Skip(f"{args.framework} has no file in workflow/dliflow/profiling, which would ask its profiler")
        if args.device == "gpu" and not getattr(profiler, "ON_GPU", False):
            raise Skip(
                f"{profiler.PROFILER} tells here how long it takes to start operators on a GPU, not what they take"
            )
        imported = session.import_model(description)
        identity, figures = profiled(imported, profiler, args)
    except Skip as skip:
        session.write_skip(args.out, "profile", description, skip, place)
        return
    session.write_record(args.out, "profile", {**identity, **place}, figures=figures)


def profiled(imported: session.Imported, profiler: Any, args: argparse.Namespace) -> tuple[dict, dict]:
    """The identity of what ran and the record's figures.

    Raises:
        DliflowError: when the profiler told of no operator at all.
    """
    plain, watched = imported.open(args.batch_size), imported.loaded(profiler.profile, batch_size=args.batch_size)
    batches = feed.batches(feed.images(args), args.batch_size, args.distinct)
    for one in (plain, watched):
        metrics.check_scores(one.predict(batches[0]), args.batch_size, args.scores)
        warmup.warm_up(partial(measure.run, one.predict), batches, args.warmup_requests, args.warmup_limit)
    latency_ns = []
    for _ in range(args.rounds):
        burst = measure.run(plain.predict, batches, requests=args.burst_requests, limit_s=args.burst_limit)
        latency_ns.append(burst.latency_ns)
        measure.run(watched.predict, batches, requests=len(burst.latency_ns), limit_s=None)
    requests = watched.requests()[-sum(map(len, latency_ns)) :]
    operators = gathered(requests)
    if not operators:
        raise DliflowError(f"{profiler.PROFILER} told of no operator")
    figures = {"latency_ns": latency_ns, "profiled_us": [request.us for request in requests]}
    return plain.identity, {**figures, "operators": operators, "profiler": profiler.PROFILER, **feed.chosen(args)}


def gathered(requests: list[profiling.Request]) -> list[dict[str, Any]]:
    """Each operator with what all of its calls took in each request, µs, in the order in which they are met."""
    operators: dict[tuple, dict[str, Any]] = {}
    for number, request in enumerate(requests):
        for one in request.operators:
            known = {"type": one.type, "name": one.name, "kernel": one.kernel, "int8": one.int8}
            fresh = {**known, "calls": [0] * len(requests), "us": [0.0] * len(requests)}
            kept = operators.setdefault(tuple(known.values()), fresh)
            kept["calls"][number] += 1
            kept["us"][number] += one.us
    return [{**one, "calls": max(one["calls"])} for one in operators.values()]
