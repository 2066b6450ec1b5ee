"""Where the files of a `source` (of a model, a dataset, labels) lie, as far as can be told before anything is fetched.

A source holds `from`, its locations in order of preference, and for a model perhaps `file`, the path inside of them,
and `sha256` of that file. A leading `path` that exists is used in place unless it is an archive; everything else is
fetched into the folder beside a manifest, where the file has the same path whatever the location was.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Optional

from dliflow.errors import DliflowError
from dliflow.fetching.archive import SUFFIXES, belongs, is_archive
from dliflow.fetching.download import file_name


def in_place(source: dict[str, Any]) -> Optional[Path]:
    """The user's file or folder that is used where it lies; None when the source is fetched."""
    path = Path(source["from"][0].get("path", ""))
    if "path" not in source["from"][0] or not path.exists() or is_archive(path):
        return None
    return path / source["file"] if path.is_dir() and "file" in source else path


def _is_folder(location: dict[str, Any]) -> bool:
    """Whether a location gives a folder: packages, an archive that is unpacked, or a folder of the user's."""
    if "packages" in location:
        return True
    name = file_name(location["url"]) if "url" in location else location["path"]
    return is_archive(name) or Path(location.get("path", "-")).is_dir()


def name_of(source: dict[str, Any]) -> str:
    """The path of the source's file in the folder of what is fetched; '' for all of the folder.

    Whatever the location was: where one of them gives a folder, only `file` names a file in it.
    """
    if "file" in source:
        return source["file"]
    if any(map(_is_folder, source["from"])):
        return ""
    first = source["from"][0]
    return file_name(first["url"]) if "url" in first else Path(first["path"]).name


def path_of(source: dict[str, Any], fetched: Path) -> Path:
    """Where the source's file or folder lies, or will lie once it was fetched into the folder `fetched`."""
    return in_place(source) or fetched / name_of(source)


def inputs_of(source: dict[str, Any]) -> list[str]:
    """The user's files whose change must be noticed: archives, or the model's own."""
    path = in_place(source)
    if path is None:
        return [location["path"] for location in source["from"] if Path(location.get("path", "")).is_file()]
    return [str(file) for file in files_of(path)] if path.exists() else [str(path)]


def files_of(path: Path) -> list[Path]:
    """A model's files: all of its folder, or the file and those beside it that belong to it; sorted."""
    if path.is_dir():
        return sorted(Path(folder, name) for folder, _, names in os.walk(path) for name in names)
    return sorted(
        Path(entry.path) for entry in os.scandir(path.parent) if belongs(entry.name, path.name) and entry.is_file()
    )


def check(source: dict[str, Any], key: str) -> None:
    """Refuse, before anything runs, a source that cannot be had.

    Args:
        key: where the source stands (`config/models/x.yaml: source`), for the message.

    Raises:
        DliflowError: when every location is a path and none exists, or a folder of the user's lacks the file.
    """
    paths = [location["path"] for location in source["from"] if "path" in location]
    if len(paths) == len(source["from"]) and not any(Path(path).exists() for path in paths):
        raise DliflowError(f"{key}.from: there is no {' and no '.join(paths)}; put it there, or correct the path")
    path = in_place(source)
    if path is not None and not path.exists():
        raise DliflowError(f"{key}.file: there is no {source['file']} in {source['from'][0]['path']}")


def shown(location: dict[str, Any]) -> str:
    """A location in few words."""
    if "packages" in location:
        return " + ".join(package["name"] for package in location["packages"])
    return location.get("url") or location["path"]


def check_file(source: dict[str, Any], key: str) -> None:
    """Refuse a model's source that does not tell which file of an archive, a folder or packages is the model.

    Raises:
        DliflowError: naming the missing key, and the location that needs it.
    """
    if in_place(source) is not None or name_of(source):
        return
    index, location = next((i, place) for i, place in enumerate(source["from"]) if _is_folder(place))
    alone = all(map(_is_folder, source["from"]))
    rest = "" if alone else "; a location that is a file is then given that path too"
    raise DliflowError(
        f"{key}.file: is missing: from[{index}] ({shown(location)}) gives a folder; name the model's path inside the "
        f"archive, the folder or the packages{rest}"
    )


def check_folder(source: dict[str, Any], key: str) -> None:
    """Refuse a dataset's source with a location that gives a file, which cannot be a folder of images.

    A path where nothing lies may become a folder.

    Raises:
        DliflowError: naming every such location.
    """
    files = [
        f"{key}.from[{index}]: {shown(location)} is no archive by its name, and no folder; right would be a folder, "
        f"packages, or an archive ({', '.join(SUFFIXES)})"
        for index, location in enumerate(source["from"])
        if not _is_folder(location) and ("url" in location or Path(location["path"]).is_file())
    ]
    if files:
        raise DliflowError("\n".join(files))
