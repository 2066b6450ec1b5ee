"""ImageNet's validation set in the forms in which people have it, by its own registry entries, on made images."""

from __future__ import annotations

import hashlib
import shutil
import tarfile
import zipfile

import numpy as np
import pytest
import scipy.io
from PIL import Image

from dliflow.images import dataset

# Images of the first three classes in another order than that of their numbers, which run beyond three.
LABELS = [2, 0, 1, 1, 0, 2, 2]
NAMES = [f"ILSVRC2012_val_{number:08d}.JPEG" for number in range(1, len(LABELS) + 1)]
NUMBERS = {0: 3, 1: 1, 2: 2}  # what the development kit calls the classes


@pytest.fixture
def imagenet(project):
    """resources/imagenet with all three forms; the archives' own checksums in the entry."""
    folder = project.folder / "resources/imagenet"
    synsets = (project.folder / "resources/imagenet_synsets.txt").read_text().split()
    (folder / "val").mkdir(parents=True)
    for name, label in zip(NAMES, LABELS):
        Image.new("RGB", (20, 16), [(250, 0, 0), (0, 250, 0), (0, 0, 250)][label]).save(folder / "val" / name)
        place = folder / "val_synsets" / synsets[label]
        place.mkdir(parents=True, exist_ok=True)
        shutil.copy(folder / "val" / name, place)
    (folder / "val/.DS_Store").write_bytes(b"x")
    (folder / "val_map.txt").write_text("".join(f"{name} {label}\n" for name, label in zip(NAMES, LABELS)))

    kit = project.folder / "ILSVRC2012_devkit_t12/data"
    kit.mkdir(parents=True)
    table = np.empty((4, 1), dtype=[("ILSVRC2012_ID", object), ("WNID", object), ("num_children", object)])
    for row, (label, number) in enumerate(NUMBERS.items()):
        table[row, 0] = (float(number), synsets[label], 0.0)
    table[3, 0] = (4.0, "n00000001", 3.0)
    scipy.io.savemat(kit / "meta.mat", {"synsets": table})
    truth = "".join(f"{NUMBERS[label]}\n" for label in LABELS)
    (kit / "ILSVRC2012_validation_ground_truth.txt").write_text(truth)
    with tarfile.open(folder / "ILSVRC2012_devkit_t12.tar.gz", "w:gz") as archive:
        archive.add(kit.parent, kit.parent.name)
    with tarfile.open(folder / "ILSVRC2012_img_val.tar", "w") as archive:
        for name in NAMES:
            archive.add(folder / "val" / name, name)
    entry = "config/datasets/imagenet_validation.yaml"
    for old, name in [
        ("29b22e2961454d5413ddabcf34fc5622", "ILSVRC2012_img_val.tar"),
        ("fa75699e90414af021442c21a62c3abf", "ILSVRC2012_devkit_t12.tar.gz"),
    ]:
        project.edit(entry, old, hashlib.md5((folder / name).read_bytes()).hexdigest())
    return project


def listed(project, name, part="images"):
    return dataset.read(project.folder / f"results/data/{name}/{part}.csv")


@pytest.mark.parametrize("form", ["imagenet_validation", "imagenet_validation_flat", "imagenet_validation_synsets"])
def test_every_form_gives_the_same_labels(imagenet, form):
    imagenet.configure(dataset=form, accuracy={"images": 5})
    imagenet.run(f"results/data/{form}/evaluation.csv")
    assert {row["file"].rpartition("/")[2]: row["label"] for row in listed(imagenet, form)} == dict(zip(NAMES, LABELS))
    chosen = [row["label"] for row in listed(imagenet, form, "evaluation")]
    assert sorted(chosen.count(label) for label in range(3)) == [1, 2, 2]
    if form == "imagenet_validation":
        assert not list((imagenet.folder / "resources/downloads/files").glob("*"))
        (imagenet.folder / "resources/imagenet/ILSVRC2012_devkit_t12.tar.gz").write_bytes(b"another")
        output = imagenet.fail(f"results/data/{form}/evaluation.csv")
        assert "ILSVRC2012_devkit_t12.tar.gz: md5 is " in output


def test_an_archive_with_labels_beside_its_images(project):
    """A folder above all, blanks, a CSV from Excel whose paths begin beside it, and one image that it does not name."""
    entry = project.folder / "config/datasets/mine.yaml"
    with zipfile.ZipFile(project.folder / "data/Colour Set.zip", "w") as archive:
        for path in sorted((project.folder / "data/images").iterdir()):
            archive.write(path, f"Colour Set/photos/{path.stem} \u00fc.PNG")
        rows = "".join(f"photos\\{index}_{index % 3} \u00fc.PNG;{index % 3 + 1}\r\n" for index in range(8))
        archive.writestr("Colour Set/labels.csv", f"file;label\r\n{rows}".encode("cp1252"))
    text = (
        "source: data/Colour Set.zip\nlabels: {from: csv, file: Colour Set/labels.csv, first: 1, only_listed: true%s}\n"
    )
    project.configure(dataset="mine", accuracy={"images": None})

    entry.write_text(text % ", encoding: cp-12")
    assert "mine.yaml: labels.encoding: unknown encoding: cp-12" in project.fail("results/data/mine/images.csv")
    entry.write_text(text % "")
    assert "set labels.encoding to what it is, such as cp1252" in project.fail("results/data/mine/images.csv")
    entry.write_text(text % ", encoding: cp1252")
    assert "names 8 of 9 images; the others are left out" in project.run("results/data/mine/images.csv")
    assert [row["label"] for row in listed(project, "mine")] == [index % 3 for index in range(8)]


def test_what_is_not_there_is_told_before_anything_runs(project):
    project.configure(dataset="imagenet_validation")
    output = project.fail("all")
    assert (
        "config/datasets/imagenet_validation.yaml: source.from: there is no resources/imagenet/ILSVRC2012_img" in output
    )
    (project.folder / "resources/imagenet/val").mkdir(parents=True)
    Image.new("RGB", (9, 9)).save(project.folder / "resources/imagenet/val" / NAMES[0])
    project.configure(dataset="imagenet_validation_flat")
    output = project.fail("all")
    assert "imagenet_validation_flat.yaml: labels.file.from: there is no resources/imagenet/val_map.txt" in output
    assert not (project.folder / "results").exists()


def test_more_images_than_there_are(project):
    project.configure(accuracy={"images": 10})
    output = project.fail("results/data/colours/evaluation.csv")
    assert "accuracy.images: 10 is more than the dataset's 9 images; null is all" in output
