"""What requests are made of: distinct batches in memory, over which they rotate; real images, or random pixels."""

from __future__ import annotations

import argparse
from typing import Any, Optional

import numpy as np

from dliflow.images import inputs
from dliflow.machine import facts

SEED = 0


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--random-images", type=int, help="so many images of random pixels, in place of the real ones")
    parser.add_argument("--distinct", type=int, help="how many distinct batches at most; all when absent")


def noise(images: int, entry: dict[str, Any]) -> np.ndarray:
    """Pixels without meaning: uniform uint8 (images, height, width, 3), the same in every process."""
    # The old generator, since its stream is the same in the numpy of every framework's environment (NEP 19).
    shape = (images, entry["height"], entry["width"], 3)
    return np.random.RandomState(SEED).randint(0, 256, shape, np.uint8)


def make_batches(
    pixels: np.ndarray, entry: dict[str, Any], batch_size: int, distinct: Optional[int] = None
) -> list[np.ndarray]:
    """Distinct batches, so many at most (None: all), C-contiguous. Few images are repeated to fill a batch."""
    count = len(pixels)
    batches = max(1, count // batch_size)
    chosen = np.arange(min(batches, distinct or batches) * batch_size) % count
    return [inputs.make(pixels[part], entry) for part in chosen.reshape(-1, batch_size)]


def batches(args: argparse.Namespace) -> list[np.ndarray]:
    """The batches that the options ask for, `args.batch_size` images in each."""
    pixels = noise(args.random_images, args.input) if args.random_images else inputs.read(args.array)
    return make_batches(pixels, args.input, args.batch_size, args.distinct)


def described(args: argparse.Namespace, batches: list[np.ndarray]) -> dict[str, Any]:
    """What a record says of them.

    `inputs_exceed_cache` tells whether all of them together are larger than the last-level caches of the processors
    that this process may use, so that each comes from memory again; None where the system does not tell.
    """
    size, cache = sum(batch.nbytes for batch in batches), facts.last_level_cache_bytes()
    return {
        "inputs": "random" if args.random_images else "images",
        "inputs_mib": size / 2**20,
        "distinct_batches": len(batches),
        "distinct_asked": args.distinct,
        "inputs_exceed_cache": None if cache is None else size > cache,
    }
