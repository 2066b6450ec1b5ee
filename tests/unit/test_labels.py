"""Labels by every rule, and what is said when a rule and the images do not fit together."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.io

from dliflow.errors import DliflowError
from dliflow.labels import Classes, of_images

ANIMALS = Classes(3, ["cat", "dog", "crane bird"])
SYNSETS = Classes(3, ["n01", "n02", "n03"])
NAMES = ["a.jpg", "sub/b.jpg", "with space.jpg"]


def test_none():
    assert of_images(NAMES, {"from": "none"}, None, ANIMALS) == [None] * 3


def test_file_name():
    rule = {"from": "file_name", "pattern": r".*_(?P<label>\d+)\.jpg"}
    assert of_images(["x/a_2.jpg", "b_0.jpg"], rule, None, ANIMALS) == [2, 0]
    named = {"from": "file_name", "pattern": r"(?P<label>\w+)-.*"}
    assert of_images(["dog-1.jpg", "cat-1.jpg"], named, None, ANIMALS) == [1, 0]
    with pytest.raises(DliflowError, match=r"cow-1\.jpg: label 'cow' is no class"):
        of_images(["cow-1.jpg"], named, None, ANIMALS)
    with pytest.raises(DliflowError, match=r"labels\.pattern: '\.\*' has no group"):
        of_images(["cow-1.jpg"], {"from": "file_name", "pattern": ".*"}, None, ANIMALS)
    with pytest.raises(DliflowError, match=r"a\.jpg, sub/b\.jpg, with space\.jpg: no label from labels\.pattern"):
        of_images(NAMES, rule, None, ANIMALS)


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ({"from": "csv"}, "file,label\nsub/b.jpg,1\na.jpg,0\nwith space.jpg,2\n"),
        ({"from": "csv"}, "file,label,note\n./a.jpg, cat,x\nsub/b.jpg, dog,\nwith space.jpg, crane bird,\n"),
        ({"from": "csv"}, '\ufefffile,label\r\n"a.jpg",0\r\nsub/b.jpg,1\r\n"with space.jpg",2\r\n'),
        ({"from": "csv", "first": 1}, "file,label\na.jpg,1\nsub/b.jpg,2\nwith space.jpg,3\n"),
        (
            {"from": "csv", "columns": {"file": "image", "label": "class"}},
            "id,image,class\n7,a.jpg,0\n8,sub/b.jpg,1\n9,with space.jpg,2\n",
        ),
        ({"from": "csv", "columns": {"label": "class"}}, "file,class\na.jpg,0\nsub/b.jpg,1\nwith space.jpg,2\n"),
        ({"from": "list"}, "a.jpg 0\nsub/b.jpg\t1\n\nwith space.jpg 2"),
        ({"from": "list"}, "a.jpg cat\nsub/b.jpg dog\nwith space.jpg crane bird\n"),
    ],
)
def test_files_of_labels(tmp_path, rule, text):
    (tmp_path / "labels.txt").write_text(text, encoding="utf-8", newline="")
    assert of_images(NAMES, rule, tmp_path / "labels.txt", ANIMALS) == [0, 1, 2]
    assert of_images(NAMES, rule, tmp_path, ANIMALS) == [0, 1, 2]  # the only file of what was fetched


def test_synsets_as_labels(tmp_path):
    (tmp_path / "map.txt").write_text("a.jpg n02\nsub/b.jpg n03\nwith space.jpg n01\n")
    assert of_images(NAMES, {"from": "list"}, tmp_path / "map.txt", SYNSETS) == [1, 2, 0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,label\na.jpg,0\n", r"no label for 2 of 3 images: sub/b\.jpg, with space\.jpg; it names a\.jpg"),
        ("file,label\n{all}gone.jpg,1\n", r"names 1 images that are not among the dataset's: gone\.jpg"),
        ("file,label\n{all}a.jpg,1\n", r"line 5: a\.jpg is named again \(label 1\), after line 2; .* two files in one"),
        (
            "file,label\na.jpg,1\nsub/b.jpg,2\nwith space.jpg,3\n",
            r"with space\.jpg: label 3 is outside .* 0 to 2\. .*first: 1",
        ),
        ("file,label\na.jpg,0\nsub/b.jpg,-1\nwith space.jpg,0\n", r"sub/b\.jpg: label -1 is outside"),
        ("file,label\na.jpg,mouse\n", r"line 2: label 'mouse' is no class; classes are called cat, dog"),
        ("a.jpg,0\n", r"must name the columns file and label; it names a\.jpg, 0"),
        ("", "it names nothing"),
        ("file,label\na.jpg\n", r"line 2: label '' is no class"),
    ],
)
def test_wrong_files_of_labels(tmp_path, text, message):
    path = tmp_path / "labels.csv"
    path.write_text(text.replace("{all}", "a.jpg,0\nsub/b.jpg,1\nwith space.jpg,2\n"))
    with pytest.raises(DliflowError, match=rf"(labels\.csv: .*)?{message}"):
        of_images(NAMES, {"from": "csv"}, path, ANIMALS)


def test_wrong_lists(tmp_path):
    path = tmp_path / "map.txt"
    path.write_text("a.jpg\n")
    with pytest.raises(DliflowError, match=r"line 1: 'a\.jpg' is no 'file label'"):
        of_images(NAMES, {"from": "list"}, path, ANIMALS)
    path.write_bytes(b"\xff\xfe\x00a")
    with pytest.raises(DliflowError, match="is no text in UTF-8"):
        of_images(NAMES, {"from": "list"}, path, ANIMALS)
    with pytest.raises(DliflowError, match=r"gone\.txt: no such file of labels"):
        of_images(NAMES, {"from": "list"}, tmp_path / "gone.txt", ANIMALS)
    (tmp_path / "another.txt").write_text("")
    with pytest.raises(DliflowError, match=r"one file of labels is wanted here; there is another\.txt, map\.txt"):
        of_images(NAMES, {"from": "list"}, tmp_path, ANIMALS)


def test_a_name_of_two_classes(tmp_path):
    (tmp_path / "map.txt").write_text("a.jpg crane\n")
    with pytest.raises(DliflowError, match=r"'crane' is the name of 2 classes \(0, 2\)"):
        of_images(["a.jpg"], {"from": "list"}, tmp_path / "map.txt", Classes(3, ["crane", "dog", "crane"]))
    with pytest.raises(DliflowError, match=r"models of this study name their classes differently; set labels\.classes"):
        of_images(["a.jpg"], {"from": "list"}, tmp_path / "map.txt", Classes(3, []))


def test_folders():
    names = ["val/n02/x.jpg", "val/n01/y.jpg", "n03/z.jpg"]
    assert of_images(names, {"from": "folder"}, None, SYNSETS) == [1, 0, 2]
    assert of_images(["dog/1.jpg", "crane bird/1.jpg"], {"from": "folder"}, None, ANIMALS) == [1, 2]
    assert of_images(["b/1", "a/1", "c/1"], {"from": "folder", "sorted": True}, None, ANIMALS) == [1, 0, 2]


@pytest.mark.parametrize(
    ("names", "sort", "message"),
    [
        (
            ["n01/a.jpg", "n1/b.jpg"],
            False,
            r"1 of 2 folders of images are named like no class: 'n1' is no class; .*sorted: true",
        ),
        (["n01/a.jpg", "b.jpg"], False, r"b\.jpg: lies in no folder"),
        (["n01/a.jpg", "n03/b.jpg"], True, r"labels\.sorted: there are 2 folders of images, the model has 3 classes"),
    ],
)
def test_wrong_folders(names, sort, message):
    with pytest.raises(DliflowError, match=message):
        of_images(names, {"from": "folder", "sorted": sort}, None, SYNSETS)


# Three classes and the synset above them, numbered in another order than the alphabetical one.
META = [(1, "n30"), (2, "n10"), (3, "n20"), (4, "n00")]
VALIDATION = [f"ILSVRC2012_val_{number:08d}.JPEG" for number in range(1, 5)]


@pytest.fixture
def kit(tmp_path):
    data = tmp_path / "ILSVRC2012_devkit_t12" / "data"
    data.mkdir(parents=True)
    fields = ["ILSVRC2012_ID", "WNID", "words", "num_children", "children"]
    synsets = np.empty((len(META), 1), dtype=[(name, object) for name in fields])
    for index, (number, synset) in enumerate(META):
        children = np.array([1.0, 2, 3] if number == 4 else [])
        synsets[index, 0] = (float(number), synset, f"words of {synset}", float(len(children)), children)
    scipy.io.savemat(data / "meta.mat", {"synsets": synsets})
    (data / "ILSVRC2012_validation_ground_truth.txt").write_text("1\n2\n3\n1\n")
    return tmp_path


def test_the_devkit_s_numbers_are_no_class_indices(kit):
    assert of_images(VALIDATION, {"from": "devkit"}, kit, ANIMALS) == [2, 0, 1, 2]
    assert of_images([f"val/{VALIDATION[2]}"], {"from": "devkit"}, kit / "ILSVRC2012_devkit_t12", ANIMALS) == [1]


def test_a_wrong_devkit(kit):
    truth = next(kit.rglob("*.txt"))
    with pytest.raises(DliflowError, match=r"cat\.JPEG: is no validation image of the 4"):
        of_images(["cat.JPEG"], {"from": "devkit"}, kit, ANIMALS)
    with pytest.raises(DliflowError, match=r"val_00000005\.JPEG: is no validation image of the 4"):
        of_images(["ILSVRC2012_val_00000005.JPEG"], {"from": "devkit"}, kit, ANIMALS)
    truth.write_text("1\n2\n4\n1\n")  # 4 is no leaf
    with pytest.raises(DliflowError, match=r"ground_truth\.txt: 4 is the number of no class"):
        of_images(VALIDATION, {"from": "devkit"}, kit, ANIMALS)
    truth.write_text("1\n2\n3\n1\n")
    truth.with_name("meta.mat").write_bytes(b"this is no MATLAB file" * 20)
    with pytest.raises(DliflowError, match=r"meta\.mat: is not the development kit's list"):
        of_images(VALIDATION, {"from": "devkit"}, kit, ANIMALS)
    truth.with_name("meta.mat").unlink()
    with pytest.raises(DliflowError, match=r"0 files are called meta\.mat"):
        of_images(VALIDATION, {"from": "devkit"}, kit, ANIMALS)
