"""Add a finished study to a collection: whole or not at all, and never over what is there.

A study appears by renaming a folder, which fails where another one is. So of two who publish at once one is first, and
the other one finds the study there. What a killed publisher leaves begins with a dot, and nobody reads it.
"""

from __future__ import annotations

import errno
import shutil
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Optional

import duckdb

from dliflow import integrity
from dliflow.analysis import columns
from dliflow.collection import entry, pages, shelf
from dliflow.collection.entry import Study
from dliflow.errors import DliflowError
from dliflow.files import read_json, sha256, write_json, write_text
from dliflow.report import read
from dliflow.report.exports import parquet
from dliflow.study import paths

ASKED = ("tables", "report")  # the marks without which a study is not finished
AGAIN = "type the study's command again"


class Published(NamedTuple):
    """What became of a study, as one machine measured it."""

    folder: Path
    added: bool
    """Whether it was not there before."""


def publish(collection: Path, folder: Path, name: Optional[str] = None, unfinished: bool = False) -> list[Published]:
    """Add a study, once for each node that measured.

    Args:
        folder: in which `results` lies.
        name: of the study's folder in the collection; made of date, config and versions when absent.
        unfinished: whether a study that is not finished is published, as such.

    Raises:
        DliflowError: when it is not finished, when its files do not fit together, when another study of that name is
            there, or when the collection cannot be written.
    """
    if name is not None and not entry.NAME.fullmatch(name):
        raise DliflowError(
            f"--name: {name!r}: right would be letters, digits, '.', '_' and '-', a letter or a digit first, a hundred "
            "at most"
        )
    study = opened(folder, unfinished)
    described = [entry.describe(study, node, name) for node in entry.nodes(study)]
    try:
        return [_add(collection, study, each) for each in described]
    except (OSError, duckdb.IOException) as error:
        what = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        told = f"{collection}: {what}; what was not whole yet is not there. Publish again when that is mended"
        raise DliflowError(told) from error


def opened(folder: Path, unfinished: bool = False) -> Study:
    """A study, if it is finished and its tables are those that its report was made of.

    Raises:
        DliflowError: saying what is missing, and what to do.
    """
    if not (folder / paths.RESULTS / "tables").is_dir():
        raise DliflowError(f"{folder}: there is no study: no {paths.RESULTS}/tables in it; run one, or name its folder")
    finished = all((folder / paths.MARKS[name]).exists() for name in ASKED)
    if finished:
        _verify(folder)
    elif not unfinished:
        raise DliflowError(
            f"{folder}: this study is not finished: some of its jobs failed, were stopped or are still running. To "
            f"finish it, {AGAIN}. To publish what there is, under that name: --unfinished"
        )
    for name in (paths.REPORT, paths.SUMMARY_DATA):
        if not (folder / name).is_file():
            raise DliflowError(f"{folder / name}: there is none; {AGAIN}")
    tables = folder / paths.RESULTS / "tables"
    return Study(folder, read.tables(tables), read.about(tables), entry.FINISHED if finished else entry.UNFINISHED)


def _verify(folder: Path) -> None:
    """Refuse tables that are not those that the report was made of."""
    made_of = read_json(folder / paths.MARKS["report"])["made_of"]
    tables = set(paths.TABLES.values())
    known = {name: digest for name, digest in made_of.items() if name in tables}
    if set(known) != tables:
        raise DliflowError(f"{folder}: the report is of another version of dliflow; {AGAIN}, and it is made anew")
    integrity.verify(folder, known, f"the report was made of others; {AGAIN}")


def _add(collection: Path, study: Study, described: dict[str, Any]) -> Published:
    """Add it as one node measured it, unless it is there, under whatever name."""
    machine = collection / described["fingerprint"]
    for there in shelf.of_machine(machine):
        if not _differing(there, described, but=("name",)):
            return Published(there.folder, False)
    folder = machine / described["name"]
    if not folder.exists():
        machine.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=machine))
        try:
            filled = scratch / folder.name  # mkdtemp's own folder is closed to others
            filled.mkdir()
            _fill(filled, study, described)
            return Published(_placed(filled, folder), True)
        except FileExistsError:
            pass  # another publisher was first
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    _same(shelf.entry_of(folder), described)
    return Published(folder, False)


def _placed(filled: Path, folder: Path) -> Path:
    """The folder under its name.

    Raises:
        FileExistsError: when one is there.
    """
    try:
        filled.rename(folder)  # a folder replaces an empty one at most
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
            raise FileExistsError(folder) from error
        raise
    return folder


def _fill(folder: Path, study: Study, described: dict[str, Any]) -> None:
    """Write all of a published study, study.json last."""
    for name, source in study.csv.items():
        has_node = "node" in columns.names(name)
        parquet.write(name, source, folder / f"tables/{name}.parquet", described["node"] if has_node else None)
    write_text(folder / "page/index.html", pages.without_links(study.path(paths.REPORT).read_text("utf-8")))
    shutil.copyfile(study.path(paths.SUMMARY_DATA), folder / shelf.SUMMARY)
    if study.status == entry.FINISHED:
        _verify(study.folder)  # a run that began meanwhile makes them anew
    write_json(folder / entry.FILE, {**described, "files": dict(_digests(folder))})


def _digests(folder: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield path.relative_to(folder).as_posix(), sha256(path)


def _differing(there: shelf.Entry, described: dict[str, Any], but: Collection[str] = ()) -> list[str]:
    """The keys of study.json in which a study is another one than the one that is there."""
    return [key for key in described if key not in but and there.content[key] != described[key]]


def _same(there: shelf.Entry, described: dict[str, Any]) -> None:
    """Refuse another study under the name of one that is there.

    Raises:
        DliflowError: telling in what they differ.
    """
    differing = _differing(there, described)
    if differing:
        raise DliflowError(
            f"{there.folder}: is there already, with another content ({', '.join(differing)}), and nothing in a "
            "collection is overwritten. To publish this one beside it: --name NAME. Where the first one is wrong: "
            f"./dliflow collection invalid COLLECTION {there.path} REASON"
        )
