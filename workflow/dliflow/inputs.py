"""From pixels to what a model takes, the same for every framework.

Pixels are those of `preprocess.py`: uint8 RGB (images, height, width, 3), resized and cropped, shared by all models of
the same geometry. The rest of a model's `input` entry is done here: channel order, mean, scale, layout, dtype.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Optional

import numpy as np

from dliflow.errors import DliflowError
from dliflow.files import payload

GEOMETRY = ("height", "width", "resize", "interpolation")


def geometry(entry: dict[str, Any]) -> dict[str, Any]:
    """The part of an `input` entry that decides the pixels."""
    return {key: entry[key] for key in GEOMETRY}


def dtype(entry: dict[str, Any]) -> np.dtype:
    """float32, or uint8 for a model that takes pixels as they are."""
    return np.dtype(entry.get("dtype", "float32"))


def shape(entry: dict[str, Any]) -> tuple[int, ...]:
    """Shape of one input, without the batch.

    Float32 inputs are (3, height, width) whatever the entry's layout says, which is then that of the source model
    alone; uint8 inputs have the entry's layout.
    """
    plane = (entry["height"], entry["width"])
    return (*plane, 3) if dtype(entry) == np.uint8 and entry["layout"] == "NHWC" else (3, *plane)


def make(pixels: np.ndarray, entry: dict[str, Any], out: Optional[np.ndarray] = None) -> np.ndarray:
    """Pixels, uint8 (n, height, width, 3), to the model's input, C-contiguous (n, *shape) of its dtype.

    Float32 is `(pixels - mean) / scale`, computed in float32. `out` is filled and returned where it is given.
    """
    if out is None:
        out = np.empty((len(pixels), *shape(entry)), dtype(entry))
    ordered = pixels[..., ::-1] if entry["channel_order"] == "BGR" else pixels
    if shape(entry)[0] == 3:
        ordered = ordered.transpose(0, 3, 1, 2)
    if out.dtype == np.uint8:
        out[...] = ordered
        return out
    mean, scale = (np.array(entry[key], np.float32)[:, None, None] for key in ("mean", "scale"))
    for source, target in zip(ordered, out):  # image by image, in the processor's cache
        target[...] = source
        target -= mean
        target /= scale
    return out


def read(manifest: Path) -> np.ndarray:
    """The pixels that a manifest speaks of, uint8 (images, height, width, 3), mapped into memory.

    What is touched of a mapping counts as memory in use until the mapping is dropped, so whoever goes through many
    images drops it and reads again now and then.

    Raises:
        DliflowError: when the array is gone.
    """
    array = payload(manifest, ".npy")
    if not array.exists():
        raise DliflowError(f"{array} is gone; delete {manifest} to prepare the images again")
    return np.load(array, mmap_mode="r")
