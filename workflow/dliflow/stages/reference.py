"""Scores of the model's own source, in its reference runtime, on the parity images.

Some more labelled images tell at once, before anything is measured, whether top-1 looks like guessing.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from dliflow import integrity, progress, sources
from dliflow.analysis import chance
from dliflow.files import payload, replacing, sha256, write_json
from dliflow.images import dataset, inputs
from dliflow.measuring import metrics

LOOKED_AT = 40


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    sources.arguments(parser)
    parser.add_argument("--array", type=Path, required=True, help="manifest of the images' pixels")
    parser.add_argument("--count", type=int, required=True, help="how many images, from the first on")
    parser.add_argument("--images", type=Path, required=True, help="image list, whose labels are compared with")
    parser.add_argument("--out", type=Path, required=True, help="the manifest; float32 (images, scores) is a .npy file")


def predict(network: Any, pixels: np.ndarray, args: argparse.Namespace) -> np.ndarray:
    """Checked scores (n, scores) of pixels (n, height, width, 3)."""
    batch = inputs.make(pixels, args.input)
    scores = sources.load(args.source["format"]).predict(network, batch)
    sources.check_count(scores.shape[-1], args)
    metrics.check_scores(scores, len(batch), args.scores)
    return scores


def first_look(network: Any, args: argparse.Namespace) -> None:
    """Say so when top-1 looks like chance on images from all over the list."""
    labels = [row["label"] for row in dataset.read(args.images)]
    if None in labels:
        return
    chosen = np.unique(np.linspace(0, len(labels) - 1, LOOKED_AT).round().astype(int))
    right = 0
    for part in np.array_split(chosen, -(-len(chosen) // args.count)):
        classes = predict(network, inputs.read(args.array, part), args).argmax(1) - args.label_offset
        right += int((classes == np.array(labels)[part]).sum())
    print(f"top-1: {right} of {len(chosen)} images", flush=True)
    doubt = chance.warning(right, len(chosen), args.scores - args.label_offset)
    if doubt:
        progress.say(f"reference: WARNING: {doubt}")


def run(args: argparse.Namespace) -> None:
    """Predict one batch and keep the scores."""
    integrity.verify_fetched(args.path, args.fetched)
    network = sources.read(args)
    scores = predict(network, inputs.read(args.array, slice(args.count)), args)
    first_look(network, args)
    array = payload(args.out, ".npy")
    with replacing(array) as scratch, open(scratch, "wb") as stream:
        np.save(stream, scores)
    write_json(args.out, {"shape": scores.shape, "sha256": sha256(array)})
