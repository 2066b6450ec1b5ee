"""List what no study needs any more (records, models and environments of older versions), and delete it after asking.

Older versions are kept, so that after an upgrade the new one meets the old one in a comparison. What a config needs
today stays, as does everything outside results/. A study that was run with values of `--config` needs a file that
holds them, named with --configfile.

What another run is making stays, and is told. Nothing is deleted while something is measured.

Exit status: 0 when nothing is left to delete, 1 when the answer was no or something stayed, 2 when a config is wrong.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import shutil
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Optional

from dliflow.commands import CHECKOUT
from dliflow.errors import DliflowError
from dliflow.machine import lock
from dliflow.records import journal
from dliflow.report import units
from dliflow.study import config, environments, paths, plan
from dliflow.study.study import Study

MARKER = "environment.json"  # of an environment that is whole
LOCK = ".lock"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--configfile",
        type=Path,
        nargs="+",
        action="append",
        default=[],
        help="a study whose results stay, as Snakemake takes it; once for each study; without it config/config.yaml",
    )
    parser.add_argument("--yes", action="store_true", help="delete without asking")


def obsolete(studies: Sequence[Study]) -> list[Path]:
    """What lies in results and none of these studies needs: files, and folders as wholes."""
    kept = {output for study in studies for output in _needed(study)}
    unwanted = [path for path in _made() if not _belongs(path, kept)]
    for folder in {Path(study.config["environments"]["folder"]) for study in studies}:
        if folder.resolve().is_relative_to(Path(paths.RESULTS).resolve()):  # others may serve other checkouts
            unwanted += [path for path in _environments(folder) if _without_lock(path) / MARKER not in kept]
    return sorted(unwanted)


def _needed(study: Study) -> set[Path]:
    """Every record, manifest and marker of an environment that a study's jobs make."""
    rows = [row["record"] for stage in study.plan.values() for row in stage]
    return {Path(output) for output in (*plan.needed(study.plan), *rows)}


def _made() -> Iterator[Path]:
    """What is measured, converted or built: records with what lies beside them, manifests and folders."""
    results = Path(paths.RESULTS)
    for stage in ("parity", "accuracy", "sweep", "throughput", "tune", "compare", "profile"):
        yield from (path for path in (results / stage).rglob("*") if _counts(path))
    yield from (results / "models").glob("*/*")
    yield from (results / "cpp").glob("*")


def _belongs(path: Path, kept: Collection[Path]) -> bool:
    """Whether it, or its folder, is or lies beside something that is kept: of its name up to one of its dots."""
    return any(one.with_name(f"{start}.json") in kept for one in (path, path.parent) for start in _starts(one.name))


def _starts(name: str) -> Iterator[str]:
    """A name, and what stands before each of its dots: a version may have some, and an ending."""
    yield name
    yield from (name[:place] for place, letter in enumerate(name) if letter == ".")


def _counts(path: Path) -> bool:
    """Whether it is listed by itself: a journal counts as a whole, since whoever writes it has a lock on all of it."""
    return _is_journal(path) or (path.is_file() and not _is_journal(path.parent))


def _is_journal(path: Path) -> bool:
    return path.suffix == ".partial" and path.is_dir()


def _environments(folder: Path) -> Iterator[Path]:
    """Those that lie there, and the locks of those that lay there."""
    for path in folder.glob("*"):
        environment = _without_lock(path)
        is_lock = path != environment and not environment.exists()
        if re.search(r"-[0-9a-f]{12}$", environment.name) and (path.is_dir() or is_lock):
            yield path


def _without_lock(path: Path) -> Path:
    return path.with_name(path.name.removesuffix(LOCK))


def size(path: Path) -> int:
    """Bytes of a file, or of all files of a folder."""
    files = path.rglob("*") if path.is_dir() and not path.is_symlink() else [path]
    return sum(file.lstat().st_size for file in files if not file.is_dir() or file.is_symlink())


def delete(path: Path) -> None:
    """A file, or a folder with all that is in it; its logs and its lock, and the folder that is empty then.

    Raises:
        DliflowError: when a process is at work on it, naming that; it stays then.
    """
    guard = environments.lock_of(_without_lock(path))
    if _is_journal(path):
        journal.discard(path)
    elif guard.exists():
        descriptor = lock.take(guard, f"{path} is", wait=False)
        try:
            _remove(path)
            guard.unlink(missing_ok=True)  # last, and while it is held: whoever waits for it takes the next one
        finally:
            os.close(descriptor)
    else:
        _remove(path)
    for of in (path, path / MARKER):
        log = paths.log(str(of))
        for file in map(Path, (log, paths.timing(log), paths.failure(log))):
            file.unlink(missing_ok=True)
            _remove_empty(file.parent)
    _remove_empty(path.parent)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _remove_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):  # something else is in it, or it is not there
        folder.rmdir()


def _agreed() -> bool:
    try:
        return input("Delete them? [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:  # nobody is there to answer
        return False


def run(args: argparse.Namespace) -> int:
    """List, ask, delete; 1 when the answer was no, or something stayed."""
    default = Path("config/config.yaml")
    named = {
        ", ".join(map(str, files)) or str(default): config.given([CHECKOUT / default, *files])
        for files in args.configfile or [[]]
    }
    os.chdir(CHECKOUT)
    unwanted = obsolete([Study.read(given, name) for name, given in named.items()])
    needed_by = f"needed by {' or by '.join(named)}"  # whoever has other studies must see that they do not count
    if not unwanted:
        print("Nothing in results/ that no study needs.")
        return 0
    sizes = {path: size(path) for path in unwanted}
    for path, number in sizes.items():
        print(f"{units.mebibytes(number):>8} MiB  {path}")
    print(f"{units.mebibytes(sum(sizes.values()))} MiB in {len(unwanted)} files and folders that are not {needed_by}.")
    if not args.yes and not _agreed():
        print("Nothing was deleted.")
        return 1
    with lock.hold(exclusive=False):  # a comparison may be running an older version, and deleting takes time from it
        stayed = [why for path in unwanted if (why := _refusal(path))]
    for why in stayed:
        print(f"stays: {why}")
    return 1 if stayed else 0


def _refusal(path: Path) -> Optional[str]:
    """Delete something, or tell why it stays."""
    try:
        delete(path)
    except DliflowError as busy:
        return str(busy)
    return None
