"""From an image file to the model's input, the same for every framework.

The steps are those of the model's `input` entry: resize, crop, channel order, mean, scale, layout.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from dliflow.errors import DliflowError

Image.MAX_IMAGE_PIXELS = 200_000_000  # a decompression bomb is refused, a large photograph is not


def decode(path: Path) -> Image.Image:
    """Decode to RGB, upright. Grayscale, palette and CMYK images are converted, EXIF rotation is applied.

    Raises:
        DliflowError: with the file's name, when it is missing, no image, or cut off.
    """
    try:
        with Image.open(path) as image:
            return ImageOps.exif_transpose(image).convert("RGB")
    except FileNotFoundError as error:
        raise DliflowError(f"{path}: no such image") from error
    except UnidentifiedImageError as error:
        raise DliflowError(f"{path}: not an image that Pillow can read") from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DliflowError(f"{path}: broken image: {error}") from error


def _resized(image: Image.Image, spec: dict[str, Any]) -> Image.Image:
    resample = Image.Resampling[spec["interpolation"].upper()]
    height, width = spec["height"], spec["width"]
    if spec["resize"] == "squash":
        return image.resize((width, height), resample)
    short = spec["resize"]["short_side"]
    ratio = short / min(image.size)
    resized = image.resize((round(image.width * ratio), round(image.height * ratio)), resample)
    left, top = (resized.width - width) // 2, (resized.height - height) // 2
    return resized.crop((left, top, left + width, top + height))


def preprocess(image: Image.Image, spec: dict[str, Any]) -> np.ndarray:
    """One RGB image to one input: float32 (C, H, W) or (H, W, C), as `spec["layout"]` says."""
    pixels = np.asarray(_resized(image, spec), np.float32)
    if spec["channel_order"] == "BGR":
        pixels = pixels[:, :, ::-1]
    pixels = (pixels - np.float32(spec["mean"])) / np.float32(spec["scale"])
    if spec["layout"] == "NCHW":
        pixels = pixels.transpose(2, 0, 1)
    return np.ascontiguousarray(pixels)


def input_shape(spec: dict[str, Any]) -> tuple[int, ...]:
    """Shape of one input, without the batch."""
    plane = (spec["height"], spec["width"])
    return (3, *plane) if spec["layout"] == "NCHW" else (*plane, 3)
