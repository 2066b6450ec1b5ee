"""Hold one loaded configuration and make short bursts of requests when told to, for `compare`.

It is asked to `warm_up`, or for a `burst` with the arguments of `measure.run`, which it answers with its `latency_ns`,
or to `tell` what it alone can know: what happened to this process during its bursts, its memory, where it may run.
"""

from __future__ import annotations

import argparse
import gc
import itertools
from typing import Any

from dliflow.errors import DliflowError, Skip
from dliflow.machine import disturbance, launch, process
from dliflow.measuring import feed, measure, metrics, session, workers
from dliflow.measuring.warmup import warm_up


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    session.arguments(parser)
    feed.arguments(parser)
    launch.arguments(parser)
    parser.add_argument("--batch-size", type=int, required=True)


def run(args: argparse.Namespace) -> None:
    """Load, tell that it is ready, then answer."""
    answers = workers.answers()
    batches = feed.batches(args)
    try:
        opened = session.open_model(session.described(args), args.batch_size)
        scores = opened.predict(batches[0])
    except Skip as skip:
        raise DliflowError(f"{args.framework} cannot run here, though it was measured: {skip}") from None
    metrics.check_scores(scores, args.batch_size, args.scores)
    gc.freeze()  # each burst begins with a collection, which need not look through a whole framework
    turns = itertools.cycle(range(len(batches)))
    spent = dict.fromkeys(disturbance.process_counters(), 0.0)

    def answer(request: dict[str, Any]) -> dict[str, Any]:
        if "warm_up" in request:
            warm_up(opened.predict, batches, **request["warm_up"])
            return {}
        if "tell" in request:
            placed = launch.in_effect(args.launch)  # inherited; the framework may have moved its threads since
            return {"disturbance": spent, "peak_rss_mib": process.peak_rss_mib(), "launch": placed}
        first = next(turns)  # bursts begin at different batches, or a short one would see the same few always
        session.checked_predict(opened, batches[first - 1], args.scores)  # the others have emptied the caches
        before = disturbance.process_counters()
        samples = measure.run(opened.predict, batches[first:] + batches[:first], **request["burst"])
        for counter, value in disturbance.process_counters().items():
            spent[counter] += value - before[counter]
        return {"latency_ns": samples.latency_ns}

    workers.serve(answers, {"identity": opened.identity}, answer)
