"""Squares of photographs: where they lie, what they are called, and that each becomes its own pixels."""

from __future__ import annotations

import argparse
import json

import numpy as np
import pytest
from PIL import Image

from dliflow.errors import DliflowError
from dliflow.images import crops, dataset, subset
from dliflow.stages import images, prepare


@pytest.fixture
def photographs(tmp_path, monkeypatch):
    """Two photographs of noise below the working directory, the second too small for the finer grid."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    rng = np.random.default_rng(0)
    for name, size in (("a", (40, 60)), ("b", (24, 24))):
        pixels = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"photos/{name}.png")
    return tmp_path / "photos"


def staged(stage, **options):
    parser = argparse.ArgumentParser()
    stage.arguments(parser)
    words = [f"--{key}={json.dumps(value) if isinstance(value, dict) else value}" for key, value in options.items()]
    stage.run(parser.parse_args(words))


def listed(folder, **entry):
    out = folder.parent / "images.csv"
    staged(images, folder=folder, labels={"from": "none"}, crops=entry, classes=3, out=out)
    return out


@pytest.mark.parametrize("size", [(640, 427), (427, 640), (300, 300), (1000, 201)])
def test_squares_of_each_size_cover_the_image_and_each_is_another(size):
    boxes = list(crops.squares(*size, [1, 0.8, 0.5], 60))
    assert len(boxes) == len(set(boxes))
    for side in {box[2] for box in boxes}:
        covered = np.zeros(size, bool)
        for left, top, width, height in boxes:
            assert width == height >= 60
            assert 0 <= left <= size[0] - width
            assert 0 <= top <= size[1] - height
            if width == side:
                covered[left : left + side, top : top + side] = True
        assert covered.all()


def test_a_square_below_the_smallest_is_left_out():
    assert list(crops.squares(24, 24, [1, 0.5], 20)) == [(0, 0, 24, 24)]
    assert list(crops.squares(24, 24, [0.5], 20)) == []


@pytest.mark.parametrize("name", ["a/b.png", "a#1.png", "a#xywh=1,2.png"])
def test_other_names_mean_the_whole_image(name):
    assert crops.split(name) == (name, None)
    assert crops.split(crops.named(name, (1, 2, 30, 40))) == (name, (1, 2, 30, 40))


def test_each_square_is_listed_with_the_checksum_of_its_photograph(photographs):
    rows = dataset.read(listed(photographs, sides=[1, 0.5], smallest=20))
    assert len({row["file"] for row in rows}) == len(rows) == 2 + 2 * 3 + 1
    by_photograph = {}
    for row in rows:
        by_photograph.setdefault(crops.split(row["file"])[0], set()).add(row["sha256"])
    assert [len(found) for found in by_photograph.values()] == [1, 1]


def test_the_pixels_of_a_square_are_those_at_its_place(photographs):
    out = photographs.parent / "array.json"
    geometry = {"height": 20, "width": 20, "resize": "squash", "interpolation": "nearest"}
    images_csv = listed(photographs, sides=[0.5], smallest=20)
    staged(prepare, images=images_csv, geometry=geometry, out=out)
    whole = np.asarray(Image.open(photographs / "a.png"))
    for row, pixels in zip(dataset.read(images_csv), np.load(out.with_suffix(".npy"))):
        left, top, width, height = crops.split(row["file"])[1]
        assert np.array_equal(pixels, whole[top : top + height, left : left + width])


def test_a_choice_mixes_photographs(photographs):
    rows = dataset.read(listed(photographs, sides=[1, 0.6, 0.4], smallest=8))
    first = subset.order(rows, 0)[:6]
    assert {crops.split(row["file"])[0] for row in first} == {"photos/a.png", "photos/b.png"}


def test_photographs_that_are_all_too_small_are_told(photographs):
    with pytest.raises(DliflowError, match=r"crops.smallest: 50: no image has squares of so many pixels"):
        listed(photographs, sides=[1], smallest=50)


def test_photographs_that_cannot_be_read_are_all_named(photographs):
    for name in ("c.png", "d.png"):
        (photographs / name).write_bytes((photographs / "a.png").read_bytes()[:60])
    with pytest.raises(DliflowError, match=r"(?s)^2 of 4 images cannot be used:.*c\.png: broken.*d\.png: broken"):
        listed(photographs, sides=[1], smallest=20)
