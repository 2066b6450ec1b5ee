"""What requests are made of: distinct batches in memory, over which they rotate; real images, or random pixels."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Optional

import numpy as np

from dliflow.images import inputs
from dliflow.machine import facts

SEED = 0


def array_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options that name images."""
    parser.add_argument("--array", type=Path, required=True, help="manifest of the images' pixels")
    parser.add_argument("--input", type=json.loads, required=True, help="JSON: the model's input entry")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options that tell what requests are made of."""
    array_arguments(parser)
    parser.add_argument("--random-images", type=int, help="so many images of random pixels, in place of the real ones")
    parser.add_argument("--distinct", type=int, help="how many distinct batches at most; all when absent")


def chosen(args: argparse.Namespace) -> dict[str, Any]:
    """What a record says of the choice."""
    return {"inputs": "random" if args.random_images else "images", "distinct_asked": args.distinct}


def noise(images: int, entry: dict[str, Any]) -> np.ndarray:
    """Pixels without meaning: uniform uint8 (images, height, width, 3), the same in every process."""
    # The old generator, since its stream is the same in the numpy of every framework's environment (NEP 19).
    shape = (images, entry["height"], entry["width"], 3)
    return np.random.RandomState(SEED).randint(0, 256, shape, np.uint8)


def images(args: argparse.Namespace) -> np.ndarray:
    """What the model takes, of all images that the options name: C-contiguous (images, *input shape)."""
    pixels = noise(args.random_images, args.input) if args.random_images else inputs.read(args.array)
    return inputs.make(pixels, args.input)


@contextlib.contextmanager
def shared(ready: np.ndarray) -> Iterator[int]:
    """The same in memory that other processes can map (memfd_create(2)): the descriptor to be inherited by them.

    One copy serves all workers of a job, and lies where this process's memory policy puts it.
    """
    descriptor = os.memfd_create("dliflow-inputs", 0)
    try:
        with open(descriptor, "wb", closefd=False) as stream:
            np.save(stream, ready)
        del ready  # the workers have their copy, and need the memory
        yield descriptor
    finally:
        os.close(descriptor)


def mapped(descriptor: int) -> np.memmap:
    """What `shared` holds, mapped: pages are shared with all others until somebody writes to them."""
    return np.load(f"/proc/self/fd/{descriptor}", mmap_mode="c")


def batches(ready: np.ndarray, batch_size: int, distinct: Optional[int] = None) -> list[np.ndarray]:
    """Distinct batches, so many at most (None: all), C-contiguous, without a copy where there are images enough.

    Few images are repeated to fill a batch.

    Args:
        ready: images as `images` gives them.
    """
    if len(ready) < batch_size:
        return [ready[np.arange(batch_size) % len(ready)]]
    count = len(ready) // batch_size
    starts = range(0, min(count, distinct or count) * batch_size, batch_size)
    return [np.asarray(ready[start : start + batch_size]) for start in starts]


def described(batches: list[np.ndarray]) -> dict[str, Any]:
    """What a record says of the batches of a session.

    `inputs_exceed_cache` tells whether all of them together are larger than the last-level caches of the processors
    that this process may use, so that each comes from memory again; None where the system does not tell.
    """
    size, cache = sum(batch.nbytes for batch in batches), facts.last_level_cache_bytes()
    return {
        "inputs_mib": size / 2**20,
        "distinct_batches": len(batches),
        "inputs_exceed_cache": None if cache is None else size > cache,
    }
