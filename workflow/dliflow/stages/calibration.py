"""Choose the calibration images: a seeded sample, none of which is an evaluation image."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from dliflow.errors import DliflowError
from dliflow.images import dataset, subset


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--candidates", type=Path, required=True, help="image list to choose from")
    parser.add_argument("--evaluation", type=json.loads, required=True, help="JSON: image lists that must stay apart")
    parser.add_argument("--count", type=int, required=True, help="how many images at most")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True)


def run(args: argparse.Namespace) -> None:
    """Choose among the images that are not evaluation images, by content, whatever they are called.

    Raises:
        DliflowError: when none is left.
    """
    candidates = dataset.read(args.candidates)
    evaluation = {row["sha256"] for path in args.evaluation for row in dataset.read(Path(path))}
    apart = [row for row in candidates if row["sha256"] not in evaluation]
    if not apart:
        raise DliflowError(
            f"each of the {len(candidates):,} images of {args.candidates} is an evaluation image too; choose another "
            "calibration.dataset, or set accuracy.images or agreement.images to fewer than all"
        )
    print(f"{len(candidates) - len(apart):,} of {len(candidates):,} images are evaluation images", flush=True)
    dataset.write(args.out, subset.order(apart, args.seed)[: args.count])
