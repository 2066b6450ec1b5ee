"""From an image file to pixels of the size that a model takes, the same for every framework.

Decode, resize and crop; `inputs.py` makes a model's input of the pixels.
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
            ImageOps.exif_transpose(image, in_place=True)
            image.load()
            return image if image.mode == "RGB" else image.convert("RGB")
    except FileNotFoundError as error:
        raise DliflowError(f"{path}: no such image") from error
    except UnidentifiedImageError as error:
        raise DliflowError(f"{path}: not an image that Pillow can read") from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DliflowError(f"{path}: broken image: {error}") from error


def _central(image: Image.Image, fraction: float) -> Image.Image:
    """The middle of an image, each side cut to the fraction.

    The offset is rounded down, and the same on both ends, as `tf.image.central_crop` does it
    (tensorflow/python/ops/image_ops_impl.py, TensorFlow 2.21): 0.875 of 100 pixels are 88.
    """
    left, top = (int((side - side * fraction) / 2) for side in image.size)
    return image.crop((left, top, image.width - left, image.height - top))


def _resized(image: Image.Image, geometry: dict[str, Any]) -> Image.Image:
    resample = Image.Resampling[geometry["interpolation"].upper()]
    height, width = geometry["height"], geometry["width"]
    resize = geometry["resize"]
    if resize == "squash":
        return image.resize((width, height), resample)
    if "central_fraction" in resize:
        return _central(image, resize["central_fraction"]).resize((width, height), resample)
    ratio = resize["short_side"] / min(image.size)
    resized = image.resize((round(image.width * ratio), round(image.height * ratio)), resample)
    left, top = (resized.width - width) // 2, (resized.height - height) // 2
    return resized.crop((left, top, left + width, top + height))


def preprocess(image: Image.Image, geometry: dict[str, Any]) -> np.ndarray:
    """One RGB image to pixels: uint8 (height, width, 3), by the `geometry` of an input entry."""
    return np.asarray(_resized(image, geometry))
