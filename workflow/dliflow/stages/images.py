"""List a dataset's images with their labels and checksums."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from dliflow import dataset


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--images", type=json.loads, required=True, help="JSON list of glob patterns")
    parser.add_argument("--labels", type=json.loads, required=True, help="JSON: the dataset's rule for labels")
    parser.add_argument("--classes", type=int, required=True, help="labels must be below this")
    parser.add_argument("--out", type=Path, required=True)


def run(args: argparse.Namespace) -> None:
    """Find, label, check, write."""
    files = dataset.find(args.folder, args.images)
    labels = dataset.label_images(files, args.folder, args.labels)
    dataset.check_labels(files, labels, args.classes)
    dataset.write(args.out, dataset.rows(files, labels))
