"""List a dataset's images with their labels and checksums."""

from __future__ import annotations

import argparse
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Optional

from dliflow import progress
from dliflow.errors import DliflowError
from dliflow.images import crops, dataset, labels
from dliflow.images.preprocess import decode
from dliflow.wording import listed


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--patterns", type=json.loads, help="JSON: list of glob patterns; all images when absent")
    parser.add_argument("--labels", type=json.loads, required=True, help="JSON: the dataset's rule for labels")
    parser.add_argument("--labels-path", type=Path, help="the rule's file or folder")
    parser.add_argument("--classes", type=int, required=True, help="labels must be below this")
    parser.add_argument("--names", type=Path, help="file with what the classes are called in folders and labels")
    parser.add_argument("--crops", type=json.loads, help="JSON: which squares of the images are listed in their place")
    parser.add_argument("--out", type=Path, required=True)


def run(args: argparse.Namespace) -> None:
    """Find, label, check, write."""
    dataset.check(args.patterns)
    names = list(dataset.find(args.folder, args.patterns))
    _tell_outside(args.folder, names)
    if args.patterns is None:
        _tell_left_out(args.folder, len(names), args.labels_path)
    if args.labels.get("only_listed", False):
        every = len(names)
        names = labels.only_listed(names, args.labels, args.labels_path)
        progress.say(f"{args.labels_path}: names {len(names):,} of {every:,} images; the others are left out")
    called = args.names.read_text(encoding="utf-8-sig").splitlines() if args.names else []
    classes = labels.Classes(args.classes, called)
    classes_of_images = labels.of_images(names, args.labels, args.labels_path, classes)
    if args.crops is not None:
        class_of = dict(zip(names, classes_of_images))
        names = _cropped(args.folder, names, args.crops)
        classes_of_images = [class_of[crops.split(name)[0]] for name in names]
    dataset.write(args.out, dataset.rows(args.folder, names, classes_of_images))
    print(f"{len(names):,} images, {len(set(classes_of_images) - {None}):,} classes", flush=True)


def _cropped(folder: Path, names: list[str], entry: dict[str, Any]) -> list[str]:
    """The names of the squares of these images.

    Args:
        entry: `crops` of the dataset's entry.

    Raises:
        DliflowError: naming all images that cannot be read, or when all are too small.
    """
    problems: list[str] = []

    def of(name: str) -> list[str]:
        try:
            width, height = decode(folder / name).size
        except DliflowError as error:
            problems.append(str(error))
            return []
        return [crops.named(name, box) for box in crops.squares(width, height, entry["sides"], entry["smallest"])]

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        squares = list(pool.map(of, names))
    if problems:
        raise DliflowError(f"{len(problems)} of {len(names)} images cannot be used:{listed(sorted(problems))}")
    print(f"squares of {sum(map(bool, squares)):,} of {len(names):,} images", flush=True)
    if not any(squares):
        raise DliflowError(
            f"{folder}: crops.smallest: {entry['smallest']}: no image has squares of so many pixels with sides "
            f"of {entry['sides']}; make it smaller"
        )
    return [name for of_image in squares for name in of_image]


def _tell_outside(folder: Path, names: list[str]) -> None:
    """Say so when images lie elsewhere: links are a user's own, as no archive brings any, but not always meant."""
    outside = dataset.leading_outside(folder, names)
    if outside:
        progress.say(f"{folder}: {len(outside):,} of {len(names):,} images are links out of it, such as {outside[0]}")


def _tell_left_out(folder: Path, taken: int, labels_path: Optional[Path]) -> None:
    """Say on the terminal too what is not taken for an image: a suffix that is not known would be missed by nobody."""
    others = dataset.left_out(folder, labels_path)
    if others:
        kinds = ", ".join(f"{count:,} {suffix}" for suffix, count in others.items())
        progress.say(
            f"{folder}: {taken:,} images are taken; {sum(others.values()):,} other files are left out by their suffix "
            f"({kinds}); `images:` in the dataset's entry takes them"
        )
