"""Measure one configuration in one process: load, first request, warm-up, then requests one after another.

Before and after the requests, and now and then between them, comes a burst of the pacer, which stands still otherwise:
through it, measurements made at different times can be set against each other.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from dliflow.errors import Skip
from dliflow.files import read_json
from dliflow.machine import disturbance, launch, process, rest
from dliflow.measuring import feed, measure, metrics, pacer, series, session, workers
from dliflow.measuring.warmup import warm_up

PACE_EVERY_S = 0.15  # of the measuring, at most: often enough to see what changes within seconds


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    session.arguments(parser)
    launch.arguments(parser)
    feed.arguments(parser)
    parser.add_argument("--node", required=True)
    parser.add_argument("--scenario", required=True)
    parser.add_argument("--batch-size", type=int, required=True)
    parser.add_argument("--repetition", type=int, required=True)
    parser.add_argument("--pacer", required=True, help="Python of the orchestrator's environment, or a file naming it")
    parser.add_argument("--requests", type=int, required=True, help="how many requests at most")
    parser.add_argument("--limit", type=float, help="seconds after which no new one is made")
    parser.add_argument("--width", type=float, help="share of the median that is narrow enough; else all are made")
    parser.add_argument("--least", type=int, required=True, help="independent requests' worth before it may be")
    parser.add_argument("--warmup-requests", type=int, required=True, help="how many requests at most")
    parser.add_argument("--warmup-limit", type=float, required=True, help="seconds, likewise, for the warm-up")


class Pacing:
    """Bursts of the pacer between the requests of one measurement."""

    def __init__(self, worker: workers.Worker, predict: Any, batch: np.ndarray):
        self.worker, self.predict, self.batch = worker, predict, batch
        self.bursts_ns: list[list[int]] = []
        self.at_rest = True
        """Whether the framework's threads slept during all of them; if not, they do not tell the machine's speed."""
        self._next = 0.0

    def burst(self) -> None:
        """Let the framework's threads fall asleep and the pacer work."""
        if self.at_rest:  # threads that did not sleep once will not the next time: waiting would only cost time
            self.at_rest = rest.wait()
        self.bursts_ns.append(self.worker.ask(pacer.BURST)["latency_ns"])
        self._next = time.monotonic() + PACE_EVERY_S

    def when_due(self) -> None:
        """A burst, unless the last one was a moment ago; then a request that warms the framework's caches again."""
        if time.monotonic() >= self._next:
            self.burst()
            self.predict(self.batch)


def requests_until(
    args: argparse.Namespace, predict: Any, batches: list[np.ndarray], between: Callable[[], None]
) -> measure.Samples:
    """The measured requests: all of them, or as many as make the median's interval narrow."""
    until = None if args.width is None else series.narrow(args.width, args.least)
    bounds = {"requests": args.requests, "limit_s": args.limit}
    return measure.run(predict, batches, **bounds, until=until, ask_from=args.least, between=between)


def described(samples: measure.Samples) -> dict[str, Any]:
    """A record's figures of the measured series."""
    return {
        "latency_ns": samples.latency_ns,
        "stopped_by": {"until": "width"}.get(samples.stopped_by, samples.stopped_by),
        "wall_ms": samples.wall_ns / 1e6,
    }


def run(args: argparse.Namespace) -> None:
    """Write the record with every sample in it."""
    launch.apply(args.launch)  # the pacer inherits it
    with workers.started({pacer.NAME: pacer.command(workers.python(args.pacer))}) as (running, answers):
        measured(args, running[pacer.NAME], answers[pacer.NAME])


def measured(args: argparse.Namespace, beside: workers.Worker, made_by: dict[str, Any]) -> None:
    """Measure by turns with the pacer, which is stopped now, and write the record.

    Args:
        made_by: what the pacer told of itself.
    """
    description = session.described(args)
    extra = {key: getattr(args, key) for key in ("node", "scenario", "parameters", "batch_size", "repetition")}
    extra["list_sha256"] = None if args.random_images else read_json(args.array)["list_sha256"]
    batches = feed.batches(args)
    try:
        opened = session.open_model(description, args.batch_size)
        before = time.perf_counter_ns()
        scores = opened.predict(batches[0])
        first_request_ms = (time.perf_counter_ns() - before) / 1e6
    except Skip as skip:
        session.write_skip(args.out, "latency", description, skip, extra)
        return
    metrics.check_scores(scores, args.batch_size, args.scores)
    warmup, warmup_stopped_by = warm_up(opened.predict, batches, args.warmup_requests, args.warmup_limit)
    pacing = Pacing(beside, opened.predict, batches[-1])
    pacing.burst()
    probe_before = disturbance.probe()  # the threads still sleep
    opened.predict(batches[-1])  # warms the caches again
    found_before = disturbance.snapshot([beside.process.pid])
    samples = requests_until(args, opened.predict, batches, pacing.when_due)
    found_after = disturbance.snapshot([beside.process.pid])
    pacing.burst()
    probe_after = disturbance.probe()
    session.checked_predict(opened, batches[-1], args.scores)
    session.write_record(
        args.out,
        "latency",
        {**opened.identity, **extra},
        launch=launch.in_effect(args.launch),
        figures={
            **described(samples),
            "warmup_ns": warmup,
            "warmup_stopped_by": warmup_stopped_by,
            "import_ms": opened.import_ms,
            "load_ms": opened.load_ms,
            "first_request_ms": first_request_ms,
            "peak_rss_mib": process.peak_rss_mib(),
            "model_bytes": opened.model_bytes,
            **feed.described(args, batches),
            "disturbance": disturbance.between(found_before, found_after),
            "probe_before_ns": probe_before,
            "probe_after_ns": probe_after,
            "pacer_ns": pacing.bursts_ns,
            "pacer": made_by,
            "at_rest": pacing.at_rest,
            "requests_asked": args.requests,
            "width_asked": args.width,
        },
    )
