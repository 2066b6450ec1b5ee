"""Image lists: which images, which labels, and their checksums."""

# os is several times as fast as pathlib, and 50 000 images are listed whenever a run is planned.
# ruff: noqa: PTH112, PTH114, PTH116, PTH119, PTH122, PTH207

from __future__ import annotations

import csv
import glob
import hashlib
import io
import os
import stat
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Optional

from dliflow.errors import DliflowError
from dliflow.files import digest, replacing, sha256
from dliflow.images import crops
from dliflow.wording import listed

FIELDS = ("file", "label", "sha256")

SUFFIXES = (
    *(
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".pjpeg",
        ".pjp",
        ".mpo",
        ".png",
        ".apng",
        ".bmp",
        ".dib",
        ".webp",
        ".gif",
        ".tif",
        ".tiff",
    ),
    *(".ppm", ".pgm", ".pbm", ".pnm", ".pfm", ".jp2", ".j2k", ".jpx", ".jpf", ".jpc", ".j2c", ".avif", ".tga", ".qoi"),
)
LITTER = ("thumbs.db", "desktop.ini")  # left by file managers; theirs that begin with a dot are hidden ones


def check(patterns: Optional[list[str]]) -> None:
    """Refuse patterns of images that lead out of the dataset's folder: an entry may be somebody else's.

    Raises:
        DliflowError: naming them.
    """
    outside = [pattern for pattern in patterns or [] if ".." in Path(pattern).parts or Path(pattern).is_absolute()]
    if outside:
        raise DliflowError(f"images: {', '.join(map(repr, outside))}: leads out of the dataset's folder")


def leading_outside(folder: Path, names: Iterable[str]) -> list[str]:
    """Those of a folder's images that are links to files elsewhere, or lie in folders that are."""
    inside = os.path.realpath(folder) + os.sep
    above = {name.rpartition("/")[0] for name in names}
    elsewhere = {each for each in above if not f"{os.path.realpath(os.path.join(folder, each))}/".startswith(inside)}

    def leads_outside(name: str) -> bool:
        path = os.path.join(folder, name)
        return os.path.islink(path) and not os.path.realpath(path).startswith(inside)

    return [name for name in names if name.rpartition("/")[0] in elsewhere or leads_outside(name)]


def _matching(folder: Path, patterns: list[str]) -> Iterator[str]:
    for name in {name for pattern in patterns for name in glob.glob(pattern, root_dir=folder, recursive=True)}:
        if not os.path.isdir(os.path.join(folder, name)) and os.path.basename(name).lower() not in LITTER:
            yield name


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _visible(folder: Path | str, below: str = "", above: tuple[tuple[int, int], ...] = ()) -> Iterator[str]:
    """Every file at any depth that is not hidden or left by a file manager."""
    status = os.stat(folder)
    place = (status.st_dev, status.st_ino)
    if place in above:
        raise DliflowError(f"{folder}: is a link to a folder that it lies in itself; remove it, or set `images`")
    try:
        entries = list(os.scandir(folder))
    except OSError as error:
        raise DliflowError(f"{folder}: cannot be read: {error.strerror}") from error
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if _is_folder(entry):
            yield from _visible(entry.path, f"{below}{entry.name}/", (*above, place))
        elif entry.name.lower() not in LITTER:
            yield below + entry.name


def _is_named_like_an_image(name: str) -> bool:
    return name.lower().endswith(SUFFIXES)


def _size(path: str) -> int:
    """Size in bytes of a file that can be an image.

    Raises:
        ValueError: with the reason why it cannot be one.
    """
    try:
        path.encode()
        status = os.stat(path)
    except UnicodeEncodeError:  # bytes of another encoding, as old archives have them
        raise ValueError("its name is no text in UTF-8; rename it, or unpack its archive with that encoding") from None
    except OSError as error:
        reason = "is a link to nothing" if os.path.islink(path) else f"cannot be read: {error.strerror}"
        raise ValueError(reason) from error
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("is no regular file")
    return status.st_size


def find(folder: Path, patterns: Optional[list[str]]) -> dict[str, int]:
    """Size in bytes of each image below `folder`, by its path in it, sorted.

    Hidden files and folders, and what file managers leave, are no images.

    Args:
        patterns: glob patterns; None for every file that is named like an image.

    Raises:
        DliflowError: when the folder is missing, or nothing in it matches; naming all images that are no files.
    """
    if not folder.is_dir():
        raise DliflowError(f"{folder}: no such folder of images")
    names = filter(_is_named_like_an_image, _visible(folder)) if patterns is None else _matching(folder, patterns)
    sizes, problems = {}, []
    for name in sorted(names):
        try:
            sizes[name] = _size(os.path.join(folder, name))
        except ValueError as error:
            shown = os.fsencode(name).decode("utf-8", "backslashreplace")
            problems.append(f"{shown}: {error}")
    if problems:
        raise DliflowError(
            f"{folder}: {len(problems)} images cannot be used; replace or remove them:{listed(problems)}"
        )
    if not sizes:
        wanted = patterns or [f"*{suffix}" for suffix in SUFFIXES]
        counts = ", ".join(f"{count:,} {suffix}" for suffix, count in left_out(folder).items())
        others = (
            f"; there are {counts}: `images` in the dataset's entry takes them, if they are images" if counts else ""
        )
        raise DliflowError(f"{folder}: no file matches {', '.join(wanted)}{others}")
    return sizes


def left_out(folder: Path, but: Optional[Path] = None) -> dict[str, int]:
    """How many files of a folder are not named like images, by suffix, the most frequent first.

    Args:
        but: a file that is not counted, such as that of the labels.
    """
    names = (name for name in _visible(folder) if not _is_named_like_an_image(name))
    others = (name for name in names if but is None or folder.joinpath(name).resolve() != but.resolve())
    counts = Counter(os.path.splitext(name)[1].lower() or "no suffix" for name in others)
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def listing(folder: Path, patterns: Optional[list[str]]) -> str:
    """Digest of the names and sizes of a folder's images: it changes when images come, go or are replaced."""
    return digest(list(find(folder, patterns).items()))


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write an image list, with the checksum of its lines in the last one."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, FIELDS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)  # a label that is None becomes an empty cell
    content = text.getvalue().encode("utf-8")
    with replacing(path) as scratch:
        scratch.write_bytes(content + _seal(content))


def read(path: Path) -> list[dict[str, Any]]:
    """Read an image list: `file` (str), `label` (int or None), `sha256` (str).

    Raises:
        DliflowError: when it is not what was written.
    """
    lines = io.TextIOWrapper(io.BytesIO(_content(path)), encoding="utf-8", newline="")
    return [{**row, "label": int(row["label"]) if row["label"] else None} for row in csv.DictReader(lines)]


def list_sha256(path: Path) -> str:
    """The checksum of an image list, as its last line tells it.

    Raises:
        DliflowError: when it is not what was written.
    """
    return hashlib.sha256(_content(path)).hexdigest()


def _seal(content: bytes) -> bytes:
    """The last line of a list, below these: one that lost lines, or has another label, is a good list else."""
    return f"# sha256: {hashlib.sha256(content).hexdigest()}\n".encode()


def _content(path: Path) -> bytes:
    written = path.read_bytes()
    content = written[: -len(_seal(b""))]
    if written != content + _seal(content):
        raise DliflowError(
            f"{path} is damaged: its last line is not the checksum of those above it; delete it, and it is made again"
        )
    return content


def rows(folder: Path, names: list[str], labels: list[Optional[int]]) -> list[dict[str, Any]]:
    """Rows of an image list; paths below the working directory become relative to it.

    Args:
        names: paths in the folder, or parts of images as `crops` names them.

    Raises:
        DliflowError: naming all images that cannot be read.
    """
    here = os.getcwd()
    base = os.path.relpath(folder) if str(folder.resolve()).startswith(here + os.sep) else str(folder)
    files = [os.path.join(base, name) for name in names]
    whole = [crops.split(file)[0] for file in files]
    distinct = list(dict.fromkeys(whole))
    problems: list[str] = []

    def checksum(file: str) -> str:
        try:
            return sha256(Path(file))
        except OSError as error:
            problems.append(f"{file}: cannot be read: {error.strerror}")
            return ""

    # Reading and hashing go without the interpreter's lock.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        digests = dict(zip(distinct, pool.map(checksum, distinct)))
    if problems:
        raise DliflowError(f"{len(problems)} of {len(distinct)} images cannot be read:{listed(sorted(problems))}")
    return [dict(zip(FIELDS, values)) for values in zip(files, labels, map(digests.__getitem__, whole))]
