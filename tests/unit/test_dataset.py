"""Which files are images, and image lists."""

from __future__ import annotations

import hashlib

import pytest

from dliflow import dataset
from dliflow.errors import DliflowError

IMAGES = ["B.JPEG", "a b.Png", "class/c.webp", "class/deeper/d.jpg"]
LITTER = [".DS_Store", "Thumbs.db", "._B.JPEG", ".cache/e.jpg", "labels.csv", "class/readme.txt", "class/.hidden.png"]


@pytest.fixture
def folder(tmp_path):
    for name in IMAGES + LITTER:
        path = tmp_path / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return tmp_path / "images"


def test_images_are_known_by_their_suffix(folder):
    assert dataset.find(folder, None) == {name: len(name) for name in IMAGES}


def test_patterns(folder):
    assert list(dataset.find(folder, ["*.JPEG", "class/*"])) == ["B.JPEG", "class/c.webp", "class/readme.txt"]
    assert list(dataset.find(folder, ["**/*"])) == sorted([*IMAGES, "class/readme.txt", "labels.csv"])


def test_links_are_followed(folder, tmp_path):
    (tmp_path / "linked").symlink_to(folder)
    (folder / "gone.jpg").symlink_to("nowhere")
    assert list(dataset.find(tmp_path / "linked", None)) == IMAGES


def test_no_image(folder):
    with pytest.raises(DliflowError, match=r"images: no file matches \*\.tiff"):
        dataset.find(folder, ["*.tiff"])
    with pytest.raises(DliflowError, match="no such folder of images"):
        dataset.find(folder / "gone", None)
    (folder / "empty").mkdir()
    with pytest.raises(DliflowError, match=r"empty: no file matches \*\.jpg"):
        dataset.find(folder / "empty", None)


def test_a_listing_sees_what_comes_goes_and_grows(folder):
    seen = {dataset.listing(folder, None)}
    (folder / "new.png").write_bytes(b"1")
    seen.add(dataset.listing(folder, None))
    (folder / "new.png").write_bytes(b"22")
    seen.add(dataset.listing(folder, None))
    (folder / "B.JPEG").unlink()
    seen.add(dataset.listing(folder, None))
    assert len(seen) == 4
    (folder / "labels.csv").write_bytes(b"x")
    assert dataset.listing(folder, None) in seen


def test_lists_are_read_as_they_were_written(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = dataset.rows(folder, IMAGES, [2, None, 0, 1])
    dataset.write(tmp_path / "list.csv", rows)
    assert dataset.read(tmp_path / "list.csv") == rows
    assert rows[1] == {"file": "images/a b.Png", "label": None, "sha256": hashlib.sha256(b"a b.Png").hexdigest()}
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert dataset.rows(folder, IMAGES[:1], [0])[0]["file"] == str(folder / "B.JPEG")
