"""Files of labels as people have them: the lines of a CSV, a list or JSON lines, and the image that each line names."""

from __future__ import annotations

import csv
import io
import itertools
import json
import posixpath
import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Optional

import regex

from dliflow.errors import DliflowError
from dliflow.fetching import mistaken
from dliflow.images.dataset import SUFFIXES
from dliflow.wording import some

Pairs = Iterator[tuple[int, str, str]]  # line number, file, label

PATTERN_S = 1.0  # for one text: a pattern that takes longer goes through it in ever more ways

SEPARATORS = (",", ";", "\t", "|", " ")
BETWEEN = re.compile(r"[\s,\[\]]*")  # the objects of JSON lines, or of a list of them
EXCEL = re.compile(r'"?sep=(.)"?\r?\n')  # the line before the first with which Excel tells the separator
IMAGE = rf"(?P<file>.+(?:{'|'.join(map(re.escape, SUFFIXES))}))"
# A line of a list. Blanks of a name do not matter once it is quoted, or ends like an image's.
LIST_LINES = (
    re.compile(r'"(?P<file>[^"]+)"\s+(?P<label>\S.*)'),
    re.compile(rf"{IMAGE}\s+(?P<label>\S.*)", re.IGNORECASE),
    re.compile(rf"(?P<label>\d+)\s+{IMAGE}", re.IGNORECASE),
    re.compile(r"(?P<file>.+?\.\w+)\s+(?P<label>\S.*)"),
    re.compile(r"(?P<file>.+)\s+(?P<label>\S+)"),
)


def composed(text: str) -> str:
    """Text with one code for each letter (NFC): macOS writes `ä` into file names as two, other systems as one."""
    return unicodedata.normalize("NFC", text)


class Pattern:
    """A rule's `pattern`, for which somebody else's entry may have one that takes for ever."""

    def __init__(self, rule: dict[str, Any], *groups: str):
        """Compile it.

        Raises:
            DliflowError: when it is no regular expression, or lacks one of the groups.
        """
        self.text = rule["pattern"]
        try:
            self._compiled = regex.compile(self.text)
        except regex.error as error:
            raise DliflowError(f"labels.pattern: {self.text!r} is no regular expression: {error}") from error
        for group in groups:
            if group not in self._compiled.groupindex:
                raise DliflowError(f"labels.pattern: {self.text!r} has no group (?P<{group}>...)")

    def fullmatch(self, text: str) -> Any:
        """The match of all of a text, or None.

        Raises:
            DliflowError: when the pattern takes too long.
        """
        try:
            return self._compiled.fullmatch(text, timeout=PATTERN_S)
        except TimeoutError as error:
            raise DliflowError(
                f"labels.pattern: {self.text!r} takes more than {PATTERN_S:g} s for {text[:80]!r}; write it without "
                "repetitions inside of repetitions"
            ) from error


def check(rule: dict[str, Any]) -> None:
    """Refuse what a schema cannot see in a rule.

    Raises:
        DliflowError: for a pattern without its groups, or an encoding that there is not.
    """
    if "pattern" in rule:
        Pattern(rule, *(("file", "label") if rule["from"] == "list" else ("label",)))
    if rule.get("separator") in ("\n", "\r", '"'):
        raise DliflowError(f"labels.separator: {rule['separator']!r} stands around lines or texts, not between columns")
    try:
        "a".encode(rule.get("encoding", "utf-8"))
    except (LookupError, UnicodeError) as error:
        raise DliflowError(f"labels.encoding: {error}; cp1252, latin-1 and utf-16 are some that there are") from error


def pairs(path: Path, rule: dict[str, Any]) -> Pairs:
    """What each line of a file of labels says: its number, the file and the label, without the blanks around them.

    Raises:
        DliflowError: for text of another encoding, a CSV without the columns, or what is no JSON.
    """
    read = {"csv": _csv_pairs, "list": _list_pairs, "jsonl": _json_pairs}[rule["from"]]
    try:
        for line, file, label in read(path, _text(path, rule), rule):
            yield line, file.strip(), label.strip()
    except csv.Error as error:
        raise DliflowError(f"{path}: is no CSV: {error}") from error


def _text(path: Path, rule: dict[str, Any]) -> str:
    """The file's text without the mark that Windows puts before it (BOM)."""
    other = mistaken.kind(path)
    if other:
        raise DliflowError(f"{path}: is {other}; labels are read from a CSV, a list or JSON lines")
    encoding, content = rule.get("encoding", "utf-8"), path.read_bytes()
    try:
        text = content.decode(encoding)
    except UnicodeError as error:
        name = encoding.upper() if encoding.startswith("utf") else encoding
        hint = "what it is, such as cp1252 (Windows, Western Europe), latin-1 or utf-16"
        if content.startswith((b"\xff\xfe", b"\xfe\xff")):
            hint = "utf-16: it begins as such a file does"
        raise DliflowError(
            f"{path}: is no text in {name}: {_place(content, error)}; set labels.encoding to {hint}"
        ) from error
    if "\0" in text:
        raise DliflowError(f"{path}: has zero bytes in it; if it is text in UTF-16, set labels.encoding to utf-16-le")
    return text.removeprefix("\ufeff")


def _place(content: bytes, error: UnicodeError) -> str:
    if not isinstance(error, UnicodeDecodeError):
        return str(error)
    line = content.count(b"\n", 0, error.start) + 1
    return f"byte 0x{content[error.start]:02x} in line {line}, after {content[: error.start][-20:]!r}"


def _csv_pairs(path: Path, text: str, rule: dict[str, Any]) -> Pairs:
    columns = {"file": "file", "label": "label", **rule.get("columns", {})}
    each = columns["label"] if isinstance(columns["label"], list) else []
    for line, (file, *cells) in _cells(path, text, rule, [columns["file"], *(each or [columns["label"]])]):
        yield line, file, _marked(each, cells) if each else cells[0]


def _cells(path: Path, text: str, rule: dict[str, Any], columns: list[int | str]) -> Iterator[tuple[int, list[str]]]:
    """The cells of some columns, with their line.

    The separator is what the rule tells, or a first line `sep=;` as Excel has it, or the first with which the first row
    has all columns.
    """
    told = EXCEL.match(text)
    separators, before = ([told[1]], 1) if told else ([*SEPARATORS], 0)
    text = text[told.end() :] if told else text
    for separator in [rule["separator"]] if "separator" in rule else separators:
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True)
        first = next(rows, [])
        places = [place for column in columns if (place := _place_of(column, first)) is not None]
        if len(places) == len(columns):
            break
    else:
        held = ", ".join(next(csv.reader(io.StringIO(text)), [])) or "nothing"
        raise DliflowError(
            f"{path}: the first line must name the columns {' and '.join(map(str, columns))}; it names {held} "
            "(labels.columns; where no line names columns, their numbers: {file: 1, label: 2})"
        )
    named = any(isinstance(column, str) for column in columns)
    for row in rows if named else itertools.chain([first], rows):
        if any(map(str.strip, row)):  # spreadsheets leave rows of separators alone
            yield rows.line_num + before, [row[place] if place < len(row) else "" for place in places]


def _marked(columns: list[str], cells: list[str]) -> str:
    """The one column that has a 1, where each class has a column; '' when it is none, or not one alone."""
    marked = [column for column, cell in zip(columns, cells) if re.fullmatch(r"1(\.0+)?", cell.strip())]
    return marked[0] if len(marked) == 1 else ""


def _place_of(column: int | str, first: list[str]) -> Optional[int]:
    """The index of a column by its name in the first row, or by its number from 1; None where there is none.

    A name in other capitals is taken where no other column has it.
    """
    if isinstance(column, int):
        return column - 1 if column <= len(first) else None
    names = [name.strip() for name in first]
    alike = [place for place, name in enumerate(names) if name.casefold() == column.casefold()]
    return names.index(column) if column in names else alike[0] if len(alike) == 1 else None


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines that are not empty, with their numbers."""
    for number, line in enumerate(io.StringIO(text, newline=None), 1):
        if line.strip():
            yield number, line.strip()


def _list_pairs(path: Path, text: str, rule: dict[str, Any]) -> Pairs:
    patterns = (Pattern(rule, "file", "label"),) if "pattern" in rule else LIST_LINES
    for number, line in _lines(text):
        match = next((match for pattern in patterns if (match := pattern.fullmatch(line))), None)
        yield (number, match["file"], match["label"]) if match else (number, line, "")


def _json_pairs(path: Path, text: str, rule: dict[str, Any]) -> Pairs:
    """An object for each image, as in `metadata.jsonl` of Hugging Face's image folders, or one with all labels."""
    columns = {"file": "file_name", "label": "label", **rule.get("columns", {})}
    objects = _objects(text)
    for number, start, row in objects:
        if not isinstance(row, dict) or not row.keys() >= set(columns.values()):
            if len(objects) == 1 and isinstance(row, dict) and not row.keys() & columns.values():
                yield from _labels_by_file(path, number, row)
                continue
            raise DliflowError(
                f"{path}: line {number}: is no JSON object with {columns['file']} and {columns['label']} "
                f"(labels.columns): {' '.join(text[start : start + 80].split())}"
            )
        yield number, str(row[columns["file"]]), str(row[columns["label"]])


def _labels_by_file(path: Path, number: int, row: dict[str, Any]) -> Pairs:
    """The labels of one object `{"1.jpg": 0}`.

    Raises:
        DliflowError: when it has something else, as that of COCO.
    """
    if any(isinstance(value, (dict, list)) for value in row.values()):
        raise DliflowError(
            f"{path}: has {some(list(row))}, which is neither an object for each image nor a label for each file; "
            "write a CSV of it with the columns file and label, and set labels.from: csv"
        )
    for file, label in row.items():
        yield number, file, str(label)


def _objects(text: str) -> list[tuple[int, int, Any]]:
    """What a text of JSON holds, on lines or in a list: the number of its line, its place in the text, and the value.

    What is no JSON is None, and ends it.
    """
    decoder, number, place = json.JSONDecoder(), 1, 0
    objects: list[tuple[int, int, Any]] = []
    while between := BETWEEN.match(text, place):
        number += text.count("\n", place, between.end())
        if between.end() == len(text):
            break
        try:
            value, place = decoder.raw_decode(text, between.end())
        except (ValueError, RecursionError):
            return [*objects, (number, between.end(), None)]
        objects.append((number, between.end(), value))
        number += text.count("\n", between.end(), place)
    return objects


class Names:
    """The images of a dataset, as a file of labels may call them.

    A path in the file is the image's in the dataset's folder, or the end of it that only one image has. The image's
    suffix may be left out. Windows' backslashes, capital letters and the two ways of writing an accent in Unicode make
    no difference where they tell no images apart.
    """

    def __init__(self, names: Sequence[str], root: str = ""):
        """Of images, by their paths in the dataset's folder.

        Args:
            root: what stands before all paths in the file.
        """
        self.names = frozenset(names)
        self.root = _key(root) if root else []

    @cached_property
    def _by_last(self) -> dict[str, list[tuple[str, list[str]]]]:
        """Images and the parts of their paths, by the last of these with its suffix and without."""
        images: dict[str, list[tuple[str, list[str]]]] = {}
        for name in sorted(self.names):
            parts = _key(name)
            for last in {parts[-1], posixpath.splitext(parts[-1])[0]}:
                images.setdefault(last, []).append((name, parts[:-1]))
        return images

    def called(self, text: str) -> list[str]:
        """The images that a path may stand for: one, none, or several that it does not tell apart."""
        if not self.root and text in self.names:
            return [text]
        parts = _key(text)
        if parts[: len(self.root)] != self.root or len(parts) == len(self.root):
            return []
        *above, last = parts[len(self.root) :]
        alike = self._by_last.get(last, [])
        whole = [name for name, folders in alike if folders == above]
        return whole or [name for name, folders in alike if folders[len(folders) - len(above) :] == above]

    def root_of(self, texts: Sequence[str]) -> Optional[str]:
        """What all paths of a file begin with that are whole paths of images but for that; None where none are."""
        split = [_key(text) for text in texts]
        images = {tuple(_key(path)) for name in self.names for path in (name, posixpath.splitext(name)[0])}
        for count in range(1, min(map(len, split))):
            if all(parts[:count] == split[0][:count] and tuple(parts[count:]) in images for parts in split):
                return "/".join(_parts(texts[0])[:count]) or "/"
        return None


def _parts(path: str) -> list[str]:
    """The parts of a path, which may be Windows' (`C:\\x\\y.jpg` has three); the first of `/x` is ''."""
    return posixpath.normpath(path.replace("\\", "/")).rstrip("/").split("/")


def _key(path: str) -> list[str]:
    """The parts of a path as they are compared."""
    return _parts(composed(path).casefold())
