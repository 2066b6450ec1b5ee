"""From pixels to what a model takes, the same for every framework.

Pixels are those of `preprocess.py`: uint8 RGB (images, height, width, 3), resized and cropped, shared by all models of
the same geometry. The rest of a model's `input` entry is done here: channel order, mean, scale, layout, dtype.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Any, Optional, Union

import numpy as np

from dliflow.errors import DliflowError
from dliflow.files import payload, read_json, replacing

SUMS = ".sums"  # beside an array of pixels: the fingerprint of each image

GEOMETRY = ("height", "width", "resize", "interpolation")


def geometry(entry: dict[str, Any]) -> dict[str, Any]:
    """The part of an `input` entry that decides the pixels."""
    return {key: entry[key] for key in GEOMETRY}


def dtype(entry: dict[str, Any]) -> np.dtype:
    """float32, uint8 for a model that takes pixels as they are, or int8 or int16 for a quantized one."""
    return np.dtype(entry.get("dtype", "float32"))


def shape(entry: dict[str, Any]) -> tuple[int, ...]:
    """Shape of one input, without the batch: (height, width, 3) in the layout NHWC, else (3, height, width)."""
    plane = (entry["height"], entry["width"])
    return (*plane, 3) if entry["layout"] == "NHWC" else (3, *plane)


def converted(entry: dict[str, Any]) -> dict[str, Any]:
    """The `input` entry of every converted model: float32 NCHW, whatever the source model takes.

    One that takes pixels as uint8 has its mean and scale inside, and so do the models that are made of it.
    """
    inside = {"mean": [0, 0, 0], "scale": [1, 1, 1]} if dtype(entry) == np.uint8 else {}
    return {**entry, **inside, "layout": "NCHW", "dtype": "float32"}


def make(pixels: np.ndarray, entry: dict[str, Any], out: Optional[np.ndarray] = None) -> np.ndarray:
    """Pixels, uint8 (n, height, width, 3), to the model's input, C-contiguous (n, *shape) of its dtype.

    Float32 is `(pixels - mean) / scale`, computed in float32; int8 and int16 are that, rounded to the nearest number
    that they have; uint8 are the pixels. `out` is filled and returned where it is given.
    """
    if out is None:
        out = np.empty((len(pixels), *shape(entry)), dtype(entry))
    ordered = pixels[..., ::-1] if entry["channel_order"] == "BGR" else pixels
    if entry["layout"] == "NCHW":
        ordered = ordered.transpose(0, 3, 1, 2)
    if out.dtype == np.uint8:
        out[...] = ordered
        return out
    each = (3, 1, 1) if entry["layout"] == "NCHW" else (3,)
    mean, scale = (np.array(entry[key], np.float32).reshape(each) for key in ("mean", "scale"))
    limits = None if out.dtype == np.float32 else np.iinfo(out.dtype)
    scratch = None if limits is None else np.empty(out.shape[1:], np.float32)
    for source, target in zip(ordered, out):  # image by image, in the processor's cache
        values = target if scratch is None else scratch
        values[...] = source
        values -= mean
        values /= scale
        if limits is not None:
            target[...] = np.clip(np.rint(values), limits.min, limits.max)
    return out


@lru_cache(maxsize=2)
def _weights(count: int) -> np.ndarray:
    # The old generator, since its stream is the same in the numpy of every framework's environment (NEP 19).
    return np.frombuffer(np.random.RandomState(0).bytes(8 * count), "<u8") | np.uint64(1)


def fingerprints(pixels: np.ndarray) -> np.ndarray:
    """A checksum for each image, uint64 (n,): the sum, modulo 2^64, of its 8-byte words times fixed odd weights.

    Whatever happens to one word shows, as an odd number times what is not 0 is not 0; other damage but by rare chance.
    It reads 5 to 8 GB a second, where SHA-256 reads 2 and would cost an evaluation more than a hundredth of its time.

    Args:
        pixels: uint8 (n, ...).
    """
    size = int(np.prod(pixels.shape[1:]))
    flat = pixels.reshape(len(pixels), size)
    rest = size % 8
    weights = _weights(size // 8 + 1)
    sums = np.dot(np.ascontiguousarray(flat[:, : size - rest]).view("<u8"), weights[:-1])
    last = np.zeros((len(flat), 8), np.uint8)
    last[:, :rest] = flat[:, size - rest :]
    return sums + last.view("<u8")[:, 0] * weights[-1]


def seal(manifest: Path, sums: np.ndarray) -> dict[str, str]:
    """Keep the fingerprints of an array's images in a file beside it; what its manifest has to say of them."""
    content = np.asarray(sums, "<u8").tobytes()
    with replacing(payload(manifest, SUMS)) as scratch:
        scratch.write_bytes(content)
    return {"sums_sha256": hashlib.sha256(content).hexdigest()}


def _opened(manifest: Path) -> tuple[np.ndarray, np.ndarray]:
    """An array's pixels, mapped into memory, and their fingerprints."""
    array, sums = payload(manifest, ".npy"), payload(manifest, SUMS)
    remedy = f"delete {manifest} to prepare the images again"
    for path in (array, sums):
        if not path.is_file():
            raise DliflowError(f"{path} is gone; {remedy}")
    content = sums.read_bytes()
    if hashlib.sha256(content).hexdigest() != read_json(manifest).get("sums_sha256"):
        raise DliflowError(f"{sums} is damaged; {remedy}")
    expected = np.frombuffer(content, "<u8")
    try:
        pixels = np.load(array, mmap_mode="r")
    except (ValueError, EOFError) as error:  # no header, or fewer bytes than it says
        raise DliflowError(f"{array} is damaged or cut off ({error}); {remedy}") from None
    if len(pixels) != len(expected):
        raise DliflowError(f"{array} holds {len(pixels)} images where {len(expected)} were prepared; {remedy}")
    return pixels, expected


def count(manifest: Path) -> int:
    """How many images there are.

    Raises:
        DliflowError: as `read` does, but for the pixels themselves.
    """
    return len(_opened(manifest)[0])


def read(manifest: Path, which: Union[slice, np.ndarray] = slice(None)) -> np.ndarray:
    """Pixels that a manifest speaks of, uint8 (images, height, width, 3), mapped into memory: those that were prepared.

    What is touched of a mapping counts as memory in use until the mapping is dropped, so whoever goes through many
    images drops it and reads again now and then.

    Args:
        which: the images wanted.

    Raises:
        DliflowError: when the array is gone, or pixels of these images are not those that were prepared.
    """
    pixels, expected = _opened(manifest)
    wanted = pixels[which]
    damaged = np.arange(len(pixels))[which][fingerprints(wanted) != expected[which]]
    if len(damaged):
        raise DliflowError(
            f"{payload(manifest, '.npy')} is damaged: the pixels of image {damaged[0] + 1} of {len(pixels)}"
            f"{f' and of {len(damaged) - 1} others' if len(damaged) > 1 else ''} are not those that were prepared; "
            f"delete {manifest} to prepare the images again"
        )
    return wanted
