"""Measure one configuration in one process: load, first request, warm-up, then requests one after another."""

from __future__ import annotations

import argparse
import time
from typing import Any, Optional

import numpy as np

from dliflow import disturbance, feed, launch, machine, measure, metrics, series, session
from dliflow.errors import Skip
from dliflow.files import read_json


def bound(text: str) -> Optional[float]:
    """A number, or None for 'none'."""
    return None if text == "none" else float(text)


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
    parser.add_argument("--limit", type=bound, required=True, help="seconds after which no new one is made, or 'none'")
    parser.add_argument(
        "--width", type=bound, required=True, help="share of the median that is narrow enough, or 'none'"
    )
    parser.add_argument("--least", type=int, required=True, help="independent requests' worth before it may be")
    parser.add_argument("--warmup-requests", type=int, required=True, help="how many requests at most")
    parser.add_argument("--warmup-limit", type=float, required=True, help="seconds, likewise, for the warm-up")


def warm_up(predict: Any, batches: list[np.ndarray], requests: int, limit_s: float) -> tuple[list[int], str]:
    """Make requests until they are steady; their durations in ns, and why they ended: steady, requests or time."""
    if not requests:
        return [], "requests"
    made = measure.run(
        predict, batches, requests=requests, limit_s=limit_s, until=series.steady, ask_from=series.STEADY_FROM
    )
    return made.latency_ns, {"until": "steady"}.get(made.stopped_by, made.stopped_by)


def requests_until(args: argparse.Namespace, predict: Any, batches: list[np.ndarray]) -> measure.Samples:
    """The measured requests: all of them, or as many as make the median's interval narrow."""
    until = None if args.width is None else series.narrow(args.width, args.least)
    return measure.run(predict, batches, requests=args.requests, limit_s=args.limit, until=until, ask_from=args.least)


def described(samples: measure.Samples) -> dict[str, Any]:
    """A record's figures of the measured series."""
    values = np.array(samples.latency_ns, float)
    return {
        "latency_ns": samples.latency_ns,
        "stopped_by": {"until": "width"}.get(samples.stopped_by, samples.stopped_by),
        "wall_ms": samples.wall_ns / 1e6,
        "interval_ns": series.median_interval(values),
        "drift": series.drift(values),
        "drift_p": series.drift_p(values),
    }


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
    warmup, warmup_stopped_by = warm_up(opened.predict, batches, args.warmup_requests, args.warmup_limit)
    found_before = disturbance.snapshot()
    samples = requests_until(args, opened.predict, batches)
    found_after = disturbance.snapshot()
    probe_after = disturbance.probe()
    session.checked_predict(opened, batches[-1], args.scores)
    session.write_record(
        args,
        "latency",
        {**opened.identity, **extra},
        launch=launch.found(args.launch),
        figures={
            **described(samples),
            "warmup_ns": warmup,
            "warmup_stopped_by": warmup_stopped_by,
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
