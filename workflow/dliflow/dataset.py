"""Image lists: which images, which labels, and their checksums."""

# os is several times as fast as pathlib, and 50 000 images are listed whenever a run is planned.
# ruff: noqa: PTH113, PTH119, PTH202, PTH207

from __future__ import annotations

import csv
import glob
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Optional

from dliflow.errors import DliflowError
from dliflow.files import digest, replacing, sha256

FIELDS = ("file", "label", "sha256")

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".gif", ".tif", ".tiff", ".ppm", ".pgm")
LITTER = ("thumbs.db", "desktop.ini")  # left by file managers; theirs that begin with a dot are hidden ones


def _matching(folder: Path, patterns: list[str]) -> Iterator[tuple[str, int]]:
    for name in {name for pattern in patterns for name in glob.glob(pattern, root_dir=folder, recursive=True)}:
        path = os.path.join(folder, name)
        if os.path.isfile(path) and os.path.basename(name).lower() not in LITTER:
            yield name, os.path.getsize(path)


def _named_like_images(folder: Path | str, below: str = "") -> Iterator[tuple[str, int]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir():
                yield from _named_like_images(entry.path, f"{below}{entry.name}/")
            elif entry.name.lower().endswith(SUFFIXES) and entry.is_file():
                yield below + entry.name, entry.stat().st_size


def find(folder: Path, patterns: Optional[list[str]]) -> dict[str, int]:
    """Size in bytes of each image below `folder`, by its path in it, sorted.

    Hidden files and folders, and what file managers leave, are no images.

    Args:
        patterns: glob patterns; None for every file that is named like an image.

    Raises:
        DliflowError: when the folder is missing, or nothing in it matches.
    """
    if not folder.is_dir():
        raise DliflowError(f"{folder}: no such folder of images")
    files = dict(sorted(_named_like_images(folder) if patterns is None else _matching(folder, patterns)))
    if not files:
        raise DliflowError(f"{folder}: no file matches {', '.join(patterns or [f'*{suffix}' for suffix in SUFFIXES])}")
    return files


def listing(folder: Path, patterns: Optional[list[str]]) -> str:
    """Digest of the names and sizes of a folder's images: it changes when images come, go or are replaced."""
    return digest(list(find(folder, patterns).items()))


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write an image list."""
    with replacing(path) as scratch, open(scratch, "w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, FIELDS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)  # a label that is None becomes an empty cell


def read(path: Path) -> list[dict[str, Any]]:
    """Read an image list: `file` (str), `label` (int or None), `sha256` (str)."""
    with open(path, newline="", encoding="utf-8") as stream:
        return [{**row, "label": int(row["label"]) if row["label"] else None} for row in csv.DictReader(stream)]


def rows(folder: Path, names: list[str], labels: list[Optional[int]]) -> list[dict[str, Any]]:
    """Rows of an image list; paths below the working directory become relative to it."""
    here = os.getcwd()
    base = os.path.relpath(folder) if str(folder.resolve()).startswith(here + os.sep) else str(folder)
    files = [os.path.join(base, name) for name in names]
    # Reading and hashing go without the interpreter's lock.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        digests = pool.map(sha256, files)
        return [dict(zip(FIELDS, values)) for values in zip(files, labels, digests)]
