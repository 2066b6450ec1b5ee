"""The label of each image of a dataset, by the rule of its entry (`labels: {from: ...}`).

A label is a class index from 0. Files of labels may give it as such, as a synset or as the name of a class.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Optional

from dliflow.errors import DliflowError
from dliflow.images import devkit
from dliflow.wording import listed, some

Pairs = Iterable[tuple[int, str, str]]  # line number, file, label


@dataclass(frozen=True)
class Classes:
    """What classes can be called, beside their indices.

    Attributes:
        count: labels must be below it.
        names: in class order: the synsets of `labels.classes`, or the names of the model's classes; [] when the study's
            models name them differently.
    """

    count: int
    names: list[str]

    @cached_property
    def places(self) -> dict[str, list[int]]:
        """The indices of the classes of each name."""
        places: dict[str, list[int]] = {}
        for index, name in enumerate(self.names):
            places.setdefault(name, []).append(index)
        return places

    def index(self, name: str) -> int:
        """The index of a class by its name.

        Raises:
            LookupError: with the reason, when there is none, or more than one.
        """
        indices = self.places.get(name, [])
        if len(indices) == 1:
            return indices[0]
        if indices:
            raise LookupError(f"'{name}' is the name of {len(indices)} classes ({', '.join(map(str, indices))})")
        raise LookupError(f"'{name}' is no class")

    def called(self) -> str:
        """What the classes are called, for the end of a message."""
        if not self.names:
            return "the models of this study name their classes differently; set labels.classes"
        return f"classes are called {some(self.names)}"


def _by_file_name(names: list[str], rule: dict[str, Any], classes: Classes) -> list[int]:
    pattern = re.compile(rule["pattern"])
    if "label" not in pattern.groupindex:
        raise DliflowError(f"labels.pattern: {rule['pattern']!r} has no group (?P<label>...)")
    matches = {name: match for name in names if (match := pattern.fullmatch(name.rpartition("/")[2]))}
    unknown = [name for name in names if name not in matches]
    if unknown:
        raise DliflowError(
            f"{len(unknown)} of {len(names)} images get no label from labels.pattern {rule['pattern']!r}:"
            f"{listed(unknown)}"
        )
    labels, problems = [], []
    for name, match in matches.items():
        try:
            labels.append(_number(match["label"], rule, classes))
        except LookupError as error:
            problems.append(f"{name}: label {error.args[0]}")
    if problems:
        raise DliflowError(
            f"labels.pattern {rule['pattern']!r} finds wrong labels in {len(problems)} of {len(names)} names of images:"
            f"{listed(problems)}\n{classes.called()}"
        )
    return labels


def _by_folder(names: list[str], rule: dict[str, Any], classes: Classes) -> list[int]:
    folders = {name: name.rpartition("/")[0].rpartition("/")[2] for name in names}
    loose = [name for name, folder in folders.items() if not folder]
    if loose:
        raise DliflowError(
            f"{len(loose)} of {len(names)} images lie in no folder that could name their class (labels.from: folder):"
            f"{listed(loose)}"
        )
    folder_names = sorted(set(folders.values()))
    if rule.get("sorted", False):
        if len(folder_names) != classes.count:
            raise DliflowError(
                f"labels.sorted: there are {len(folder_names)} folders of images, the model has {classes.count} "
                "classes; the alphabetical order tells the class only when every class has its folder"
            )
        index = {folder: position for position, folder in enumerate(folder_names)}
    else:
        index, problems = {}, []
        for folder in folder_names:
            try:
                index[folder] = classes.index(folder)
            except LookupError as error:
                problems.append(error.args[0])
        if problems:
            raise DliflowError(
                f"{len(problems)} of {len(folder_names)} folders of images are named like no class:{listed(problems)}\n"
                f"{classes.called()}. Set labels.classes to a file with the folders' names in class order "
                "(resources/imagenet_synsets.txt), or labels.sorted: true"
            )
    return [index[folder] for folder in folders.values()]


def _csv_pairs(path: Path, rule: dict[str, Any]) -> Pairs:
    columns = {"file": "file", "label": "label", **rule.get("columns", {})}
    with open(path, newline="", encoding="utf-8-sig") as stream:
        rows = csv.DictReader(stream, skipinitialspace=True)
        missing = {columns["file"], columns["label"]} - set(rows.fieldnames or ())
        if missing:
            raise DliflowError(
                f"{path}: the first line must name the columns {columns['file']} and {columns['label']}; it names "
                f"{', '.join(rows.fieldnames or ['nothing'])} (labels.columns)"
            )
        for row in rows:
            yield rows.line_num, row[columns["file"]] or "", row[columns["label"]] or ""


def _list_pairs(path: Path, rule: dict[str, Any]) -> Pairs:
    """Lines `file label`; neither a name's blanks nor those of a class's name matter once the file's suffix is seen."""
    with open(path, encoding="utf-8-sig") as stream:
        for number, line in enumerate(stream, 1):
            match = re.fullmatch(r"(.+?\.\w+)\s+(\S.*)", line.strip()) or re.fullmatch(r"(.+)\s+(\S+)", line.strip())
            if match:
                yield number, match[1], match[2]
            elif line.strip():
                yield number, line.strip(), ""


def _number(text: str, rule: dict[str, Any], classes: Classes) -> int:
    """The index that a label stands for. A number is one, unless it is another class's name at the same time."""
    if not re.fullmatch(r"-?\d+", text, re.ASCII):
        return classes.index(text)
    index = int(text) - rule.get("first", 0)
    if "first" not in rule and text in classes.places and classes.places[text] != [index]:
        raise LookupError(
            f"'{text}' is the name of class {classes.places[text][0]}, and an index too; labels.first: 0 says that "
            "it is the index"
        )
    return index


def _in_file(path: Path, names: list[str], rule: dict[str, Any], classes: Classes) -> list[int]:
    """Labels from a CSV or a list, whose files are paths in the dataset's folder."""
    read: Callable[[Path, dict[str, Any]], Pairs] = _csv_pairs if rule["from"] == "csv" else _list_pairs
    lines: dict[str, int] = {}
    labels: dict[str, int] = {}
    problems, again = [], []
    try:
        for line, name, text in read(path, rule):
            name, text = name.strip().removeprefix("./"), text.strip()
            if name in lines:
                again.append(f"line {line}: {name} is named again (label {text}), after line {lines[name]}")
                continue
            lines[name] = line
            try:
                labels[name] = _number(text, rule, classes)
            except LookupError as error:
                reason = f"label {error.args[0]}" if text else "there is no label"
                problems.append(f"line {line}: {name or 'no file'}: {reason}")
    except UnicodeDecodeError as error:
        raise DliflowError(f"{path}: is no text in UTF-8: {error}") from error
    except csv.Error as error:
        raise DliflowError(f"{path}: is no CSV: {error}") from error
    wanted = set(names)
    without = [name for name in names if name not in lines]
    absent = [f"line {line}: {name}" for name, line in lines.items() if name not in wanted]
    complaints = []
    if problems:
        complaints.append(f"{len(problems)} lines are wrong:{listed(problems)}\n{classes.called()}")
    if again:
        complaints.append(f"{len(again)} lines name a file again; is this two files in one?{listed(again)}")
    if without:
        held = some(list(lines)) or "nothing"
        complaints.append(
            f"there is no label for {len(without)} of {len(names)} images; it names {held}:{listed(without)}"
        )
    if absent:
        complaints.append(
            f"names {len(absent)} images that are not among the dataset's; is the dataset complete, and do `images` "
            f"and the paths in the file fit together?{listed(absent)}"
        )
    if complaints:
        raise DliflowError("\n".join(f"{path}: {complaint}" for complaint in complaints))
    _check(
        f"{path}: ", [f"line {lines[name]}: {name}" for name in names], [labels[name] for name in names], classes.count
    )
    return [labels[name] for name in names]


def _only_file(path: Path) -> Path:
    """The file of labels: the path, or what was fetched into that folder when it is one file."""
    if path.is_file():
        return path
    files = sorted(file for file in path.rglob("*") if file.is_file())
    if len(files) != 1:
        held = some([str(file.relative_to(path)) for file in files]) or "nothing"
        raise DliflowError(f"{path}: one file of labels is wanted here; there is {held}")
    return files[0]


def of_images(names: list[str], rule: dict[str, Any], path: Optional[Path], classes: Classes) -> list[Optional[int]]:
    """The label of each image, None for all by the rule `none`.

    Args:
        names: paths in the dataset's folder.
        rule: the dataset's `labels` entry.
        path: the rule's file or folder of labels, for `csv`, `list` and `devkit`.

    Raises:
        DliflowError: naming the rule or the file, and images, when an image gets no label, a label no image, or a label
            lies outside of the classes.
    """
    if rule["from"] == "none":
        return [None] * len(names)
    if rule["from"] == "file_name":
        labels = _by_file_name(names, rule, classes)
    elif rule["from"] == "folder":
        labels = _by_folder(names, rule, classes)
    else:
        assert path is not None
        if not path.exists():
            raise DliflowError(f"{path}: no such file of labels")
        if rule["from"] != "devkit":
            return list(_in_file(_only_file(path), names, rule, classes))
        labels = devkit.labels(path, names)
    _check("", names, labels, classes.count)
    return list(labels)


def _check(origin: str, places: list[str], labels: list[int], count: int) -> None:
    """Refuse labels outside of the classes; each stands at the place of the same index."""
    outside = [f"{place}: label {label}" for place, label in zip(places, labels) if not 0 <= label < count]
    if not outside:
        return
    hint = ""
    if min(labels) == 1 and max(labels) == count:
        hint = (
            "\nLabels begin with 1: if they are off by one, labels.first: 1 sets a csv, a list or a file name right; "
            "if they are the numbers of ImageNet's development kit, whose order is its own, labels.from: devkit does"
        )
    raise DliflowError(
        f"{origin}{len(outside)} of {len(labels)} images have a label outside the model's classes 0 to {count - 1}:"
        f"{listed(outside)}{hint}"
    )
