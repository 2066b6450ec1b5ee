"""What requests are made of: distinct batches in memory, over which they rotate; real images, or random pixels."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from dliflow.images import inputs
from dliflow.machine import facts

SEED = 0


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--random-images", type=int, default=0, help="so many images of random pixels; 0: the real ones"
    )
    parser.add_argument("--distinct", type=int, default=0, help="how many distinct batches at most; 0: all")


def options(args: argparse.Namespace) -> dict[str, str]:
    """The options again, for another process; none where all are the defaults."""
    given = {"random-images": args.random_images, "distinct": args.distinct}
    return {key: str(value) for key, value in given.items() if value}


def noise(images: int, entry: dict[str, Any]) -> np.ndarray:
    """Pixels without meaning: uniform uint8 (images, height, width, 3), the same in every process."""
    # The old generator, since its stream is the same in the numpy of every framework's environment (NEP 19).
    shape = (images, entry["height"], entry["width"], 3)
    return np.random.RandomState(SEED).randint(0, 256, shape, np.uint8)


def make_batches(pixels: np.ndarray, entry: dict[str, Any], batch_size: int, distinct: int = 0) -> list[np.ndarray]:
    """Distinct batches, so many at most (0: all), C-contiguous. Few images are repeated to fill a batch."""
    count = len(pixels)
    batches = max(1, count // batch_size)
    chosen = np.arange(min(batches, distinct or batches) * batch_size) % count
    return [inputs.make(pixels[part], entry) for part in chosen.reshape(-1, batch_size)]


def batches(args: argparse.Namespace) -> list[np.ndarray]:
    """The batches that the options ask for, `args.batch_size` images in each."""
    pixels = noise(args.random_images, args.input) if args.random_images else inputs.read(args.array)
    return make_batches(pixels, args.input, args.batch_size, args.distinct)


def told(args: argparse.Namespace, made: list[np.ndarray]) -> dict[str, Any]:
    """What a record says of them.

    `inputs_exceed_cache` tells whether all of them together are larger than the last-level caches of the processors
    that this process may use, so that each comes from memory again; None where the system does not tell.
    """
    size, cache = sum(batch.nbytes for batch in made), facts.last_level_cache_bytes()
    return {
        "inputs": "random" if args.random_images else "images",
        "inputs_mib": size / 2**20,
        "distinct_batches": len(made),
        "distinct_asked": args.distinct or None,
        "inputs_exceed_cache": None if cache is None else size > cache,
    }
