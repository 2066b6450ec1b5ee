"""What a model takes, in words, of its `input` entry."""

from __future__ import annotations

from typing import Any

import numpy as np

from dliflow.images import inputs

AXES = {
    "NCHW": "images, channels, rows, columns (NCHW, channels first)",
    "NHWC": "images, rows, columns, channels (NHWC, channels last)",
}
CHANNELS = {"RGB": "red, green, blue", "BGR": "blue, green, red"}


def _number(value: float) -> str:
    return f"{value:.4g}"


def normalises(entry: dict[str, Any]) -> bool:
    """Whether mean and scale change the pixels."""
    return inputs.dtype(entry) != np.uint8 and (any(entry["mean"]) or any(scale != 1 for scale in entry["scale"]))


def geometry(entry: dict[str, Any]) -> str:
    """How an image gets the model's size."""
    size = f"{entry['height']} rows and {entry['width']} columns"
    resize, how = entry["resize"], entry["interpolation"]
    if resize == "squash":
        return f"The image is resized ({how}) to {size}, whatever its shape."
    if "central_fraction" in resize:
        share = _number(resize["central_fraction"])
        return f"The middle of the image, {share} of each side, is resized ({how}) to {size}."
    short = f"so that its short side has {resize['short_side']} pixels"
    return f"The image is resized ({how}) {short}; {size} are cut out of its middle."


def taken(entry: dict[str, Any], batch_size: int) -> str:
    """Shape, layout, order of channels and range."""
    dtype, shape = inputs.dtype(entry), (batch_size, *inputs.shape(entry))
    what = f"{dtype.name} {shape}: {AXES[entry['layout']]}. The channels are {CHANNELS[entry['channel_order']]}."
    if not normalises(entry):
        return f"{what} The values are those of the pixels, from 0 to 255."
    ends = [(pixel - mean) / scale for mean, scale in zip(entry["mean"], entry["scale"]) for pixel in (0, 255)]
    mean, scale = (_each(entry[key]) for key in ("mean", "scale"))
    whole = "" if dtype == np.float32 else ", rounded to whole numbers"
    formula = f"(pixel - {mean}) / {scale}, of pixels from 0 to 255{whole}"
    return f"{what} The values go from {_number(min(ends))} to {_number(max(ends))}: {formula}."


def _each(channels: list[float]) -> str:
    """`127.5` for all channels, or what each has: `(123.7, 116.3, 103.5)`."""
    numbers = list(map(_number, channels))
    return numbers[0] if len(set(numbers)) == 1 else f"({', '.join(numbers)})"
