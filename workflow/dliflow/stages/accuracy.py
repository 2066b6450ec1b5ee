"""Top-1 and top-5 of a converted model on a labelled dataset; the predictions of each image are kept."""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np

from dliflow import dataset, metrics, session
from dliflow.errors import DliflowError, Skip
from dliflow.files import payload, replacing, sha256

KEPT = 5


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    session.arguments(parser)
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--images", type=Path, required=True, help="image list with labels")
    parser.add_argument("--label-offset", type=int, required=True, help="index of class 0 among the scores")
    parser.add_argument("--batch-size", type=int, required=True)


def predict_all(
    predict: Callable[[np.ndarray], np.ndarray], array: np.ndarray, batch_size: int, scores: int
) -> tuple[np.ndarray, np.ndarray]:
    """Classes of the five highest scores and those scores, (images, 5) each, batch by batch.

    The last batch is filled up with copies of its last image, so that each request has the size that was loaded.
    """
    kept = min(KEPT, scores)
    classes = np.empty((len(array), kept), np.int64)
    best = np.empty((len(array), kept), np.float32)
    for start in range(0, len(array), batch_size):
        batch = np.array(array[start : start + batch_size])
        missing = batch_size - len(batch)
        if missing:
            batch = np.concatenate([batch, np.repeat(batch[-1:], missing, axis=0)])
        found = predict(batch)[: batch_size - missing]
        top = metrics.top_k(found, kept)
        classes[start : start + len(found)] = top
        best[start : start + len(found)] = np.take_along_axis(found, top, 1)
    return classes, best


def run(args: argparse.Namespace) -> None:
    """Write the record and, beside it, a CSV with a line for each image."""
    rows = dataset.read(args.images)
    array = session.images(args)
    if len(rows) != len(array):
        raise DliflowError(f"{args.images} lists {len(rows)} images, {args.array} holds {len(array)}")
    labels = np.array([-1 if row["label"] is None else row["label"] for row in rows])
    if (labels < 0).any():
        raise DliflowError(f"{args.images}: there are no labels; accuracy needs a labelled dataset")
    extra = {"dataset": args.dataset, "list_sha256": sha256(args.images)}
    try:
        opened = session.open_model(args, args.batch_size)
        classes, best = predict_all(
            lambda batch: session.checked_predict(opened, batch, args.scores), array, args.batch_size, args.scores
        )
    except Skip as skip:
        session.write_skip(args, "accuracy", skip, extra)
        return
    classes -= args.label_offset
    right = classes == labels[:, None]
    predictions = payload(args.out, ".csv")
    with replacing(predictions) as scratch, open(scratch, "w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        kept = range(1, classes.shape[1] + 1)
        writer.writerow(["file", "label", *(f"class{k}" for k in kept), *(f"score{k}" for k in kept)])
        for row, top, values in zip(rows, classes.tolist(), best.tolist()):
            writer.writerow([row["file"], row["label"], *top, *(f"{value:.6g}" for value in values)])
    session.write_record(
        args,
        "accuracy",
        {**opened.identity, **extra},
        figures={
            "images": len(rows),
            "top1_right": int(right[:, 0].sum()),
            "top5_right": int(right.any(1).sum()),
            "predictions": predictions.name,
        },
    )
