"""Compare a converted model's scores with the reference's, on the same batch."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from dliflow import integrity
from dliflow.errors import DliflowError, Skip
from dliflow.files import payload, read_json
from dliflow.images import batches, inputs
from dliflow.measuring import feed, metrics, program, session


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    session.arguments(parser)
    feed.array_arguments(parser)
    parser.add_argument("--out", type=Path, required=True, help="the record")
    parser.add_argument("--reference", type=Path, required=True, help="manifest of the reference's scores")
    parser.add_argument(
        "--bounds",
        type=json.loads,
        required=True,
        help="JSON: largest tolerance and distance, smallest agreement; null for no bound",
    )
    parser.add_argument("--batch-size", type=int, required=True, help="images in one request, at most")


def read_reference(manifest: Path) -> np.ndarray:
    """The reference's scores, float32 (images, scores).

    Raises:
        DliflowError: when they are gone or damaged.
    """
    array = payload(manifest, ".npy")
    remedy = f"delete {manifest} to have the reference predict again"
    integrity.verify(array.parent, {array.name: read_json(manifest)["sha256"]}, remedy)
    return np.load(array)


def run(args: argparse.Namespace) -> None:
    """Write the record.

    Raises:
        DliflowError: beyond a bound, with the figures.
    """
    reference = read_reference(args.reference)
    batch = inputs.make(inputs.read(args.array, slice(len(reference))), args.input)
    description = session.described(args)
    try:
        size = min(args.batch_size, len(batch))
        with program.opened(description, size, args.input) as opened:
            parts = [session.checked_predict(opened, part, args.scores) for part in batches.parts(batch, size)]
        scores = np.concatenate(parts)[: len(batch)]
    except Skip as skip:
        session.write_skip(args.out, "parity", description, skip)
        return
    distances = metrics.compare(scores, reference)
    broken = metrics.beyond(distances, args.bounds)
    if broken:
        listed = " and ".join(f"parity.{name}.{args.precision} = {args.bounds[name]:g}" for name in broken)
        raise DliflowError(
            f"{args.model} in {args.framework} {args.precision} is not the same network as its reference: scores "
            f"differ by up to {distances['max_abs_score_diff']:.3g}, {distances['max_rel_score_diff']:.3g} of the "
            f"largest; their distance is {distances['score_distance']:.3g} of the spread of scores; top-1 agrees on "
            f"{100 * distances['agreement']:.1f} % of {len(batch)} images. That is beyond {listed}"
        )
    bounds = {name if name == "tolerance" else f"{name}_bound": value for name, value in args.bounds.items()}
    session.write_record(args.out, "parity", opened.identity, figures={**distances, "images": len(batch), **bounds})
