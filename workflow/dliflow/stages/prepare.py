"""Decode and preprocess images once for each model input, into an array that all frameworks map into memory."""

from __future__ import annotations

import argparse
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from dliflow import dataset
from dliflow.files import payload, replacing, sha256, write_json
from dliflow.preprocess import decode, input_shape, preprocess


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--images", type=Path, required=True, help="image list")
    parser.add_argument("--input", type=json.loads, required=True, help="JSON: the model's input entry")
    parser.add_argument("--out", type=Path, required=True, help="the manifest; the array is a .npy file beside it")


def run(args: argparse.Namespace) -> None:
    """Write float32 (images, *input shape), in the order of the list."""
    rows = dataset.read(args.images)
    target = payload(args.out, ".npy")
    with replacing(target) as scratch:
        shape = (len(rows), *input_shape(args.input))
        array = np.lib.format.open_memmap(scratch, "w+", np.float32, shape)

        def one(index: int) -> None:
            array[index] = preprocess(decode(Path(rows[index]["file"])), args.input)

        # Pillow decodes and resizes without the interpreter's lock, so threads keep every core busy.
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for _ in pool.map(one, range(len(rows))):
                pass
        array.flush()
    manifest = {"images": len(rows), "shape": list(shape), "input": args.input, "list_sha256": sha256(args.images)}
    write_json(args.out, {**manifest, "array_sha256": sha256(target)})
