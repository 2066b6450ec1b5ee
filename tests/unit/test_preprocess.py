"""Images to inputs."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from dliflow.errors import DliflowError
from dliflow.preprocess import decode, preprocess

SPEC = {
    "height": 4,
    "width": 4,
    "layout": "NCHW",
    "channel_order": "RGB",
    "mean": [0, 0, 0],
    "scale": [1, 1, 1],
    "resize": {"short_side": 4},
    "interpolation": "nearest",
}


def image(width, height):
    pixels = np.arange(width * height * 3, dtype=np.uint8).reshape(height, width, 3)
    return Image.fromarray(pixels)


def test_centre_crop_channel_order_and_normalisation():
    picture = image(8, 4)
    plain = preprocess(picture, SPEC)
    assert plain.shape == (3, 4, 4)
    assert plain.dtype == np.float32
    assert plain.flags.c_contiguous
    assert np.array_equal(plain, np.asarray(picture)[:, 2:6].transpose(2, 0, 1))
    assert np.array_equal(preprocess(picture, {**SPEC, "channel_order": "BGR"}), plain[::-1])
    scaled = preprocess(picture, {**SPEC, "mean": [1, 2, 3], "scale": [2, 4, 8]})
    assert scaled[2, 0, 0] == (plain[2, 0, 0] - 3) / 8
    assert np.array_equal(preprocess(picture, {**SPEC, "layout": "NHWC"}), plain.transpose(1, 2, 0))


def test_squash_takes_the_whole_image():
    assert preprocess(image(8, 4), {**SPEC, "resize": "squash"}).shape == (3, 4, 4)


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
