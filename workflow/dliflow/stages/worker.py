"""Hold one loaded configuration and make short bursts of requests when told to, for `compare`.

A line of JSON on the standard input asks for a burst (`requests` at most, `limit_s`, `least`), a line of JSON on the
standard output answers with its `latency_ns`. The input's end is the end.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sys
from typing import Any

from dliflow import inputs, measure, metrics, session
from dliflow.errors import DliflowError, Skip
from dliflow.stages.latency import make_batches


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    session.arguments(parser)
    parser.add_argument("--batch-size", type=int, required=True)


def run(args: argparse.Namespace) -> None:
    """Load, tell that it is ready, then answer."""
    # What a framework prints must not come between the answers.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def answer(found: dict[str, Any]) -> None:
        answers.write(json.dumps(found) + "\n")
        answers.flush()

    batches = make_batches(inputs.read(args.array), args.input, args.batch_size)
    try:
        opened = session.open_model(args, args.batch_size)
        scores = opened.predict(batches[0])
    except Skip as skip:
        raise DliflowError(f"{args.framework} cannot run here, though it was measured: {skip}") from None
    metrics.check_scores(scores, args.batch_size, args.scores)
    answer({"identity": opened.identity})
    turns = itertools.cycle(range(len(batches)))
    for line in sys.stdin:
        first = next(turns)  # bursts begin at different batches, or a short one would see the same few always
        samples = measure.run(opened.predict, batches[first:] + batches[:first], **json.loads(line))
        session.checked_predict(opened, batches[first], args.scores)
        answer({"latency_ns": samples.latency_ns})
