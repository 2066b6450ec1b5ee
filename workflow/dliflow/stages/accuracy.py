"""The predictions of a converted model for each image, and its top-1 and top-5 where the images have labels."""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Optional

import numpy as np

from dliflow import progress
from dliflow.errors import DliflowError, Skip
from dliflow.files import digest, payload, read_json, replacing, sha256
from dliflow.images import dataset, inputs
from dliflow.machine import facts, process
from dliflow.measuring import feed, metrics, program, session
from dliflow.records.journal import Journal
from dliflow.study import source_code

KEPT = 5

# How many images are mapped into memory at a time: what was read counts as memory in use until it is unmapped.
WINDOW = 256


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    session.arguments(parser)
    feed.array_arguments(parser)
    parser.add_argument("--out", type=Path, required=True, help="the record")
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--images", type=Path, required=True, help="image list")
    parser.add_argument("--unlabelled", action="store_true", help="labels are neither needed nor looked at")
    parser.add_argument("--label-offset", type=int, required=True, help="index of class 0 among the scores")
    parser.add_argument("--batch-size", type=int, required=True)


def predictions(scores: int) -> np.dtype:
    """What is kept of an image: the classes of the highest scores, best first, and these scores."""
    kept = min(KEPT, scores)
    return np.dtype([("class", "<i8", (kept,)), ("score", "<f4", (kept,))])


def evaluate(
    predict: Callable[[np.ndarray], np.ndarray],
    array: Path,
    entry: dict[str, Any],
    *,
    batch_size: int,
    scores: int,
    first: int = 0,
) -> Iterator[np.ndarray]:
    """The `predictions` of each batch, from image `first` on, in memory that does not grow with the number of images.

    The last batch is filled up with copies of its last image, so that each request has the size that was loaded.

    Args:
        predict: one request, (batch_size, *input shape) to (batch_size, scores).
        array: manifest of the pixels.
        entry: the model's `input` entry.
    """
    kind = predictions(scores)
    batch = np.empty((batch_size, *inputs.shape(entry)), inputs.dtype(entry))
    window = max(1, WINDOW // batch_size) * batch_size
    images = inputs.count(array)
    for start in range(first, images, batch_size):
        if (start - first) % window == 0:
            pixels = inputs.read(array, slice(start, start + window))
        part = pixels[(start - first) % window :][:batch_size]
        inputs.make(part, entry, batch[: len(part)])
        batch[len(part) :] = batch[len(part) - 1]
        scored = predict(batch)[: len(part)]
        best = np.empty(len(part), kind)
        best["class"] = metrics.top_k(scored, kind["class"].shape[0])
        best["score"] = np.take_along_axis(scored, best["class"], 1)
        yield best


def deciding(args: argparse.Namespace, version: str) -> str:
    """Digest of everything that decides the predictions; what an interrupted run left under another one is dropped."""
    keys = ("framework", "api", "variant", "precision", "device", "threads", "options", "input", "scores", "batch_size")
    code = source_code.digest("stages.accuracy", f"frameworks.{args.framework}")
    options = {key: getattr(args, key) for key in keys}
    files = {"converted": read_json(args.converted)["files"], "array": sha256(args.array)}
    files["built"] = args.built and read_json(args.built)["files"]
    cpu = facts.describe()
    where = {"environment": Path(sys.prefix).name, "cpu": cpu["cpu"], "flags": cpu["flags"]}
    return digest({**options, **files, **where, "version": version, "code": code}, 64)


def predict_all(args: argparse.Namespace, opened: session.Opened, journal: Journal, images: int) -> np.ndarray:
    """The `predictions` of all images; those that an interrupted run left in the journal are not made again."""
    first = journal.count
    if first:
        print(f"goes on where it stopped: {first:,} of {images:,} images are done", flush=True)
    ways = [way for way in (args.api, args.variant) if way not in ("python", "default")]
    what = "agreement" if args.unlabelled else "accuracy"
    report = progress.meter(" ".join([what, args.model, args.framework, *ways, args.precision]), images, first)
    batches = evaluate(
        lambda batch: session.checked_predict(opened, batch, args.scores),
        args.array,
        args.input,
        batch_size=args.batch_size,
        scores=args.scores,
        first=first,
    )
    for best in batches:
        journal.add(best)
        report(journal.count)
        if journal.due():
            journal.sync()
    return journal.records()


def run(args: argparse.Namespace) -> None:
    """Write the record and, beside it, a CSV with a line for each image; an interrupted run goes on."""
    rows = dataset.read(args.images)
    count = inputs.count(args.array)
    if len(rows) != count:
        raise DliflowError(f"{args.images} lists {len(rows)} images, {args.array} holds {count}")
    if args.unlabelled:
        rows = [{**row, "label": None} for row in rows]
    elif any(row["label"] is None for row in rows):
        raise DliflowError(f"{args.images}: there are no labels; accuracy needs a labelled dataset")
    extra = {"dataset": args.dataset, "list_sha256": dataset.list_sha256(args.images)}
    if read_json(args.array)["list_sha256"] != extra["list_sha256"]:
        raise DliflowError(
            f"{args.array} holds other images than {args.images} lists; delete both, and they are made again"
        )
    try:
        with program.opened(session.described(args), args.batch_size, args.input) as opened:
            key = deciding(args, opened.identity["framework_version"])
            with Journal(payload(args.out, ".partial"), key, predictions(args.scores)) as journal:
                predicted = predict_all(args, opened, journal, len(rows))
                write(args, opened, rows, predicted, extra)
                journal.remove()
    except Skip as skip:
        session.write_skip(args.out, "accuracy", session.described(args), skip, extra)


def _right(classes: np.ndarray, labels: Optional[np.ndarray]) -> dict[str, Optional[int]]:
    """How many images are right; None where that is not known.

    Args:
        classes: (images, kept), best first.
        labels: (images,), or None.
    """
    if labels is None:
        return {"top1_right": None, "top5_right": None}
    right = classes == labels[:, None]
    return {"top1_right": int(right[:, 0].sum()), "top5_right": int(right.any(1).sum())}


def write(
    args: argparse.Namespace,
    opened: session.Opened,
    rows: list[dict[str, Any]],
    predicted: np.ndarray,
    extra: dict[str, Any],
) -> None:
    """Write the CSV, then the record, which holds its checksum.

    Args:
        rows: of the image list.
        predicted: the `predictions` of all of them.
        extra: what the record's identity holds beside the configuration.
    """
    classes = predicted["class"] - args.label_offset
    table = payload(args.out, ".csv")
    with replacing(table) as scratch, open(scratch, "w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        kept = range(1, classes.shape[1] + 1)
        writer.writerow(["file", "sha256", "label", *(f"class{k}" for k in kept), *(f"score{k}" for k in kept)])
        for row, top, values in zip(rows, classes.tolist(), predicted["score"].tolist()):
            writer.writerow([row["file"], row["sha256"], row["label"], *top, *(f"{value:.6g}" for value in values)])
    session.write_record(
        args.out,
        "accuracy",
        {**opened.identity, **extra},
        figures={
            "images": len(rows),
            **_right(classes, None if args.unlabelled else np.array([row["label"] for row in rows])),
            "predictions": table.name,
            "predictions_sha256": sha256(table),
            "peak_rss_mib": process.peak_rss_mib(opened.pid),
        },
    )
