"""Measure one configuration in one process: load, first request, warm-up, then requests one after another."""

from __future__ import annotations

import argparse
import time

from dliflow import disturbance, feed, launch, machine, measure, metrics, session
from dliflow.errors import Skip
from dliflow.files import read_json


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    session.arguments(parser)
    launch.arguments(parser)
    feed.arguments(parser)
    parser.add_argument("--node", required=True)
    parser.add_argument("--scenario", required=True)
    parser.add_argument("--parameters", required=True)
    parser.add_argument("--batch-size", type=int, required=True)
    parser.add_argument("--repetition", type=int, required=True)
    parser.add_argument("--requests", type=int, required=True, help="how many requests at most")
    parser.add_argument("--limit", type=float, required=True, help="seconds after which no new request is made")
    parser.add_argument("--warmup-requests", type=int, required=True)
    parser.add_argument("--warmup-limit", type=float, required=True, help="seconds, likewise, for the warm-up")


def run(args: argparse.Namespace) -> None:
    """Write the record with every sample in it."""
    launch.apply(args.launch)
    extra = {key: getattr(args, key) for key in ("node", "scenario", "parameters", "batch_size", "repetition")}
    extra["list_sha256"] = None if args.random_images else read_json(args.array)["list_sha256"]
    batches = feed.batches(args)
    try:
        opened = session.open_model(args, args.batch_size)
        before = time.perf_counter_ns()
        scores = opened.predict(batches[0])
        first_request_ms = (time.perf_counter_ns() - before) / 1e6
    except Skip as skip:
        session.write_skip(args, "latency", skip, extra)
        return
    metrics.check_scores(scores, args.batch_size, args.scores)
    probe_before = disturbance.probe()
    warmup = []
    if args.warmup_requests:
        warmup = measure.run(
            opened.predict, batches, requests=args.warmup_requests, limit_s=args.warmup_limit
        ).latency_ns
    found_before = disturbance.snapshot()
    samples = measure.run(opened.predict, batches, requests=args.requests, limit_s=args.limit)
    found_after = disturbance.snapshot()
    probe_after = disturbance.probe()
    session.checked_predict(opened, batches[-1], args.scores)
    session.write_record(
        args,
        "latency",
        {**opened.identity, **extra},
        launch=launch.found(args.launch),
        figures={
            "latency_ns": samples.latency_ns,
            "warmup_ns": warmup,
            "stopped_by": samples.stopped_by,
            "wall_ms": samples.wall_ns / 1e6,
            "import_ms": opened.import_ms,
            "load_ms": opened.load_ms,
            "first_request_ms": first_request_ms,
            "peak_rss_mib": machine.peak_rss_mib(),
            "model_bytes": opened.model_bytes,
            **feed.told(args, batches),
            "disturbance": disturbance.between(found_before, found_after),
            "probe_before_ns": probe_before,
            "probe_after_ns": probe_after,
        },
    )
