"""The array of pixels: all images, once, whatever interrupts it."""

from __future__ import annotations

import argparse
import json
import os
import struct
import subprocess
import sys

import numpy as np
import pytest
from eventually import eventually
from PIL import Image
from project import ROOT

from dliflow.errors import DliflowError
from dliflow.images import dataset, inputs
from dliflow.images.preprocess import decode, preprocess
from dliflow.stages import prepare

GEOMETRY = {"height": 4, "width": 6, "resize": "squash", "interpolation": "bilinear"}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "images").mkdir()
    rng = np.random.default_rng(0)
    for index in range(40):
        Image.fromarray(rng.integers(0, 256, (9, 11, 3), np.uint8)).save(tmp_path / f"images/{index:02}.png")
    listed(tmp_path)
    return tmp_path


def listed(folder):
    names = list(dataset.find(folder / "images", ["*.png"]))
    dataset.write(folder / "images.csv", dataset.rows(folder / "images", names, [0] * len(names)))


def run(folder, geometry=GEOMETRY):
    """Prepare; how many images were decoded comes with the manifest."""
    count = []

    def counting(path):
        count.append(path)
        return decode(path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prepare, "decode", counting)
        arguments = argparse.Namespace(images=folder / "images.csv", geometry=geometry, out=folder / "array.json")
        try:
            prepare.run(arguments)
        except DliflowError as error:
            return len(count), str(error)
    return len(count), json.loads((folder / "array.json").read_text())


def expected(folder):
    return np.stack([preprocess(decode(path), GEOMETRY) for path in sorted((folder / "images").iterdir())])


def test_every_image_in_the_order_of_the_list(folder):
    count, manifest = run(folder)
    assert count == 40
    assert manifest["shape"] == [40, 4, 6, 3]
    assert np.array_equal(np.load(folder / "array.npy"), expected(folder))
    assert not (folder / "array.partial").exists()
    again = run(folder)[1]
    assert again == manifest


def test_broken_images_are_named_together_and_the_others_are_decoded_once(folder):
    good = {index: (folder / f"images/{index:02}.png").read_bytes() for index in (3, 17)}
    (folder / "images/03.png").write_text("no image")
    (folder / "images/17.png").write_bytes(good[17][:60])
    listed(folder)
    count, message = run(folder)
    assert count == 40
    assert "2 of 40 images cannot be used" in message
    assert "03.png: not an image" in message
    assert "17.png: broken image" in message
    assert not (folder / "array.json").exists()
    for index, content in good.items():
        (folder / f"images/{index:02}.png").write_bytes(content)
    listed(folder)
    count, manifest = run(folder)
    assert count == 2
    assert np.array_equal(np.load(folder / "array.npy"), expected(folder))
    assert run(folder)[1] == manifest  # the same digest as in one go


def test_many_broken_images_are_counted(folder):
    for index in range(22):
        (folder / f"images/{index:02}.png").write_text("no image")
    listed(folder)
    message = run(folder)[1]
    assert message.startswith("22 of 40 images cannot be used")
    assert message.count(".png") == 20
    assert message.endswith("and 2 more")


@pytest.mark.parametrize(
    "error", [struct.error("x"), KeyError("x"), TypeError("x"), MemoryError(), ZeroDivisionError()]
)
@pytest.mark.parametrize("place", ["decode", "preprocess"])
def test_whatever_an_image_does_to_the_library_is_told_with_its_name(folder, monkeypatch, error, place):
    function = {"decode": Image.Image.convert, "preprocess": Image.Image.resize}[place]

    def failing(self, *arguments, **keywords):
        if self.width == 7 and self.size != (6, 4):
            raise error
        return function(self, *arguments, **keywords)

    for index in (5, 9):
        Image.fromarray(np.zeros((5, 7), np.uint8)).save(folder / f"images/{index:02}.png")
    listed(folder)
    monkeypatch.setattr(Image.Image, function.__name__, failing)
    count, message = run(folder)
    assert count == 40
    assert message.startswith("2 of 40 images cannot be used")
    for name in ("05.png", "09.png"):
        assert f"{name}: " in message
    assert message.count(type(error).__name__) == 2


def test_an_image_that_was_replaced_meanwhile_is_decoded_again(folder):
    (folder / "images/39.png").write_text("no image")
    listed(folder)
    run(folder)
    first, second = ((folder / f"images/{index:02}.png").read_bytes() for index in (0, 1))
    (folder / "images/00.png").write_bytes(second)
    listed(folder)
    assert run(folder)[0] == 2  # and the broken one
    (folder / "images/00.png").write_bytes(first)
    (folder / "images/39.png").write_bytes(second)
    listed(folder)
    assert run(folder)[0] == 2
    assert np.array_equal(np.load(folder / "array.npy"), expected(folder))


KILLED = """
import sys
from dliflow.records import journal
from dliflow.__main__ import main
journal.EVERY_S = 0.05
sys.exit(main(sys.argv[1:]))
"""


def test_a_killed_preparation_goes_on(folder):
    """SIGKILL of the real stage in the middle: what is done is not done again, and the array is that of one go."""
    rows = [{**row, "label": 0} for row in dataset.read(folder / "images.csv")] * 300
    dataset.write(folder / "images.csv", rows)
    out, state = folder / "array.json", folder / "array.partial/state.json"
    options = ["--images", str(folder / "images.csv"), "--geometry", json.dumps(GEOMETRY), "--out", str(out)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "workflow")}
    process = subprocess.Popen([sys.executable, "-c", KILLED, "prepare", *options], env=environment)
    assert eventually(lambda: state.exists() and json.loads(state.read_text())["records"])
    process.kill()
    process.wait()
    done = json.loads(state.read_text())["records"]
    assert 0 < done < len(rows)
    assert not out.exists()
    command = [sys.executable, "-m", "dliflow", "prepare", *options]
    again = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert f"goes on where it stopped: {done} of {len(rows)} images are done" in again.stdout
    assert np.array_equal(np.load(folder / "array.npy"), np.tile(expected(folder), (300, 1, 1, 1)))
    assert run(folder) == (len(rows), json.loads(out.read_text()))


def interrupted(folder):
    """What a run that met two broken images has left: 38 images that are done."""
    for index in (3, 17):
        (folder / f"images/{index:02}.png").write_text("no image")
    listed(folder)
    assert run(folder)[0] == 40
    return folder / "array.partial/pixels.npy"


@pytest.mark.parametrize(
    ("damage", "again"), [("flipped", 3), ("shorter", 40), ("gone", 40), ("no array", 40), ("zeros", 40)]
)
def test_pixels_that_were_spoilt_meanwhile_are_made_again(folder, damage, again):
    array = interrupted(folder)
    content = bytearray(array.read_bytes())
    content[128 + 20 * 72] ^= 1
    spoilt = {"flipped": content, "shorter": content[:-500], "no array": b"", "zeros": bytes(len(content))}
    if damage == "gone":
        array.unlink()
    else:
        array.write_bytes(spoilt[damage])
    good = (folder / "images/00.png").read_bytes()
    for index in (3, 17):
        (folder / f"images/{index:02}.png").write_bytes(good)
    listed(folder)
    assert run(folder)[0] == again
    assert np.array_equal(np.load(folder / "array.npy"), expected(folder))
    assert np.array_equal(inputs.read(folder / "array.json"), expected(folder))


def test_an_image_that_is_not_the_listed_one_is_named(folder):
    path = folder / "images/05.png"
    path.write_bytes((folder / "images/06.png").read_bytes())
    assert "05.png: was changed or damaged after the images had been listed" in run(folder)[1]


def test_another_geometry_begins_anew(folder):
    (folder / "images/03.png").write_text("no image")
    listed(folder)
    run(folder)
    assert run(folder, {**GEOMETRY, "interpolation": "bicubic"})[0] == 40


def test_a_disk_that_is_too_small(folder):
    message = run(folder, {**GEOMETRY, "height": 10**7, "width": 10**5})[1]
    assert "no place for" in message
    assert not list(folder.rglob("*.new"))
