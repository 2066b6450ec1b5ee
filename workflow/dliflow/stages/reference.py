"""Scores of the model's own source, in its reference runtime, on the parity images."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from dliflow import inputs, metrics, sources
from dliflow.files import replacing


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    sources.arguments(parser)
    parser.add_argument("--array", type=Path, required=True, help="manifest of the images' pixels")
    parser.add_argument("--count", type=int, required=True, help="how many images, from the first on")
    parser.add_argument("--scores", type=int, required=True, help="how many scores the model must give")
    parser.add_argument("--out", type=Path, required=True, help="float32 (images, scores)")


def run(args: argparse.Namespace) -> None:
    """Predict one batch and keep the scores."""
    batch = inputs.make(inputs.read(args.array)[: args.count], args.input)
    if batch.dtype == np.float32 and args.input["layout"] == "NHWC":  # what all frameworks share is NCHW
        batch = np.ascontiguousarray(batch.transpose(0, 2, 3, 1))
    scores = sources.load(args.source["format"]).predict(sources.read(args), batch)
    metrics.check_scores(scores, len(batch), args.scores)
    with replacing(args.out) as scratch, open(scratch, "wb") as stream:
        np.save(stream, scores)
