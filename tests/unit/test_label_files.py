"""Files of labels as people write them, and which image a path in them stands for."""

from __future__ import annotations

import pytest

from dliflow.errors import DliflowError
from dliflow.images import label_files
from dliflow.images.label_files import Names
from dliflow.images.labels import Classes, of_images, only_listed

CLASSES = Classes(12, [f"c{index}" for index in range(12)])
NAMES = ["a.jpg", "sub/b.jpg", "sub/c d.PNG"]


@pytest.mark.parametrize(
    ("name", "called"),
    [
        ("img/gru\u0308n.png", "img/gr\u00fcn.png"),
        ("img/gr\u00fcn.png", "img/gru\u0308n.png"),
        ("Top Folder/img/x.jpg", "img/x.jpg"),
        ("Top Folder/img/x.jpg", "x.jpg"),
        ("img/x.JPEG", "img/x"),
        ("img/x.JPEG", "x"),
        ("img/x.y.JPEG", "x.y"),
        ("img/x.jpg", "img\\x.jpg"),
        ("img/x.jpg", "./img//x.jpg"),
        ("img/x.JPG", "IMG/X.jpg"),
    ],
)
def test_a_path_that_is_an_image_s_in_other_words(name, called):
    assert Names([name, "img/other.jpg"]).called(called) == [name]


@pytest.mark.parametrize("called", ["mg/x.jpg", "other/img/x.jpg", "/img/x.jpg", "x.png", "img", "", "y.jpg"])
def test_a_path_that_is_no_image_s(called):
    assert Names(["img/x.jpg"]).called(called) == []


def test_a_whole_path_comes_before_the_end_of_another():
    images = Names(["x.jpg", "old/x.jpg", "y/z.jpg", "w/z.jpg"])
    assert images.called("x.jpg") == images.called("x") == ["x.jpg"]
    assert images.called("z.jpg") == ["w/z.jpg", "y/z.jpg"]
    assert Names(["X.jpg", "x.jpg"]).called("X.jpg") == ["X.jpg"]
    assert Names(["X.jpg", "x.jpg"]).called("x.JPG") == ["X.jpg", "x.jpg"]


@pytest.mark.parametrize(
    ("root", "called"),
    [
        ("C:\\photos", "C:\\photos\\img\\x.jpg"),
        ("c:\\photos\\", "C:/photos/img/x.jpg"),
        ("/home/me/val", "/home/me/val/img/x.jpg"),
        ("/", "/img/x.jpg"),
        ("train", "train/x"),
    ],
)
def test_a_root_is_taken_off(root, called):
    assert Names(["img/x.jpg"], root).called(called) == ["img/x.jpg"]
    assert Names(["img/x.jpg"], root).called("elsewhere/img/x.jpg") == []
    assert Names(["img/x.jpg"], root).called(root) == []


def labelled(tmp_path, content, rule, names=NAMES, classes=CLASSES):
    path = tmp_path / "labels.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return of_images(names, rule, path, classes)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("file;label;;\na.jpg;1;;\nsub/b.jpg;2;;\nsub/c d.PNG;3;;\n;;;\n; ;;\n", {}),
        ('"file"\t"label"\n"a.jpg"\t"1"\n"sub/b.jpg"\t"2"\n"sub/c d.PNG"\t"3"\n', {}),
        ("sep=;\r\nfile;label\r\na.jpg;1\r\nsub/b.jpg;2\r\nsub/c d.PNG;3\r\n", {}),
        ("FILE\tLabel\na.jpg\t1\nsub/b.jpg\t2\nsub/c d.PNG\t3\n", {}),
        ("file | label\na.jpg | 1\nsub/b.jpg | c2\nsub/c d.PNG | 3.0\n", {}),
        ("a.jpg,1\nsub/b.jpg,2\n\nsub/c d.PNG,3\n", {"columns": {"file": 1, "label": 2}}),
        ('1  a.jpg\n2  sub/b.jpg\n3  "sub/c d.PNG"\n', {"columns": {"file": 2, "label": 1}}),
        ("1,0;a.jpg;1\n1,1;sub/b.jpg;2\n;sub/c d.PNG;3\n", {"columns": {"file": 2, "label": 3}, "separator": ";"}),
        ("file,label\na.jpg,x1 8 5\nsub/b.jpg,x2\nsub/c d.PNG,x3 \n", {"pattern": r"x(?P<label>\d+).*"}),
        ("file,label\rC:\\m\\a.jpg,1\rC:\\m\\sub\\b.jpg,2\rC:\\m\\sub\\c d.PNG,3\r", {"root": "C:\\m"}),
    ],
)
def test_a_csv(tmp_path, text, rule):
    assert labelled(tmp_path, text, {"from": "csv", **rule}) == [1, 2, 3]


@pytest.mark.parametrize("cells", ["0,0,0", "1,0,1", "0.2,0.7,0.1", "0,,"])
def test_no_column_or_several_that_have_a_1(tmp_path, cells):
    rule = {"from": "csv", "columns": {"label": ["c0", "c1", "c2"]}}
    with pytest.raises(DliflowError, match=r"line 2: a\.jpg: there is no label"):
        labelled(tmp_path, f"file,c0,c1,c2\na.jpg,{cells}\n", rule)


def test_lines_are_counted_from_the_file_s_first_one(tmp_path):
    with pytest.raises(DliflowError, match=r"line 3: a\.jpg: label 'x' is no class"):
        labelled(tmp_path, "sep=;\nfile;label\na.jpg;x\n", {"from": "csv"}, ["a.jpg"])


@pytest.mark.parametrize(
    "line", ["x.v2 0.Png 7", "x.v2 0.Png\t7", '"x.v2 0.Png" 7', "./x.v2 0.Png  c7", "7 x.v2 0.Png"]
)
def test_a_line_of_a_list_whose_file_has_blanks_and_dots(tmp_path, line):
    assert labelled(tmp_path, line, {"from": "list"}, ["x.v2 0.Png"]) == [7]


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "utf-16", "utf-16-le", "utf-8-sig"])
def test_an_encoding(tmp_path, encoding):
    content = "file,label\ngr\u00fcn.jpg,3\n".encode(encoding)
    assert labelled(tmp_path, content, {"from": "csv", "encoding": encoding}, ["gr\u00fcn.jpg"]) == [3]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "file,label\ngr\u00fcn.jpg,3\n".encode("cp1252"),
            r"UTF-8: byte 0xfc in line 2, .* labels\.encoding to what it is, such as cp1252",
        ),
        ("file,label\n".encode("utf-16"), r"UTF-8: byte 0xff in line 1, .* labels\.encoding to utf-16: it begins"),
        ("file,label\n".encode("utf-16-le"), r"has zero bytes in it; .* labels\.encoding to utf-16-le"),
    ],
)
def test_another_encoding_is_told_with_the_key_to_set(tmp_path, content, message):
    with pytest.raises(DliflowError, match=rf"labels\.txt: .*{message}"):
        labelled(tmp_path, content, {"from": "csv"})


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"PK\3\4\x14\0\6\0", "a zip archive, or a document that is one, such as .xlsx"),
        (b"\x1f\x8b\x08\0", "compressed by gzip"),
        (b"<html><body>404", "a web page in place of the file"),
    ],
)
def test_what_is_no_text_at_all_is_told_as_such(tmp_path, content, kind):
    with pytest.raises(DliflowError, match=rf"labels\.txt: is {kind}.*; labels are read from a CSV"):
        labelled(tmp_path, content, {"from": "csv"})


def test_a_wrong_encoding_mislabels_nothing(tmp_path):
    content = "file,label\ngr\u00fcn.jpg,3\n".encode("cp437")
    with pytest.raises(DliflowError, match="names 1 images that are not among"):
        labelled(tmp_path, content, {"from": "csv", "encoding": "latin-1"}, ["gr\u00fcn.jpg"])


def test_json_lines(tmp_path):
    rule = {"from": "jsonl", "columns": {"file": "image"}}
    text = '{"image": "a.jpg", "label": 1}\n{"image": "b", "label": "c2"}\n\n{"label": 3.0, "image": "c d.PNG"}'
    assert labelled(tmp_path, text, rule) == [1, 2, 3]
    assert labelled(tmp_path, f"[{text}]".replace("\n", ",\n"), rule) == [1, 2, 3]
    assert labelled(tmp_path, '{\n"a.jpg": 1,\n"b": "c2", "c d.PNG": 3}', {"from": "jsonl"}) == [1, 2, 3]
    with pytest.raises(DliflowError, match=r"labels\.txt: line 3: is no JSON object .*: \{\"image\": \"b\" \}"):
        labelled(tmp_path, '[\n{"image": "a.jpg", "label": 1},\n{"image": "b"\n}]', rule)
    with pytest.raises(DliflowError, match=r"has images, annotations, which is neither .* set labels\.from: csv"):
        labelled(tmp_path, '{"images": [{"id": 1}], "annotations": []}', {"from": "jsonl"})
    for line in ('{"image": "a.jpg"}', "a.jpg 1", "[1]"):
        with pytest.raises(DliflowError, match=r"labels\.txt: line 1: is no JSON object with image and label"):
            labelled(tmp_path, line, rule)


def test_paths_that_all_begin_alike_are_told_with_the_key_to_set(tmp_path):
    text = "".join(f"C:\\photos\\{name} 1\n" for name in ("a.jpg", "sub\\b.jpg", "sub\\c d.PNG"))
    with pytest.raises(
        DliflowError, match=r"begin with C:/photos: is this the dataset's folder\? Then set labels\.root"
    ):
        labelled(tmp_path, text, {"from": "list"})


def test_the_list_of_another_part_of_a_dataset_is_not_taken(tmp_path):
    """train/0.png and test/0.png are two images, whatever the folder of the one is called."""
    with pytest.raises(DliflowError) as caught:
        labelled(tmp_path, "train/0.png 1\n", {"from": "list"}, ["test/0.png"])
    assert "labels.root" not in str(caught.value)


def test_a_file_that_lies_deeper_is_named(tmp_path):
    (tmp_path / "Top [1]").mkdir()
    (tmp_path / "Top [1]/labels.csv").write_text("file,label\n")
    with pytest.raises(DliflowError, match=r"no such file of labels; there is Top \[1\]/labels\.csv$"):
        of_images(NAMES, {"from": "csv"}, tmp_path / "labels.csv", CLASSES)


def test_an_end_that_several_images_have(tmp_path):
    with pytest.raises(DliflowError, match=r"line 1: x\.jpg: could be 2 images, p/x\.jpg, q/x\.jpg"):
        labelled(tmp_path, "x.jpg 1\n", {"from": "list"}, ["p/x.jpg", "q/x.jpg"])


def test_two_paths_of_one_image(tmp_path):
    with pytest.raises(DliflowError, match=r"line 2: b is named again \(label 2\), after line 1"):
        labelled(tmp_path, "b.jpg 1\nb 2\n", {"from": "list"}, ["sub/b.jpg"])


def test_other_words_are_said(tmp_path, capsys):
    labelled(tmp_path, "a.jpg 1\nb.jpg 2\nc d.PNG 3\n", {"from": "list"})
    assert "names 2 images in other words; 'b.jpg' is taken for 'sub/b.jpg'" in capsys.readouterr().out


def test_only_the_listed_ones(tmp_path):
    (tmp_path / "labels.txt").write_text("b.jpg 2\na 1\n")
    rule = {"from": "list", "only_listed": True}
    assert only_listed(NAMES, rule, tmp_path / "labels.txt") == ["a.jpg", "sub/b.jpg"]


def test_a_pattern_that_takes_for_ever_is_given_up(monkeypatch):
    """Seen: a pattern in somebody else's entry kept the run busy for hours before its first job."""
    monkeypatch.setattr(label_files, "PATTERN_S", 0.1)
    pattern = label_files.Pattern({"pattern": r"(?P<label>(?:a|b|ab)*)[ce]"}, "label")
    assert pattern.fullmatch("aabc")["label"] == "aab"
    with pytest.raises(DliflowError, match=r"labels\.pattern: .* takes more than 0\.1 s for 'abab"):
        pattern.fullmatch("ab" * 40 + "d")


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"from": "csv", "pattern": "(?P<label>x"}, r"labels\.pattern: .* is no regular expression: missing \)"),
        ({"from": "csv", "encoding": "utf-9"}, r"labels\.encoding: unknown encoding: utf-9"),
        ({"from": "csv", "encoding": "hex"}, r"labels\.encoding: 'hex' is not a text encoding"),
        ({"from": "list", "pattern": "(?P<label>.*)"}, r"labels\.pattern: .* has no group \(\?P<file>\.\.\.\)"),
        ({"from": "csv", "pattern": "x"}, r"labels\.pattern: 'x' has no group \(\?P<label>\.\.\.\)"),
    ],
)
def test_what_a_schema_cannot_see(rule, message):
    with pytest.raises(DliflowError, match=message):
        label_files.check(rule)
    label_files.check({"from": "csv", "encoding": "cp1252", "pattern": "(?P<label>x)"})
