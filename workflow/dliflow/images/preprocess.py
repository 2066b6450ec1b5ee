"""From an image file to pixels of the size that a model takes, the same for every framework.

Decode, resize and crop; `inputs.py` makes a model's input of the pixels.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Optional

import numpy as np
from PIL import ExifTags, Image, TiffImagePlugin, UnidentifiedImageError

from dliflow.errors import DliflowError
from dliflow.fetching import mistaken

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
BITS_PER_SAMPLE, COMPRESSION, PHOTOMETRIC = 258, 259, 262  # tags of TIFF
SAMPLES_PER_PIXEL, PLANES, SAMPLE_FORMAT = 277, 284, 339
KINDS = {1: "whole numbers", 2: "signed numbers", 3: "float"}
NO_TIFF = "a TIFF of {samples}, which is not read; save it with 8 or 16 bits, as RGB or grey"
TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # how such a file begins; the last two are of BigTIFF


def decode(path: Path) -> Image.Image:
    """Decode to RGB, upright: the first picture of the file, without its transparency.

    Grayscale, palette, CMYK, 16-bit, 32-bit and float images are converted, EXIF rotation is applied.

    Raises:
        DliflowError: with the file's name, when it is missing, no image, cut off, or has values of no known range.
    """
    try:
        with Image.open(path, formats=FORMATS) as file:
            if math.prod(file.size) > MOST_PIXELS:
                raise Image.DecompressionBombError(f"{file.width} x {file.height} pixels")
            _check_tiff(file, path)
            file.load()
            image: Image.Image = file
            turn = _turn(image)
            if image.mode in ("I", "F") or image.mode.startswith("I;16"):
                image = _eight_bits(image, path)
            image = image if turn is None else image.transpose(turn)
            return image if image.mode == "RGB" else image.convert("RGB")
    except DliflowError:
        raise
    except FileNotFoundError as error:
        raise DliflowError(f"{path}: no such image") from error
    except UnidentifiedImageError as error:
        raise DliflowError(f"{path}: {_what_else(path)}") from error
    except Exception as error:  # broken files make Pillow raise errors of all kinds
        raise DliflowError(f"{path}: broken image: {type(error).__name__}: {error}") from error


def _turn(image: Image.Image) -> Optional[Image.Transpose]:
    """What makes the image upright; ImageOps.exif_transpose fails where it cannot write the other entries back."""
    try:
        return TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except SyntaxError:  # its EXIF does not begin as EXIF does, and so tells nothing
        return None


def _check_tiff(file: Any, path: Path) -> None:
    """Refuse a TIFF of a kind that Pillow 13 reads wrongly, without a word."""
    tags = getattr(file, "tag_v2", None)
    if tags is None:
        return
    bits, packed = max(tags.get(BITS_PER_SAMPLE, (1,))), tags.get(COMPRESSION, 1) != 1
    wrong = {
        f"planes of {bits} bits, one for each colour": tags.get(PLANES) == 2 and bits > 8 and not packed,
        f"compressed big-endian samples of {bits} bits": packed and tags.prefix == b"MM" and file.mode in ("I", "F"),
        "samples of 8 bits with a sign": bits == 8 and tags.get(SAMPLE_FORMAT, (1,))[0] == 2,
    }
    for samples in (samples for samples, is_so in wrong.items() if is_so):
        raise DliflowError(f"{path}: {NO_TIFF.format(samples=samples)}")


def _what_else(path: Path) -> str:
    """Why a file is no image, or none that is read."""
    with open(path, "rb") as stream:
        start = stream.read(8)
        if not start:
            return "the file is empty"
        if start.startswith(TIFF):
            return NO_TIFF.format(samples=_samples(start, stream))
    return mistaken.kind(path) or f"not an image of the formats {', '.join(FORMATS)}; save it as PNG or JPEG"


def _samples(start: bytes, stream: Any) -> str:
    """The samples of a TIFF's pixels, in words."""
    try:
        tags = TiffImagePlugin.ImageFileDirectory_v2(start + (stream.read(8) if b"+" in start[:4] else b""))
        stream.seek(tags.next)
        tags.load(stream)
        bits, kinds = tags[BITS_PER_SAMPLE], tags.get(SAMPLE_FORMAT, (1,))
        count = tags.get(SAMPLES_PER_PIXEL, len(bits))
    except Exception:  # its table is broken or cut off
        return "unknown samples"
    return f"{count} samples of {bits[0]} bits, {KINDS.get(kinds[0], 'of another kind')}"


def _eight_bits(image: Image.Image, path: Path) -> Image.Image:
    """A grayscale image of 16 or 32 bits with its range from black to white scaled to 0 to 255.

    White is the largest value that the file's samples can hold: 65 535 for 16 bits, 4095 for 12. For 32 bits, which say
    nothing of it, it is the smallest of 255, 65 535 and the largest number that holds all values, for float of 1, 255
    and 65 535.
    """
    values = np.asarray(image)
    tags = getattr(image, "tag_v2", {})  # of a TIFF
    default = 16 if image.mode.startswith("I;16") or image.format in ("PNG", "PPM") else 32
    bits = tags.get(BITS_PER_SAMPLE, (default,))[0]
    if image.mode == "I" and bits == 32 and tags.get(SAMPLE_FORMAT, (1,))[0] == 1:
        values = values.view(np.uint32)  # Pillow has signed ones only
    least, most = float(values.min()), float(values.max())
    if not (least >= 0 and np.isfinite(most)):  # NaN is not at least 0
        raise DliflowError(
            f"{path}: its values go from {least:g} to {most:g}, so black and white are not known; save it with values "
            "of at least 0, best with 8 or 16 bits"
        )
    if image.mode == "F" or (image.mode == "I" and bits == 32):
        whites = (1, 255, 65_535) if image.mode == "F" else (255, 65_535, np.iinfo(values.dtype).max)
        white = next((white for white in whites if most <= white), 0)
        if not white or (white > whites[0] and most * DARK < white):
            raise DliflowError(
                f"{path}: its brightest value is {most:g}, so white is not known: is it one of "
                f"{', '.join(f'{white:,}' for white in whites)}? Save it with 8 or 16 bits"
            )
    else:
        white = 2 ** (bits - 1) - 1 if tags.get(SAMPLE_FORMAT, (1,))[0] == 2 else 2**bits - 1
    scaled = np.rint(values.astype(np.float64) * (255 / white)).astype(np.uint8)
    return Image.fromarray(255 - scaled if tags.get(PHOTOMETRIC, 1) == 0 else scaled)


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
