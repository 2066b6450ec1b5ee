"""Fetch the files of a source (of a model, a dataset, labels) from the first of its locations that has them.

Archives and wheels are unpacked into the folder beside the manifest; nothing of them is run. A file or folder of the
user's that is used in place is checked only.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Optional

from dliflow import progress
from dliflow.errors import DliflowError
from dliflow.fetching import archive, checksums, download, locations, uv
from dliflow.files import digest, payload, replacing, sha256, write_json
from dliflow.study import paths


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--source", type=json.loads, required=True, help="JSON: from, and perhaps file and sha256")
    parser.add_argument(
        "--contents", action="store_true", help="record the checksum of every file, not of archives only"
    )
    parser.add_argument("--out", type=Path, required=True, help="the manifest; the files lie in a folder beside it")


def unpack_packages(packages: list[dict[str, str]], folder: Path) -> None:
    """Unpack wheels, each of the registered checksum, into one folder; what they depend on does not come along."""
    for package in packages:
        pin = f"{package['name']}=={package['version']}"
        wanted = folder.with_name("wanted.txt")
        wanted.write_text(f"{pin} --hash=sha256:{package['sha256']}\n", encoding="utf-8")
        platform = ["--python-platform", package["platform"]] if "platform" in package else []
        version = ["--python-version", package["python"]] if "python" in package else []
        result = uv.run(
            *("pip", "install", "--no-deps", "--only-binary", ":all:", "--require-hashes"),
            *(*platform, *version, "--link-mode", "copy", "--target", str(folder), "-r", str(wanted)),
        )
        print(result.stderr, flush=True)
        if result.returncode:
            hint = (
                "the file is not the one that is registered: do not use it, or correct sha256"
                if "Hash mismatch" in result.stderr
                else "is the package index that uv or pip is configured for in reach?"
            )
            raise DliflowError(f"{pin} could not be fetched; {hint}\n{result.stderr.strip()}")
    (folder / ".lock").unlink(missing_ok=True)


def _place(file: Path, folder: Path, source: dict[str, Any], *, ours: bool) -> None:
    """Unpack a file, or put it where the source's file is looked for: by a link, so that nothing is there twice."""
    if archive.is_archive(file):
        archive.extract(file, folder, source.get("file"))
        return
    target = folder / (locations.name_of(source) or file.name)
    target.parent.mkdir(parents=True, exist_ok=True)
    if not ours:
        target.symlink_to(file.resolve())
        return
    try:
        os.link(file, target)
    except OSError:  # another file system, or one without links
        shutil.copyfile(file, target)


def _progress(url: str) -> download.Report:
    """Lines with the MiB so far; the total is known once the server has answered."""
    report: Optional[Callable[[int], None]] = None

    def show(done: int, total: Optional[int]) -> None:
        nonlocal report
        if report is None:
            name = download.file_name(url)
            report = progress.meter(f"download {name}", None if total is None else total >> 20, done >> 20, "MiB")
        report(done >> 20)

    return show


def fill(folder: Path, location: dict[str, Any], source: dict[str, Any]) -> None:
    """Make the folder with what one location holds.

    Raises:
        DliflowError: when the location does not have it, or has something else.
    """
    if "packages" in location:
        folder.mkdir()
        unpack_packages(location["packages"], folder)
    elif "url" in location:
        file = download.fetch(location, Path(paths.DOWNLOADS), report=_progress(location["url"]))
        folder.mkdir()
        _place(file, folder, source, ours=True)
    else:
        path = Path(location["path"])
        if not path.exists():
            raise DliflowError(f"{path}: there is no such file or folder")
        _verify_path(location)
        if path.is_dir():
            folder.symlink_to(path.resolve())
        else:
            folder.mkdir()
            _place(path, folder, source, ours=False)


def _verify_path(location: dict[str, Any]) -> None:
    path = Path(location["path"])
    if path.is_file():
        checksums.verify(path, location, "source.from")
    elif checksums.wanted(location):
        raise DliflowError(
            f"{path}: is a folder, which has no checksum; leave {next(iter(checksums.wanted(location)))} out"
        )


def _check_places(source: dict[str, Any], folder: Path) -> None:
    """Refuse a location of the user's inside of the folder that what is fetched replaces: it would be deleted.

    Raises:
        DliflowError: naming it.
    """
    replaced = folder.parent.resolve() / folder.name  # which may itself be a link to a folder of the user's
    for location in source["from"]:
        if "path" in location and Path(location["path"]).resolve().is_relative_to(replaced):
            raise DliflowError(
                f"{location['path']}: lies where what is fetched is put, and would be deleted by it; move it elsewhere"
            )


def check_file(path: Path, source: dict[str, Any]) -> None:
    """Whether the source's file is there, and the registered one.

    Raises:
        DliflowError: when it is not.
    """
    if not path.exists():
        raise DliflowError(
            f"{locations.name_of(source)}: there is no such file among what was fetched; correct source.file"
        )
    if "sha256" in source:
        if path.is_dir():
            raise DliflowError(f"{path}: is a folder, which has no checksum; leave source.sha256 out")
        checksums.verify(path, {"sha256": source["sha256"]}, "source.sha256")


def _described(path: Path, contents: bool) -> dict[str, Any]:
    """What the manifest tells of a file or folder: its checksum, or those of all its files and of all together."""
    if path.is_file() and not contents:
        return {"sha256": sha256(path)}
    files = locations.files_of(path) if contents else []
    if files == [path]:
        return {"sha256": sha256(path)}
    base = path if path.is_dir() else path.parent
    digests = {str(file.relative_to(base)): sha256(file) for file in files}
    return {"contents": digest([list(item) for item in digests.items()], 64), "files": digests} if files else {}


def run(args: argparse.Namespace) -> None:
    """Try the locations in order, check, and write the manifest, which names the one that was used.

    Raises:
        DliflowError: when none has the registered file; each is named with its reason.
    """
    source, used = args.source, locations.in_place(args.source)
    if used is not None:
        location = source["from"][0]
        _verify_path(location)
        check_file(used, source)
        write_json(args.out, {"location": location, **_described(used, args.contents)})
        return
    _check_places(source, payload(args.out))
    problems = []
    for location in source["from"]:
        try:
            with replacing(payload(args.out)) as folder:
                fill(folder, location, source)
                file = folder / locations.name_of(source)
                check_file(file, source)
                described = _described(file, args.contents)
            write_json(args.out, {"location": location, **described})
            return
        except DliflowError as error:
            problems.append(str(error))
            if location is not source["from"][-1]:
                print(f"{error}\ntrying the next location", flush=True)
    if len(problems) == 1:
        raise DliflowError(problems[0])
    reasons = "\n".join(f"{index}. {problem}" for index, problem in enumerate(problems, 1))
    raise DliflowError(f"none of the {len(problems)} locations has what is registered:\n{reasons}")
