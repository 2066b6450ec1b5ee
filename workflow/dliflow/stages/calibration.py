"""Choose the calibration images: a seeded sample, none of which is an evaluation image."""

from __future__ import annotations

import argparse
import random
from pathlib import Path

from dliflow import dataset
from dliflow.errors import DliflowError


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--candidates", type=Path, required=True, help="image list to choose from")
    parser.add_argument("--evaluation", type=Path, required=True, help="image list that must stay apart")
    parser.add_argument("--count", type=int, required=True, help="how many images at most")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True)


def run(args: argparse.Namespace) -> None:
    """Sample without replacement, in list order.

    Raises:
        DliflowError: when an image is in both lists, by content, whatever its name.
    """
    candidates = dataset.read(args.candidates)
    evaluation = {row["sha256"]: row["file"] for row in dataset.read(args.evaluation)}
    for row in candidates:
        if row["sha256"] in evaluation:
            raise DliflowError(
                f"{row['file']} is a calibration image and, as {evaluation[row['sha256']]}, an evaluation image; "
                "choose another calibration.dataset"
            )
    count = min(args.count, len(candidates))
    chosen = sorted(random.Random(args.seed).sample(range(len(candidates)), count))
    dataset.write(args.out, [{**candidates[i], "label": candidates[i]["label"] or ""} for i in chosen])
