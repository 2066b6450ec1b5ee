"""Choose the images that quality or speed is measured on: a seeded subset in which every class has its share."""

from __future__ import annotations

import argparse
from pathlib import Path

from dliflow.errors import DliflowError
from dliflow.files import write_json
from dliflow.images import dataset, subset


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--images", type=Path, required=True, help="image list to choose from")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--exactly", type=int, help="how many images (accuracy.images)")
    size.add_argument("--at-most", type=int, help="likewise, or all where there are fewer (latency.images)")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True, help="image list, in the order of choice")
    parser.add_argument("--manifest", type=Path, required=True)


def run(args: argparse.Namespace) -> None:
    """Choose (all, when no number is given), and tell in the manifest what was chosen of what.

    Raises:
        DliflowError: when there are fewer images than wanted.
    """
    rows = dataset.read(args.images)
    if args.exactly is not None and args.exactly > len(rows):
        raise DliflowError(
            f"accuracy.images: {args.exactly:,} is more than the dataset's {len(rows):,} images; null is all"
        )
    chosen = subset.order(rows, args.seed)[: args.exactly or args.at_most]
    dataset.write(args.out, chosen)
    classes = subset.counts(chosen)
    write_json(
        args.manifest,
        {
            "images": len(chosen),
            "of_images": len(rows),
            "seed": args.seed,
            "classes": len(set(classes) - {None}),
            "images_of_a_class": [min(classes.values()), max(classes.values())],
            "list_sha256": dataset.list_sha256(args.out),
        },
    )
