"""Images to pixels."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from dliflow.errors import DliflowError
from dliflow.preprocess import decode, preprocess

GEOMETRY = {"height": 4, "width": 4, "resize": {"short_side": 4}, "interpolation": "nearest"}


def image(width, height):
    pixels = np.arange(width * height * 3, dtype=np.uint8).reshape(height, width, 3)
    return Image.fromarray(pixels)


def test_centre_crop_after_the_short_side():
    picture = image(8, 4)
    pixels = preprocess(picture, GEOMETRY)
    assert pixels.dtype == np.uint8
    assert np.array_equal(pixels, np.asarray(picture)[:, 2:6])


def test_squash_takes_the_whole_image():
    picture = image(8, 4)
    assert np.array_equal(preprocess(picture, {**GEOMETRY, "resize": "squash"}), np.asarray(picture.resize((4, 4), 0)))


@pytest.mark.parametrize(("side", "left"), [(100, 88), (224, 196), (15, 15), (16, 14), (17, 15), (331, 291), (47, 43)])
def test_a_central_crop_is_tensorflow_s(side, left):
    """What is left of a side, as `tf.image.central_crop(image, 0.875)` of TensorFlow 2.21 leaves it."""
    geometry = {"height": left, "width": left, "resize": {"central_fraction": 0.875}, "interpolation": "bilinear"}
    offset = (side - left) // 2
    picture = image(side, side)
    cut = np.asarray(picture)[offset : offset + left, offset : offset + left]
    assert np.array_equal(preprocess(picture, geometry), cut)  # resized to its own size


def test_a_central_crop_is_resized_without_what_lies_around_it():
    pixels = np.zeros((16, 32, 3), np.uint8)
    pixels[1:15, 2:30] = 200
    geometry = {"height": 5, "width": 5, "resize": {"central_fraction": 0.875}, "interpolation": "bicubic"}
    assert (preprocess(Image.fromarray(pixels), geometry) == 200).all()


@pytest.mark.parametrize("mode", ["L", "P", "CMYK", "RGBA", "1", "I;16"])
def test_every_mode_becomes_rgb(tmp_path, mode):
    suffix = "jpg" if mode == "CMYK" else "png"
    source = Image.fromarray(np.full((6, 6), 300, np.uint16)) if mode == "I;16" else image(6, 6).convert(mode)
    source.save(tmp_path / f"a.{suffix}")
    assert decode(tmp_path / f"a.{suffix}").mode == "RGB"


def test_exif_rotation_is_applied(tmp_path):
    picture = image(8, 4)
    exif = picture.getexif()
    exif[0x0112] = 6
    picture.save(tmp_path / "a.jpg", exif=exif)
    assert decode(tmp_path / "a.jpg").size == (4, 8)


def test_what_is_no_image_is_named(tmp_path):
    (tmp_path / "a.png").write_text("text")
    with pytest.raises(DliflowError, match=r"a\.png: not an image"):
        decode(tmp_path / "a.png")
    with pytest.raises(DliflowError, match=r"b\.png: no such image"):
        decode(tmp_path / "b.png")
