"""Labels by every rule, and what is said when a rule and the images do not fit together."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.io

from dliflow.errors import DliflowError
from dliflow.images.labels import Classes, of_images

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
    with pytest.raises(DliflowError, match=r"1 of 1 names of images:\n  cow-1\.jpg: label 'cow' is no class"):
        of_images(["cow-1.jpg"], named, None, ANIMALS)
    with pytest.raises(DliflowError, match=r"labels\.pattern: '\.\*' has no group"):
        of_images(["cow-1.jpg"], {"from": "file_name", "pattern": ".*"}, None, ANIMALS)
    with pytest.raises(
        DliflowError, match=r"3 of 3 images get no label from .*:\n  a\.jpg\n  sub/b\.jpg\n  with space"
    ):
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
    (tmp_path / "__MACOSX").mkdir()
    (tmp_path / "__MACOSX/._labels.txt").touch()
    assert of_images(NAMES, rule, tmp_path, ANIMALS) == [0, 1, 2]  # the only file of what was fetched


def test_synsets_as_labels(tmp_path):
    (tmp_path / "map.txt").write_text("a.jpg n02\nsub/b.jpg n03\nwith space.jpg n01\n")
    assert of_images(NAMES, {"from": "list"}, tmp_path / "map.txt", SYNSETS) == [1, 2, 0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,label\na.jpg,0\n", r"no label for 2 of 3 images; it names a\.jpg:\n  sub/b\.jpg\n  with space\.jpg"),
        ("file,label\n{all}gone.jpg,1\n", r"names 1 images that are not among .*\n  line 5: gone\.jpg"),
        (
            "file,label\n{all}a.jpg,1\n",
            r"1 lines .* two files in one\?\n  line 5: a\.jpg is named again \(label 1\), after line 2",
        ),
        (
            "file,label\na.jpg,1\nsub/b.jpg,2\nwith space.jpg,3\n",
            r"1 of 3 images .* classes 0 to 2:\n  line 4: with space\.jpg: label 3\nLabels begin .*first: 1",
        ),
        ("file,label\na.jpg,0\nsub/b.jpg,-1\nwith space.jpg,0\n", r"1 of 3 images .*:\n  line 3: sub/b\.jpg: label -1"),
        (
            "file,label\na.jpg,mouse\n",
            r"1 lines are wrong:\n  line 2: a\.jpg: label 'mouse' is no class\nclasses are called cat, dog",
        ),
        ("a.jpg,0\n", r"must name the columns file and label; it names a\.jpg, 0"),
        ("", "it names nothing"),
        ("file,label\na.jpg\n", r"1 lines are wrong:\n  line 2: a\.jpg: there is no label"),
        (
            "file,label\na.jpg,0\nsub/b.jpg\n,2\nx.jpg,1\n",
            r"2 lines .*\n.*\n  line 4: no file: label '2'|there is no lab",
        ),
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
    with pytest.raises(DliflowError, match=r"1 lines are wrong:\n  line 1: a\.jpg: there is no label"):
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


MANY = [f"{index:02}.jpg" for index in range(40)]


@pytest.mark.parametrize("wrong", [19, 23])
def test_every_wrong_line_is_named_up_to_a_screenful(tmp_path, wrong):
    labels = ["mouse" if index < wrong else "dog" for index in range(40)]
    (tmp_path / "labels.csv").write_text("file,label\n" + "".join(f"{n},{x}\n" for n, x in zip(MANY, labels)))
    with pytest.raises(DliflowError) as caught:
        of_images(MANY, {"from": "csv"}, tmp_path / "labels.csv", ANIMALS)
    lines = str(caught.value).splitlines()
    assert lines[0].endswith(f"labels.csv: {wrong} lines are wrong:")
    shown = min(wrong, 20)
    assert lines[1 : shown + 1] == [f"  line {i + 2}: {MANY[i]}: label 'mouse' is no class" for i in range(shown)]
    assert lines[shown + 1 : -1] == ([f"  and {wrong - 20} more"] if wrong > 20 else [])
    assert lines[-1] == "classes are called cat, dog, crane bird"


def test_every_other_rule_names_all_that_is_wrong_too(kit):
    number = {"from": "file_name", "pattern": r"(?P<label>\d+)\.jpg"}
    named = {"from": "file_name", "pattern": r"(?P<label>.*)\.jpg"}
    letters = [f"{chr(97 + index)}.jpg" for index in range(19)]
    folders = [f"{name}/1.jpg" for name in MANY[:19]]
    for rule, names, path in (
        (number, MANY[3:22], None),
        (named, letters, None),
        (number, letters, None),
        ({"from": "folder"}, folders, None),
        ({"from": "folder"}, MANY[:19], None),
        ({"from": "devkit"}, MANY[:19], kit),
    ):
        with pytest.raises(DliflowError) as caught:
            of_images(names, rule, path, ANIMALS)
        assert "19 of 19" in str(caught.value)
        assert str(caught.value).count("\n  ") == 19


def test_several_kinds_of_problems_are_told_together(tmp_path):
    text = "file,label\na.jpg,mouse\na.jpg,0\ngone.jpg,1\nwith space.jpg,2\n"
    (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(DliflowError) as caught:
        of_images(NAMES, {"from": "csv"}, tmp_path / "labels.csv", ANIMALS)
    for part in ("line 2: a.jpg: label 'mouse'", "line 3: a.jpg is named again", "  sub/b.jpg", "line 4: gone.jpg"):
        assert part in str(caught.value)


def test_a_number_that_is_the_name_of_another_class(tmp_path):
    """Digits from 1 to 3: is "1" the first class by its name, or the second by its index?"""
    digits = Classes(3, ["1", "2", "3"])
    (tmp_path / "map.txt").write_text("a.jpg 1\n")
    with pytest.raises(
        DliflowError, match=r"a\.jpg: label '1' is the name of class 0, and an index too; labels\.first: 0"
    ):
        of_images(["a.jpg"], {"from": "list"}, tmp_path / "map.txt", digits)
    assert of_images(["a.jpg"], {"from": "list", "first": 0}, tmp_path / "map.txt", digits) == [1]
    assert of_images(["a.jpg"], {"from": "list", "first": 1}, tmp_path / "map.txt", digits) == [0]
    assert of_images(["a.jpg"], {"from": "list"}, tmp_path / "map.txt", Classes(3, ["0", "1", "2"])) == [1]


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
            r"1 of 2 folders of images are named like no class:\n  'n1' is no class\nclasses .*sorted: true",
        ),
        (["n01/a.jpg", "b.jpg"], False, r"1 of 2 images lie in no folder .*:\n  b\.jpg"),
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
    with pytest.raises(DliflowError, match=r"1 of 1 images are no validation images of the 4 .*:\n  cat\.JPEG"):
        of_images(["cat.JPEG"], {"from": "devkit"}, kit, ANIMALS)
    with pytest.raises(DliflowError, match=r"images of the 4 that .*\n  ILSVRC2012_val_00000005\.JPEG"):
        of_images(["ILSVRC2012_val_00000005.JPEG"], {"from": "devkit"}, kit, ANIMALS)
    truth.write_text("1\n2\n4\n1\n")  # 4 is no leaf
    with pytest.raises(DliflowError, match=r"ground_truth\.txt: 1 lines are the number of no class .*:\n  line 3: '4'"):
        of_images(VALIDATION, {"from": "devkit"}, kit, ANIMALS)
    truth.write_text("1\n2\n3\n1\n")
    truth.with_name("meta.mat").write_bytes(b"this is no MATLAB file" * 20)
    with pytest.raises(DliflowError, match=r"meta\.mat: is not the development kit's list"):
        of_images(VALIDATION, {"from": "devkit"}, kit, ANIMALS)
    truth.with_name("meta.mat").unlink()
    with pytest.raises(DliflowError, match=r"0 files are called meta\.mat"):
        of_images(VALIDATION, {"from": "devkit"}, kit, ANIMALS)


MANY_CLASSES = Classes(12, [f"c{index}" for index in range(12)])
NUMBERED = [f"val/{index}/{index}.jpg" for index in range(12)]


def test_folders_that_are_numbers_are_indices():
    assert of_images(NUMBERED, {"from": "folder"}, None, MANY_CLASSES) == list(range(12))
    assert of_images(["1/a", "12/b"], {"from": "folder", "first": 1}, None, MANY_CLASSES) == [0, 11]
    assert of_images(["00/a", "011/b"], {"from": "folder"}, None, MANY_CLASSES) == [0, 11]
    with pytest.raises(DliflowError, match=r"1 of 1 images have a label outside .* 0 to 11:\n  12/a: label 12"):
        of_images(["12/a"], {"from": "folder"}, None, MANY_CLASSES)


def test_the_order_of_text_is_not_that_of_numbers():
    """torchvision's ImageFolder takes folder 10 for class 2 (CSAILVision/places365, issue 22; pytorch/vision, 714)."""
    with pytest.raises(DliflowError, match=r"labels\.sorted: as text '11' comes before '2', by the numbers in them"):
        of_images(NUMBERED, {"from": "folder", "sorted": True}, None, MANY_CLASSES)
    with pytest.raises(DliflowError, match=r"labels\.sorted: as text 'DC-10' comes before 'DC-3', .* `ls -v`"):
        of_images(["DC-3/a", "DC-10/b"], {"from": "folder", "sorted": True}, None, Classes(2, []))
    padded = [f"class_{index:02}/a" for index in range(12)]
    assert of_images(padded, {"from": "folder", "sorted": True}, None, MANY_CLASSES) == list(range(12))
    few = NUMBERED[:10]
    assert of_images(few, {"from": "folder", "sorted": True}, None, Classes(10, [])) == list(range(10))
    text = Classes(12, sorted(map(str, range(12))))  # what labels.classes says for a model that was trained so
    trained = of_images(NUMBERED, {"from": "folder", "classes": "names.txt"}, None, text)
    assert trained[10] == 2
    with pytest.raises(DliflowError, match=r"'10' is the name of class 2, and an index too; labels\.first: 0"):
        of_images(NUMBERED, {"from": "folder"}, None, text)
    assert of_images(NUMBERED, {"from": "folder", "first": 0}, None, text)[10] == 10


def test_what_a_pattern_takes_of_the_end_of_a_folder_s_path():
    rule = {"from": "folder", "pattern": r"(?P<label>\d+)\..*"}
    assert of_images(["CUB 1.0/010.Bird/a", "011.Cat/b"], rule, None, MANY_CLASSES) == [10, 11]
    with pytest.raises(DliflowError, match=r"1 of 2 folders of images end in nothing like .*:\n  top/Bird"):
        of_images(["top/Bird/a", "011.Cat/b"], rule, None, MANY_CLASSES)


def test_class_names_in_both_forms_of_unicode():
    classes = Classes(2, ["gr\u00fcn", "weiss"])
    names = ["gru\u0308n/gru\u0308n-1.png", "gr\u00fcn/gr\u00fcn-2.png"]
    assert of_images(names, {"from": "folder"}, None, classes) == [0, 0]
    for rule in (
        {"from": "file_name", "pattern": r"(?P<label>\w+)-\d\.png"},
        {"from": "folder", "pattern": r"(?P<label>\w+)"},
    ):
        assert of_images(names, rule, None, classes) == [0, 0]
