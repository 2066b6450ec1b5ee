"""Pixels to inputs."""

from __future__ import annotations

import numpy as np
import pytest
from project import prepared

from dliflow.errors import DliflowError
from dliflow.images import inputs

ENTRY = {
    "height": 6,
    "width": 5,
    "layout": "NCHW",
    "channel_order": "RGB",
    "mean": [123.675, 116.28, 103.53],
    "scale": [58.395, 57.12, 57.375],
    "resize": "squash",
    "interpolation": "nearest",
}
PIXELS = np.random.default_rng(0).integers(0, 256, (3, 6, 5, 3), np.uint8)


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("order", ["RGB", "BGR"])
def test_float32_is_normalised_in_the_channel_order_and_the_layout(order, layout):
    pixels = PIXELS.astype(np.float32)[..., :: 1 if order == "RGB" else -1]
    expected = (pixels - np.float32(ENTRY["mean"])) / np.float32(ENTRY["scale"])
    expected = expected.transpose(0, 3, 1, 2) if layout == "NCHW" else expected
    made = inputs.make(PIXELS, {**ENTRY, "channel_order": order, "layout": layout})
    assert made.dtype == np.float32
    assert made.flags.c_contiguous
    assert np.array_equal(made, expected)
    assert made.shape[1:] == inputs.shape({**ENTRY, "layout": layout})


@pytest.mark.parametrize(("layout", "axes"), [("NHWC", (0, 1, 2, 3)), ("NCHW", (0, 3, 1, 2))])
@pytest.mark.parametrize("order", ["RGB", "BGR"])
def test_uint8_goes_in_as_it_is(layout, axes, order):
    entry = {**ENTRY, "dtype": "uint8", "layout": layout, "channel_order": order}
    made = inputs.make(PIXELS, entry)
    assert made.dtype == np.uint8
    assert made.flags.c_contiguous
    assert np.array_equal(made, PIXELS[..., :: 1 if order == "RGB" else -1].transpose(axes))
    assert made.shape[1:] == inputs.shape(entry)


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize(
    ("kind", "change", "expected"),
    [
        ("int8", {"mean": [128] * 3, "scale": [1] * 3}, PIXELS.astype(int) - 128),
        ("int8", {"mean": [127.5] * 3, "scale": [1] * 3}, np.rint(PIXELS - 127.5).clip(-128, 127)),
        ("int16", {"mean": [127.5] * 3, "scale": [0.0039] * 3}, np.rint((PIXELS - 127.5) / 0.0039)),
    ],
)
def test_integers_are_the_normalised_pixels_rounded(kind, change, expected, layout):
    made = inputs.make(PIXELS, {**ENTRY, **change, "dtype": kind, "layout": layout})
    assert made.dtype == kind
    assert np.array_equal(made, expected.transpose(0, 3, 1, 2) if layout == "NCHW" else expected)


def test_converted_models_take_float32_planes_and_have_what_a_uint8_model_does_inside():
    float32 = {"layout": "NCHW", "dtype": "float32"}
    assert inputs.converted({**ENTRY, "layout": "NHWC", "dtype": "float32"}) == {**ENTRY, **float32}
    pixels = {"mean": [0, 0, 0], "scale": [1, 1, 1], **float32}
    assert inputs.converted({**ENTRY, "layout": "NHWC", "dtype": "uint8"}) == {**ENTRY, **pixels}


def test_memory_that_is_given_is_used():
    out = np.empty((3, 3, 6, 5), np.float32)
    assert inputs.make(PIXELS, ENTRY, out) is out
    assert np.array_equal(out, inputs.make(PIXELS, ENTRY))


def test_only_the_geometry_decides_the_pixels():
    others = {"layout": "NHWC", "channel_order": "BGR", "mean": [0, 0, 0], "scale": [1, 1, 1], "dtype": "uint8"}
    assert inputs.geometry({**ENTRY, **others}) == inputs.geometry(ENTRY)
    assert inputs.geometry({**ENTRY, "interpolation": "bicubic"}) != inputs.geometry(ENTRY)


def test_an_array_that_is_gone_is_named(tmp_path):
    with pytest.raises(DliflowError, match=r"a\.npy is gone; delete .*a\.json"):
        inputs.read(tmp_path / "a.json")


IMAGES = np.random.default_rng(1).integers(0, 256, (20, 5, 7, 3), np.uint8)  # 105 bytes each: 13 words and a byte


def damaged(path, offset, mask=1):
    content = bytearray(path.read_bytes())
    content[offset] ^= mask
    path.write_bytes(content)


def test_what_was_prepared_is_read(tmp_path):
    manifest = prepared(tmp_path / "a.json", IMAGES)
    assert inputs.count(manifest) == 20
    for which in (slice(None), slice(3, 9), slice(18, 40), np.array([4, 2, 19])):
        assert np.array_equal(inputs.read(manifest, which), IMAGES[which])


@pytest.mark.parametrize("place", [0, 50, 103, 104])
@pytest.mark.parametrize("bit", [1, 128])
def test_a_flipped_bit_of_an_image_that_is_read_is_told(tmp_path, place, bit):
    manifest = prepared(tmp_path / "a.json", IMAGES)
    damaged(tmp_path / "a.npy", 128 + 7 * 105 + place, bit)
    told = (
        r"a\.npy is damaged: the pixels of image 8 of 20 are not those .*delete .*a\.json to prepare the images again"
    )
    for which in (slice(None), slice(7, 8), np.array([0, 7])):
        with pytest.raises(DliflowError, match=told):
            inputs.read(manifest, which)
    assert np.array_equal(inputs.read(manifest, slice(8, 20)), IMAGES[8:])


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.npy", b"", "a.npy is damaged or cut off"),
        ("a.npy", None, "a.npy is gone"),
        ("a.npy", 300, "a.npy is damaged or cut off"),
        ("a.npy", bytes(128 + IMAGES.size), "a.npy is damaged or cut off"),
        ("a.sums", b"", "a.sums is damaged"),
        ("a.sums", 80, "a.sums is damaged"),
        ("a.sums", bytes(160), "a.sums is damaged"),
        ("a.sums", None, "a.sums is gone"),
        ("a.json", b"{}", "a.sums is damaged"),
        ("a.json", b"", "a.json: empty; delete it, and it is made again"),
        ("a.json", b'{"sums', "a.json: not JSON"),
    ],
)
def test_an_array_of_which_something_is_missing_is_named(tmp_path, name, content, told):
    manifest = prepared(tmp_path / "a.json", IMAGES)
    path = tmp_path / name
    if content is None:
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:content] if isinstance(content, int) else content)
    with pytest.raises(DliflowError, match=told):
        inputs.read(manifest)


def test_fingerprints_tell_images_apart_and_know_them_again():
    assert len(set(inputs.fingerprints(IMAGES).tolist())) == 20
    assert np.array_equal(inputs.fingerprints(IMAGES[::2]), inputs.fingerprints(IMAGES)[::2])
    assert inputs.fingerprints(np.zeros((2, 2, 2, 3), np.uint8)).tolist() == [0, 0]
    swapped = IMAGES[:1].reshape(1, -1).copy()
    swapped[0, :8], swapped[0, 8:16] = IMAGES[:1].reshape(1, -1)[0, 8:16], IMAGES[:1].reshape(1, -1)[0, :8]
    assert inputs.fingerprints(swapped) != inputs.fingerprints(IMAGES[:1])
    first = int(inputs.fingerprints(np.eye(1, 24, dtype=np.uint8))[0])
    assert first == int.from_bytes(np.random.RandomState(0).bytes(32)[:8], "little") | 1  # the same in every numpy
