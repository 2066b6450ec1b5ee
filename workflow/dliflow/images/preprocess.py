"""From an image file to pixels of the size that a model takes, the same for every framework.

Decode, resize and crop; `inputs.py` makes a model's input of the pixels.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Optional

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from dliflow.errors import DliflowError
from dliflow.fetching import mistaken
from dliflow.images import tiff

MOST_PIXELS = 200_000_000  # of an image, and of what it is resized to: more is a bomb, and no large photograph
Image.MAX_IMAGE_PIXELS = MOST_PIXELS  # Pillow itself refuses twice as many

# The formats whose suffixes `dataset.SUFFIXES` has. Others that Pillow knows run other programs (EPS), unpack more than
# their pixels (FITS), or are no images that anybody classifies.
TAKEN = ("JPEG", "MPO", "PNG", "BMP", "DIB", "WEBP", "GIF", "TIFF", "PPM", "JPEG2000", "AVIF", "TGA", "QOI")
Image.init()
FORMATS = tuple(name for name in TAKEN if name in Image.OPEN)  # AVIF and others are not in every build of Pillow

TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
DARK = 64  # a brightest value below this part of white says that white is another one


def decode(path: Path) -> Image.Image:
    """Decode to RGB, upright: the first picture of the file, without its transparency.

    Grayscale, palette, CMYK, 16-bit, 32-bit and float images are converted, EXIF rotation is applied.

    Raises:
        DliflowError: with the file's name, when it is missing, no image, cut off, or has values of no known range.
    """
    try:
        return _read(path)
    except DliflowError:
        raise
    except FileNotFoundError as error:
        raise DliflowError(f"{path}: no such image") from error
    except UnidentifiedImageError as error:
        raise _what_else(path) from error
    except Exception as error:  # broken files make Pillow raise errors of all kinds
        raise DliflowError(f"{path}: broken image: {type(error).__name__}: {error}") from error


def _read(path: Path) -> Image.Image:
    table = tiff.tags(path)
    if table is not None and tiff.is_plain(table):
        _check_size(table[tiff.WIDTH], table[tiff.HEIGHT])
        image = _eight_bits(tiff.values(path, table), table[tiff.BITS_PER_SAMPLE][0], table, path)
        return _upright(image, TURNS.get(table.get(tiff.ORIENTATION, 1)))
    with Image.open(path, formats=FORMATS) as file:
        _check_size(*file.size)
        tiff.check(file, path)
        if file.mode == "LAB":
            raise DliflowError(f"{path}: its colours are CIELAB, which are not read; save it as RGB")
        file.load()
        deep = file.mode in ("I", "F") or file.mode.startswith("I;16")
        return _upright(_grey(file, path) if deep else file, _turn(file))


def _upright(image: Image.Image, turn: Optional[Image.Transpose]) -> Image.Image:
    image = image if turn is None else image.transpose(turn)
    return image if image.mode == "RGB" else image.convert("RGB")


def _check_size(width: int, height: int) -> None:
    if width * height > MOST_PIXELS:
        raise Image.DecompressionBombError(f"{width} x {height} pixels")


def _turn(image: Image.Image) -> Optional[Image.Transpose]:
    """What makes the image upright; ImageOps.exif_transpose fails where it cannot write the other entries back."""
    try:
        return TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except SyntaxError:  # its EXIF does not begin as EXIF does, and so tells nothing
        return None


def _what_else(path: Path) -> DliflowError:
    """Why a file is no image, or none that is read."""
    with open(path, "rb") as stream:
        start = stream.read(4)
    if start.startswith(tiff.BEGINS):
        return tiff.refusal(path)
    unknown = f"not an image of the formats {', '.join(FORMATS)}; save it as PNG or JPEG"
    return DliflowError(f"{path}: {(mistaken.kind(path) or unknown) if start else 'the file is empty'}")


def _grey(image: Image.Image, path: Path) -> Image.Image:
    """A grayscale image of 16 or 32 bits that Pillow has read, with 8 bits."""
    values = np.asarray(image)
    table = getattr(image, "tag_v2", {})  # of a TIFF
    default = 16 if image.mode.startswith("I;16") or image.format in ("PNG", "PPM") else 32
    bits = table.get(tiff.BITS_PER_SAMPLE, (default,))[0]
    if image.mode == "I" and bits == 32 and table.get(tiff.SAMPLE_FORMAT, (tiff.WHOLE,))[0] == tiff.WHOLE:
        values = values.view(np.uint32)  # Pillow has signed ones only
    return _eight_bits(values, bits, table, path)


def _eight_bits(values: np.ndarray, bits: int, table: Any, path: Path) -> Image.Image:
    """Values of more than 8 bits with their range from black to white scaled to 0 to 255.

    White is the largest value that the file's samples can hold: 65 535 for 16 bits, 4095 for 12. For 32 bits and more,
    which say nothing of it, it is the smallest of 255, 65 535 and the largest number that holds all values, for float
    of 1, 255 and 65 535.

    Args:
        values: (height, width) or (height, width, 3).
        table: the tags of a TIFF.
    """
    least, most = float(values.min()), float(values.max())
    if not (least >= 0 and np.isfinite(most)):  # NaN is not at least 0
        raise DliflowError(
            f"{path}: its values go from {least:g} to {most:g}, so black and white are not known; save it with values "
            "of at least 0, best with 8 or 16 bits"
        )
    if values.dtype.kind == "f" or bits >= 32:
        whites = (1, 255, 65_535) if values.dtype.kind == "f" else (255, 65_535, np.iinfo(values.dtype).max)
        white = next((white for white in whites if most <= white), 0)
        if not white or (white > whites[0] and most * DARK < white):
            raise DliflowError(
                f"{path}: its brightest value is {most:g}, so white is not known: is it one of "
                f"{', '.join(f'{white:,}' for white in whites)}? Save it with 8 or 16 bits"
            )
    else:
        white = 2 ** (bits - 1) - 1 if table.get(tiff.SAMPLE_FORMAT, (tiff.WHOLE,))[0] == tiff.SIGNED else 2**bits - 1
    scaled = np.rint(values.astype(np.float64) * (255 / white)).astype(np.uint8)
    return Image.fromarray(255 - scaled if table.get(tiff.PHOTOMETRIC, 1) == 0 else scaled)


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
    # Sizes are rounded down and offsets to the next whole number, an even one from halves, as torchvision and timm do
    # it (resize and center_crop of torchvision/transforms/functional.py, 0.28).
    short = min(image.size)
    size = [int(resize["short_side"] * side / short) for side in image.size]
    if math.prod(size) > MOST_PIXELS:  # a strip of 1 x 5000 pixels would fill the memory
        raise Image.DecompressionBombError(f"{image.width} x {image.height} pixels would become {size[0]} x {size[1]}")
    resized = image.resize(size, resample)
    left, top = round((resized.width - width) / 2), round((resized.height - height) / 2)
    return resized.crop((left, top, left + width, top + height))


def preprocess(image: Image.Image, geometry: dict[str, Any]) -> np.ndarray:
    """One RGB image to pixels: uint8 (height, width, 3), by the `geometry` of an input entry."""
    return np.asarray(_resized(image, geometry))
