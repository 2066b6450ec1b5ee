"""Hold one configuration, open its model for one batch size at a time, and make bursts of requests when told to.

Requests, each with an answer: `open` a batch size (and `warm_up`); `scores` of some images; `burst`, with the arguments
of `measure.run`; `close`, which tells what only this process knows: its memory, its page faults and switches, where its
threads could run.
"""

from __future__ import annotations

import argparse
import gc
import itertools
from collections.abc import Callable
from typing import Any, Optional

import numpy as np

from dliflow.errors import Skip
from dliflow.machine import disturbance, launch, process
from dliflow.measuring import feed, measure, metrics, session, warmup, workers


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    session.arguments(parser)
    launch.arguments(parser)
    parser.add_argument("--inputs", type=int, required=True, help="descriptor of the inputs in memory")
    parser.add_argument("--distinct", type=int, help="how many distinct batches at most; all when absent")


class Held:
    """The configuration of this process, and the session that is open."""

    def __init__(self, imported: session.Imported, ready: np.ndarray, args: argparse.Namespace):
        self.imported, self.ready, self.args = imported, ready, args
        self.opened: Optional[session.Opened] = None

    def open(self, batch_size: int, warm_up: dict[str, Any]) -> dict[str, Any]:
        """Load, one request, warm-up: three different figures."""
        batches = feed.batches(self.ready, batch_size, self.args.distinct)
        process.reset_peak()
        try:
            self.opened = self.imported.open(batch_size)
            first = measure.run(self.opened.predict, batches, requests=1, limit_s=None)
        except Skip as skip:
            return {"skip": str(skip)}
        metrics.check_scores(self.opened.predict(batches[0]), batch_size, self.args.scores)
        warming, stopped_by = warmup.warm_up(self.opened.predict, batches, **warm_up)
        gc.freeze()  # each burst begins with a collection, which need not look through a whole framework
        self.batches = batches
        self.turns = itertools.cycle(range(len(batches)))
        self.counters = dict.fromkeys(disturbance.process_counters(), 0.0)
        return {
            "batch_size": batch_size,
            "threads_in_effect": self.opened.identity["threads_in_effect"],
            "load_ms": self.opened.load_ms,
            "first_request_ms": first.latency_ns[0] / 1e6,
            "warmup_ns": warming,
            "warmup_stopped_by": stopped_by,
            **feed.described(batches),
        }

    def scores(self, images: int) -> dict[str, Any]:
        """What the first so many images give, or fewer where there are fewer: a list for each, of whole batches."""
        assert self.opened is not None
        count = -(-images // len(self.batches[0]))
        parts = [session.checked_predict(self.opened, batch, self.args.scores) for batch in self.batches[:count]]
        return {"scores": np.concatenate(parts)[:images].tolist()}

    def burst(self, **bounds: Any) -> dict[str, Any]:
        """Timed requests, after one that is not, since others have emptied the caches."""
        assert self.opened is not None
        first = next(self.turns)  # bursts begin at different batches, or short ones would see the same few always
        session.checked_predict(self.opened, self.batches[first - 1], self.args.scores)
        before = disturbance.process_counters()
        samples = measure.run(self.opened.predict, self.batches[first:] + self.batches[:first], **bounds)
        for counter, value in disturbance.process_counters().items():
            self.counters[counter] += value - before[counter]
        return {"latency_ns": samples.latency_ns}

    def close(self) -> dict[str, Any]:
        """Give the session's memory back, and tell what happened."""
        closing = {
            "peak_rss_mib": process.peak_rss_mib(),
            "counters": self.counters,
            "launch": launch.in_effect(self.args.launch),  # inherited; the framework may have moved its threads since
        }
        self.opened = None
        gc.unfreeze()
        gc.collect()
        return closing


def run(args: argparse.Namespace) -> None:
    """Import, tell that it is ready, then answer."""
    description = session.described(args)
    session.set_variables(description)  # now, since a process that begins anew later has lost where answers go
    stream = workers.answers()

    def start() -> tuple[dict[str, Any], workers.Answer]:
        try:
            imported = session.import_model(description)
        except Skip as skip:
            return {"skip": str(skip)}, lambda request: {}
        held = Held(imported, feed.mapped(args.inputs), args)
        calls: dict[str, Callable[..., dict[str, Any]]] = {
            "open": held.open,
            "scores": held.scores,
            "burst": held.burst,
            "close": held.close,
        }

        def answer(request: dict[str, Any]) -> dict[str, Any]:
            ((call, values),) = request.items()
            return calls[call](**values)

        figures = {"import_ms": imported.import_ms, "model_bytes": imported.model_bytes}
        return {"identity": imported.identity, **figures, **session.software()}, answer

    workers.serve(stream, start)
