"""Image lists: which images, which labels, and their checksums."""

from __future__ import annotations

import csv
import os
import re
from pathlib import Path
from typing import Any, Optional

from dliflow.errors import DliflowError
from dliflow.files import digest, replacing, sha256

FIELDS = ("file", "label", "sha256")


def find(folder: Path, patterns: list[str]) -> list[Path]:
    """Files below `folder` that match one of the glob patterns, sorted.

    Raises:
        DliflowError: when the folder is missing, or nothing in it matches.
    """
    if not folder.is_dir():
        raise DliflowError(f"{folder}: no such folder of images")
    found = {path for pattern in patterns for path in folder.glob(pattern) if path.is_file()}
    if not found:
        raise DliflowError(f"{folder}: no file matches {', '.join(patterns)}")
    return sorted(found)


def listing(folder: Path, patterns: list[str]) -> str:
    """Digest of the names and sizes of a folder's images: it changes when images come, go or are replaced."""
    return digest([[str(path.relative_to(folder)), path.stat().st_size] for path in find(folder, patterns)])


def _from_csv(path: Path, folder: Path) -> dict[Path, int]:
    if not path.exists():
        raise DliflowError(f"{path}: no such file of labels")
    labels = {}
    with open(path, newline="", encoding="utf-8") as stream:
        rows = csv.DictReader(stream)
        if not {"file", "label"} <= set(rows.fieldnames or ()):
            raise DliflowError(f"{path}: the first line must name the columns file and label")
        for row in rows:
            try:
                labels[folder / row["file"]] = int(row["label"])
            except (TypeError, ValueError) as error:
                raise DliflowError(f"{path}: line {rows.line_num}: label {row['label']!r} is no number") from error
    return labels


def label_images(files: list[Path], folder: Path, rule: dict[str, Any]) -> list[Optional[int]]:
    """The label of each file, by the dataset's rule (`file_name`, `csv` or `none`).

    Raises:
        DliflowError: for a file that the rule gives no label.
    """
    if rule["from"] == "none":
        return [None] * len(files)
    if rule["from"] == "csv":
        table = _from_csv(folder / rule["file"], folder)
        found = [table.get(path) for path in files]
        where = str(folder / rule["file"])
    else:
        matches = [re.fullmatch(rule["pattern"], path.name) for path in files]
        found = [int(match["label"]) if match else None for match in matches]
        where = f"labels.pattern {rule['pattern']!r}"
    for path, label in zip(files, found):
        if label is None:
            raise DliflowError(f"{path}: no label from {where}")
    return found


def check_labels(files: list[Path], labels: list[Optional[int]], classes: int) -> None:
    """Refuse a label outside 0 ... classes - 1."""
    for path, label in zip(files, labels):
        if label is not None and not 0 <= label < classes:
            raise DliflowError(f"{path}: label {label} is outside the model's classes 0 to {classes - 1}")


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write an image list."""
    with replacing(path) as scratch, open(scratch, "w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, FIELDS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def read(path: Path) -> list[dict[str, Any]]:
    """Read an image list: `file` (str), `label` (int or None), `sha256` (str)."""
    with open(path, newline="", encoding="utf-8") as stream:
        return [{**row, "label": int(row["label"]) if row["label"] else None} for row in csv.DictReader(stream)]


def rows(files: list[Path], labels: list[Optional[int]]) -> list[dict[str, Any]]:
    """Rows of an image list; paths below the working directory become relative to it."""
    here = os.getcwd()
    return [
        {
            "file": os.path.relpath(path) if str(path.resolve()).startswith(here + os.sep) else str(path),
            "label": "" if label is None else label,
            "sha256": sha256(path),
        }
        for path, label in zip(files, labels)
    ]
