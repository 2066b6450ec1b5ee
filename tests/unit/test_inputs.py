"""Pixels to inputs."""

from __future__ import annotations

import numpy as np
import pytest

from dliflow import inputs
from dliflow.errors import DliflowError

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
def test_float32_is_normalised_in_the_channel_order_and_always_planar(order, layout):
    pixels = PIXELS.astype(np.float32)[..., :: 1 if order == "RGB" else -1]
    expected = ((pixels - np.float32(ENTRY["mean"])) / np.float32(ENTRY["scale"])).transpose(0, 3, 1, 2)
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
