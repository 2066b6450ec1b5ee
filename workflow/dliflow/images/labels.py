"""The label of each image of a dataset, by the rule of its entry (`labels: {from: ...}`).

A label is a class index from 0. Files of labels may give it as such, as a synset or as the name of a class.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Optional

from dliflow import progress
from dliflow.errors import DliflowError
from dliflow.images import devkit, label_files
from dliflow.images.label_files import Pattern, composed
from dliflow.wording import listed, some


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
            places.setdefault(composed(name).strip(), []).append(index)
        return places

    def index(self, name: str) -> int:
        """The index of a class by its name.

        Raises:
            LookupError: with the reason, when there is none, or more than one.
        """
        indices = self.places.get(composed(name), [])
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
    pattern = Pattern(rule, "label")
    matches = {name: match for name in names if (match := pattern.fullmatch(composed(name.rpartition("/")[2])))}
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
    folders = {name: name.rpartition("/")[0] for name in names}
    loose = [name for name, folder in folders.items() if not folder]
    if loose:
        raise DliflowError(
            f"{len(loose)} of {len(names)} images lie in no folder that could name their class (labels.from: folder):"
            f"{listed(loose)}"
        )
    called = {folder: _label_of_folder(folder, rule) for folder in sorted(set(folders.values()))}
    without = [folder for folder, label in called.items() if not label]
    if without:
        raise DliflowError(
            f"{len(without)} of {len(called)} folders of images end in nothing like labels.pattern "
            f"{rule['pattern']!r}:{listed(without)}"
        )
    of = _by_order if rule.get("sorted", False) else _by_name
    index = of(sorted(set(called.values())), rule, classes)
    return [index[called[folder]] for folder in folders.values()]


def _label_of_folder(folder: str, rule: dict[str, Any]) -> str:
    """A folder's last part, or what the pattern takes of the end of its path; '' where that has no such end."""
    if "pattern" not in rule:
        return folder.rpartition("/")[2]
    pattern, folder = Pattern(rule, "label"), composed(folder)
    ends = (folder[start:] for start in [0, *(match.end() for match in re.finditer("/", folder))])
    return next((match["label"] for end in ends if (match := pattern.fullmatch(end))), "")


def _by_order(folders: list[str], rule: dict[str, Any], classes: Classes) -> dict[str, int]:
    """The place of each folder in alphabetical order."""
    if len(folders) != classes.count:
        raise DliflowError(
            f"labels.sorted: there are {len(folders)} folders of images, the model has {classes.count} "
            "classes; the alphabetical order tells the class only when every class has its folder"
        )
    doubtful = [pair for pair in zip(folders, folders[1:]) if _natural(pair[0]) > _natural(pair[1])]
    if doubtful:
        before, after = doubtful[0]
        raise DliflowError(
            f"labels.sorted: as text '{before}' comes before '{after}', by the numbers in them it does not, and models "
            "are trained in either order. Folders that are numbers are class indices without labels.sorted "
            "(labels.first: 1 where they begin with 1). Otherwise write the folders' names in the order of the model's "
            "classes into a file, and set labels.classes to it: torchvision's ImageFolder and Keras take the order of "
            "`LC_ALL=C ls`, timm that of `ls -v`"
        )
    return {folder: position for position, folder in enumerate(folders)}


def _natural(text: str) -> list[int | str]:
    """A key for the order in which numbers in a text count as numbers: text and numbers in turns."""
    return [int(part) if index % 2 else part for index, part in enumerate(re.split(r"(\d+)", text))]


def _by_name(folders: list[str], rule: dict[str, Any], classes: Classes) -> dict[str, int]:
    """The class that each folder is called by, by its name or as a number."""
    index, problems = {}, []
    for folder in folders:
        try:
            index[folder] = _number(folder, rule, classes)
        except LookupError as error:
            problems.append(error.args[0])
    if problems:
        raise DliflowError(
            f"{len(problems)} of {len(folders)} folders of images are named like no class:{listed(problems)}\n"
            f"{classes.called()}. Set labels.classes to a file with the folders' names in class order "
            "(resources/imagenet_synsets.txt), or, if their alphabetical order is the order of the classes, "
            "labels.sorted: true"
        )
    return index


def _is_number(text: str) -> bool:
    """Whether a label is a whole number, as tables also write it: `65.0`."""
    return re.fullmatch(r"-?\d+(\.0+)?", text, re.ASCII) is not None


def _number(text: str, rule: dict[str, Any], classes: Classes) -> int:
    """The index that a label stands for. A number is one, unless it is another class's name at the same time.

    What the dataset's entry itself says decides then: `first`, or else the file `classes`.
    """
    if not _is_number(text) or ("classes" in rule and "first" not in rule and composed(text) in classes.places):
        return classes.index(text)
    if not math.isfinite(float(text)):
        raise LookupError(f"'{text[:20]}…' is no class")
    index = int(float(text)) - rule.get("first", 0)
    if "first" not in rule and text in classes.places and classes.places[text] != [index]:
        raise LookupError(
            f"'{text}' is the name of class {classes.places[text][0]}, and an index too; labels.first: 0 says that "
            "it is the index, labels.classes with the file of the names that it is the name"
        )
    return index


def _label_in_cell(text: str, rule: dict[str, Any]) -> str:
    """A label as its column has it, or what the pattern takes of it."""
    if rule["from"] == "list" or "pattern" not in rule:
        return text
    match = Pattern(rule, "label").fullmatch(text)
    if match is None:
        raise LookupError(f"{text!r} does not match labels.pattern {rule['pattern']!r}")
    return match["label"]


def only_listed(names: list[str], rule: dict[str, Any], path: Path) -> list[str]:
    """The images that a file of labels names, which are all of a dataset whose labels are `only_listed`."""
    images = label_files.Names(names, rule.get("root", ""))
    wanted = {image for _, text, _ in label_files.pairs(_only_file(path), rule) for image in images.called(text)}
    return [name for name in names if name in wanted]


@dataclass
class _File:
    """What a file of labels says.

    Attributes:
        lines: the line number of each image, or of a path that is none.
        labels: the label of each.
        wrong: what cannot be a label or a file.
        again: lines of an image that had one.
        absent: paths that are no image's, with their line numbers.
        otherwise: images whose path in the file is another one.
    """

    lines: dict[str, int] = field(default_factory=dict)
    labels: dict[str, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    again: list[str] = field(default_factory=list)
    absent: dict[str, int] = field(default_factory=dict)
    otherwise: dict[str, str] = field(default_factory=dict)


def _read(path: Path, images: label_files.Names, rule: dict[str, Any], classes: Classes) -> _File:
    """A file of labels, read to its end, whatever is wrong with it."""
    file = _File()
    for line, text, label in label_files.pairs(path, rule):
        alike = images.called(text)
        name = alike[0] if alike else text
        if name in file.lines:
            file.again.append(f"line {line}: {text} is named again (label {label}), after line {file.lines[name]}")
            continue
        file.lines[name] = line
        if not alike:
            file.absent[text] = line
        elif len(alike) > 1:
            file.wrong.append(f"line {line}: {text}: could be {len(alike)} images, {some(alike)}")
        elif composed(name) != composed(text):
            file.otherwise[name] = text
        try:
            file.labels[name] = _number(_label_in_cell(label, rule), rule, classes)
        except LookupError as error:
            reason = f"label {error.args[0]}" if label else "there is no label"
            file.wrong.append(f"line {line}: {text or 'no file'}: {reason}")
    return file


def _complaints(file: _File, names: list[str], images: label_files.Names, classes: Classes) -> Iterator[str]:
    """What does not fit together in a file of labels and the images of a dataset."""
    if file.wrong:
        yield f"{len(file.wrong)} lines are wrong:{listed(file.wrong)}\n{classes.called()}"
    if file.again:
        yield f"{len(file.again)} lines name a file again; is this two files in one?{listed(file.again)}"
    without = [name for name in names if name not in file.lines]
    if without:
        held = some(list(file.lines)) or "nothing"
        yield f"there is no label for {len(without)} of {len(names)} images; it names {held}:{listed(without)}"
    if file.absent:
        root = images.root_of(list(file.absent))
        question = f"\nThey all begin with {root}: is this the dataset's folder? Then set labels.root" if root else ""
        yield (
            f"names {len(file.absent)} images that are not among the dataset's; is the dataset complete, and do "
            "`images` and the paths in the file fit together?"
            f"{listed([f'line {line}: {text}' for text, line in file.absent.items()])}{question}"
        )


def _in_file(path: Path, names: list[str], rule: dict[str, Any], classes: Classes) -> list[int]:
    """Labels from a file of them, each of whose lines names an image."""
    images = label_files.Names(names, rule.get("root", ""))
    file = _read(path, images, rule, classes)
    complaints = [f"{path}: {complaint}" for complaint in _complaints(file, names, images, classes)]
    if complaints:
        raise DliflowError("\n".join(complaints))
    for name, text in list(file.otherwise.items())[:1]:
        progress.say(f"{path}: names {len(file.otherwise):,} images in other words; '{text}' is taken for '{name}'")
    places, labels = [f"line {file.lines[name]}: {name}" for name in names], [file.labels[name] for name in names]
    _check(f"{path}: ", places, labels, classes.count)
    return labels


def _only_file(path: Path) -> Path:
    """The file of labels: the path, or what was fetched into that folder when it is one file."""
    if path.is_file():
        return path
    files = sorted(file for file in path.rglob("*") if file.is_file() and not file.name.startswith("."))
    if len(files) != 1:
        held = some([str(file.relative_to(path)) for file in files]) or "nothing"
        raise DliflowError(f"{path}: one file of labels is wanted here; there is {held}")
    return files[0]


def of_images(names: list[str], rule: dict[str, Any], path: Optional[Path], classes: Classes) -> list[Optional[int]]:
    """The label of each image, None for all by the rule `none`.

    Args:
        names: paths in the dataset's folder.
        rule: the dataset's `labels` entry.
        path: the rule's file or folder of labels, for `csv`, `list`, `jsonl` and `devkit`.

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
            below = [str(file.relative_to(path.parent)) for file in path.parent.rglob("*") if file.name == path.name]
            raise DliflowError(f"{path}: no such file of labels{'; there is ' + some(sorted(below)) if below else ''}")
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
            "\nLabels begin with 1: if they are off by one, labels.first: 1 sets them right; "
            "if they are the numbers of ImageNet's development kit, whose order is its own, labels.from: devkit does"
        )
    raise DliflowError(
        f"{origin}{len(outside)} of {len(labels)} images have a label outside the model's classes 0 to {count - 1}:"
        f"{listed(outside)}{hint}"
    )
