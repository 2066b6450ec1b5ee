"""Unpack archives without trusting them: nothing lands outside the folder, nothing grows beyond its bounds."""

from __future__ import annotations

import difflib
import errno
import lzma
import posixpath
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional, Union

from dliflow.errors import DliflowError

TAR = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
SUFFIXES = (*TAR, ".zip")

Member = Union[tarfile.TarInfo, zipfile.ZipInfo]


@dataclass(frozen=True)
class Limits:
    """Bounds of an archive, far above those of honest ones (ImageNet's training set: 1.3 million files, 150 GB).

    Attributes:
        files: how many members.
        total: bytes unpacked.
        ratio: bytes unpacked for each byte of the archive.
    """

    files: int = 2_000_000
    total: int = 10**12
    ratio: int = 200


def is_archive(name: Union[str, Path]) -> bool:
    """Whether a file is unpacked; its name decides, since many model formats are zip files that must stay whole."""
    return str(name).lower().endswith(SUFFIXES)


def extract(path: Path, folder: Path, only: Optional[str] = None, limits: Limits = Limits()) -> None:
    """Unpack an archive into an existing folder.

    Args:
        only: unpack this member alone, and what `belongs` to it.

    Raises:
        DliflowError: naming the archive and the member, for a broken archive, a member that would land elsewhere, a
            link that leads there, a device, more than the limits allow, a full disk, or nothing to unpack.
    """
    try:
        with _opened(path) as archive:
            names = _unpack(archive, path, folder, only, limits)
    except (tarfile.FilterError, tarfile.ReadError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError) as error:
        raise DliflowError(f"{path}: cannot be unpacked: {error}") from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            free = shutil.disk_usage(folder).free
            raise DliflowError(f"{path}: the disk is full: {folder} has {free:,} bytes free") from error
        raise DliflowError(f"{path}: cannot be unpacked: {error}") from error
    if only is not None and not (folder / only).exists():
        like = difflib.get_close_matches(only, names, n=3, cutoff=0.3)
        raise DliflowError(f"{path}: there is no '{only}' in it; it holds {', '.join(like or names[:3]) or 'nothing'}")


def _opened(path: Path) -> Any:  # a TarFile or a ZipFile
    return tarfile.open(path) if str(path).lower().endswith(TAR) else zipfile.ZipFile(path)


def _unpack(archive: Any, path: Path, folder: Path, only: Optional[str], limits: Limits) -> list[str]:
    """Names of all members, after those that are wanted were unpacked one by one."""
    # Members of a tar come one after the other, so that a bomb is noticed before all of it was read.
    members: Iterable[Member] = archive.infolist() if isinstance(archive, zipfile.ZipFile) else archive
    allowed = min(limits.total, limits.ratio * path.stat().st_size + 2**20)
    names, total = [], 0
    for member in members:
        name = _checked_name(path, member)
        names.append(name)
        total += member.file_size if isinstance(member, zipfile.ZipInfo) else member.size
        if len(names) > limits.files:
            raise DliflowError(f"{path}: more than {limits.files:,} members; that is no honest archive")
        if total > allowed:
            raise DliflowError(f"{path}: unpacks to more than {allowed:,} bytes; that is no honest archive")
        if only is not None and not belongs(name, posixpath.normpath(only)):
            continue
        # The filter refuses devices and links that lead out of the folder.
        archive.extract(member, folder, **({} if isinstance(member, zipfile.ZipInfo) else {"filter": "data"}))
    return names


def belongs(name: str, to: str) -> bool:
    """Whether a file is another one, lies in a folder of its name, or is a part of it.

    Parts are called like `model.bin` of `model.xml`, `model.onnx.data` or `model.onnx_data` of `model.onnx`,
    `net-0000.params` of `net-symbol.json`.
    """
    if name == to or name.startswith(f"{to}/"):
        return True
    folder, _, last = to.rpartition("/")
    stem = (last.rpartition(".")[0] or last).removesuffix("-symbol")
    beginning = f"{folder}/{stem}" if folder else stem
    return name.startswith((f"{beginning}.", f"{beginning}-", f"{to}_"))


def _checked_name(path: Path, member: Member) -> str:
    """A member's name, normalised; refuses one that is absolute or leads upwards, and links and secrets of a zip."""
    name = member.filename if isinstance(member, zipfile.ZipInfo) else member.name
    if name.startswith(("/", "\\")) or ".." in name.replace("\\", "/").split("/") or name[1:2] == ":":
        raise DliflowError(f"{path}: the member '{name}' would land outside of the folder")
    if isinstance(member, zipfile.ZipInfo):
        kind = stat.S_IFMT(member.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise DliflowError(f"{path}: the member '{name}' is a link or a device, which is refused")
        if member.flag_bits & 1:
            raise DliflowError(f"{path}: the member '{name}' is encrypted")
    return posixpath.normpath(name)
