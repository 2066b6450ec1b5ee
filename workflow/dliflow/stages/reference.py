"""Scores of the model's own source, in its reference runtime, on the parity images."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from dliflow import metrics, sources
from dliflow.files import payload, replacing


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    sources.arguments(parser)
    parser.add_argument("--array", type=Path, required=True, help="manifest of the preprocessed images")
    parser.add_argument("--count", type=int, required=True, help="how many images, from the first on")
    parser.add_argument("--scores", type=int, required=True, help="how many scores the model must give")
    parser.add_argument("--out", type=Path, required=True, help="float32 (images, scores)")


def run(args: argparse.Namespace) -> None:
    """Predict one batch and keep the scores."""
    source = sources.load(args.format)
    images = np.load(payload(args.array, ".npy"), mmap_mode="r")[: args.count]
    scores = source.predict(source.load(args.path, args.architecture), np.array(images))
    metrics.check_scores(scores, len(images), args.scores)
    with replacing(args.out) as scratch, open(scratch, "wb") as stream:
        np.save(stream, scores)
