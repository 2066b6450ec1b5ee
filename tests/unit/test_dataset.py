"""Which files are images, and image lists."""

from __future__ import annotations

import argparse
import hashlib
import os
import re

import pytest

from dliflow.errors import DliflowError
from dliflow.images import dataset
from dliflow.stages import images

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
    assert list(dataset.find(tmp_path / "linked", None)) == IMAGES


@pytest.mark.parametrize("pattern", ["../o*", "class/../../x", "/etc/*"])
def test_patterns_that_lead_out_of_the_folder_are_refused(pattern):
    with pytest.raises(DliflowError, match=f"images: '{re.escape(pattern)}': leads out of the dataset's folder"):
        dataset.check(["*.png", pattern])
    dataset.check(["a..b/*.png", "**/*"])
    dataset.check(None)


def test_links_out_of_the_folder_are_told(folder, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    for name in ("elsewhere/a.png", "b.png"):
        (tmp_path / name).write_bytes(b"")
    (folder / "linked").symlink_to(tmp_path / "elsewhere")
    (folder / "b.png").symlink_to(tmp_path / "b.png")
    (folder / "inside.png").symlink_to(folder / "a b.Png")
    (tmp_path / "again").symlink_to(folder)
    for one in (folder, tmp_path / "again"):
        assert dataset.leading_outside(one, list(dataset.find(one, None))) == ["b.png", "linked/a.png"]


@pytest.mark.parametrize("patterns", [None, ["*.jpg", "*.JPEG"]])
def test_images_that_are_no_files_are_all_named(folder, patterns):
    (folder / "gone.jpg").symlink_to("nowhere")
    (folder / "itself.jpg").symlink_to("itself.jpg")
    os.mkfifo(folder / "pipe.jpg")
    with pytest.raises(DliflowError) as caught:
        dataset.find(folder, patterns)
    assert str(caught.value).splitlines() == [
        f"{folder}: 3 images cannot be used; replace or remove them:",
        "  gone.jpg: is a link to nothing",
        "  itself.jpg: is a link to nothing",
        "  pipe.jpg: is no regular file",
    ]


def test_names_that_are_no_text_are_named(folder):
    for name in (b"gr\xfcn.png", b"wei\xdf.png"):
        with open(os.path.join(os.fsencode(folder), name), "wb"):
            pass
    with pytest.raises(DliflowError) as caught:
        dataset.find(folder, None)
    assert str(caught.value).splitlines()[1:] == [
        rf"  {name}: its name is no text in UTF-8; rename it, or unpack its archive with that encoding"
        for name in (r"gr\xfcn.png", r"wei\xdf.png")
    ]


def test_a_folder_that_is_named_like_an_image(folder):
    (folder / "z.jpg").mkdir()
    (folder / "z.jpg/inner.png").write_bytes(b"x")
    assert list(dataset.find(folder, None)) == [*IMAGES, "z.jpg/inner.png"]
    assert list(dataset.find(folder, ["*.jpg", "*.JPEG"])) == ["B.JPEG"]


def test_a_link_to_a_folder_above(folder):
    (folder / "class/again").symlink_to("..")
    with pytest.raises(DliflowError, match=r"class/again: is a link to a folder that it lies in itself"):
        dataset.find(folder, None)


def test_files_that_cannot_be_read_are_all_named(folder, monkeypatch):
    def refuse(path):
        if path.suffix == ".webp" or path.name == "d.jpg":
            raise PermissionError(13, "Permission denied")
        return "0" * 64

    monkeypatch.setattr(dataset, "sha256", refuse)
    with pytest.raises(DliflowError) as caught:
        dataset.rows(folder, IMAGES, [0] * 4)
    assert str(caught.value).splitlines() == [
        "2 of 4 images cannot be read:",
        f"  {folder}/class/c.webp: cannot be read: Permission denied",
        f"  {folder}/class/deeper/d.jpg: cannot be read: Permission denied",
    ]


def test_files_that_are_left_out_are_counted_and_told(folder, tmp_path, capsys):
    for name in ("a.jfif", "b.JPE", "c.heic", "d.HEIC", "README"):
        (folder / name).write_bytes(name.encode())
    assert list(dataset.find(folder, None)) == sorted([*IMAGES, "a.jfif", "b.JPE"])
    assert dataset.left_out(folder) == {".heic": 2, ".csv": 1, ".txt": 1, "no suffix": 1}
    assert dataset.left_out(folder, folder / "labels.csv") == {".heic": 2, ".txt": 1, "no suffix": 1}
    arguments = {"folder": folder, "labels": {"from": "none"}, "labels_path": None, "classes": 1, "names": None}
    images.run(argparse.Namespace(**arguments, crops=None, patterns=None, out=tmp_path / "list.csv"))
    printed = capsys.readouterr().out
    assert (
        "6 images are taken; 5 other files are left out by their suffix (2 .heic, 1 .csv, 1 .txt, 1 no suffix)"
        in printed
    )
    images.run(argparse.Namespace(**arguments, crops=None, patterns=["*.jfif"], out=tmp_path / "list.csv"))
    assert "left out" not in capsys.readouterr().out


def test_class_names_as_windows_writes_them(folder, tmp_path):
    (tmp_path / "names.txt").write_bytes("\ufeffclass \r\ndeeper\r\n".encode())
    arguments = {"folder": folder, "patterns": ["class/**/*.*"], "labels_path": None, "classes": 2}
    out, names = tmp_path / "list.csv", tmp_path / "names.txt"
    (folder / "class/readme.txt").unlink()
    images.run(argparse.Namespace(**arguments, crops=None, labels={"from": "folder"}, names=names, out=out))
    assert [row["label"] for row in dataset.read(out)] == [0, 1]


def test_no_image(folder):
    with pytest.raises(DliflowError, match=r"images: no file matches \*\.tiff"):
        dataset.find(folder, ["*.tiff"])
    with pytest.raises(DliflowError, match="no such folder of images"):
        dataset.find(folder / "gone", None)
    (folder / "empty").mkdir()
    with pytest.raises(DliflowError, match=r"empty: no file matches \*\.jpg.*\*\.qoi$"):
        dataset.find(folder / "empty", None)
    (folder / "empty/a.parquet").touch()
    with pytest.raises(DliflowError, match=r"empty: no file matches .*; there are 1 \.parquet: `images` in the"):
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
