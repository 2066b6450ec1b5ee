"""Unpack archives without trusting them: nothing lands outside the folder, nothing grows beyond its bounds.

Folders and regular files are written here, one by one; links and devices are refused. The filters of tarfile are not
used: some Pythons have none (3.11.2), and those of others are led out of the folder by chains of links (CVE-2025-4517).
"""

from __future__ import annotations

import contextlib
import difflib
import errno
import os
import posixpath
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Optional, Union

from dliflow.errors import DliflowError

TAR = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
SUFFIXES = (*TAR, ".zip")
NO_ARCHIVES = (".pth.tar", ".pt.tar")  # what many trainings call a checkpoint of PyTorch

HEADERS = 2**20
"""Bytes of the headers that may stand before a member of a tar: a path has up to 4 KiB, an attribute up to 64 KiB."""
EXTENDED = (b"L", b"K", b"x", b"g", b"X")  # long names and links, and headers of pax
LONGEST = 4096  # letters of a name; Linux takes no longer path
TOLD = 10_000  # names, of which those like a missing one are told

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


class _Member(tarfile.TarInfo):
    """A member of a tar, read in bounded memory: tarfile takes in whole all headers before it, and maps of its holes.

    `_proc_member` and the methods that it calls are the same from Python 3.11.2 to 3.14; its comment allows subclasses.
    """

    def _proc_member(self, archive: Any) -> tarfile.TarInfo:
        # What a global header says (Git: the commit) is of no use here, and would be copied to every member.
        archive.pax_headers.clear()
        # The archive's offset stays where the first header before a member begins, so that many of them add up.
        if self.type in EXTENDED and archive.fileobj.tell() + self.size - archive.offset > HEADERS:
            raise tarfile.TarError(f"more than {HEADERS:,} bytes of headers before a member; that is no honest archive")
        return super()._proc_member(archive)  # type: ignore[misc]

    def _proc_sparse(self, archive: Any) -> tarfile.TarInfo:
        self.sparse = b""  # it is refused, whatever its map
        return self._proc_builtin(archive)  # type: ignore[attr-defined]

    def _proc_gnusparse_10(self, following: tarfile.TarInfo, headers: Any, archive: Any) -> None:
        following.sparse = b""


def is_archive(name: Union[str, Path]) -> bool:
    """Whether a file is unpacked; its name decides, since many model formats are zip files that must stay whole.

    What `torch.save` wrote is called `.tar` by some trainings: where such a file is there, it is looked at.
    """
    lower = str(name).lower()
    if not lower.endswith(SUFFIXES) or lower.endswith(NO_ARCHIVES):
        return False
    if not lower.endswith(".tar") or not Path(name).is_file():
        return True
    with open(name, "rb") as stream:
        return not stream.read(4).startswith((b"PK\3\4", b"\x80\2"))  # a zip archive, or a pickle


def extract(path: Path, folder: Path, only: Optional[str] = None, limits: Limits = Limits()) -> None:
    """Unpack an archive into an existing folder.

    Args:
        only: unpack this member alone, and what `belongs` to it.

    Raises:
        DliflowError: naming the archive and the member, for a broken archive, a member that would land elsewhere, a
            link, a device, more than the limits allow, a full disk, or nothing to unpack.
    """
    try:
        with _opened(path) as archive:
            names = _unpack(archive, path, folder, only, limits)
    except DliflowError:
        raise
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            free = shutil.disk_usage(folder).free
            raise DliflowError(f"{path}: the disk is full: {folder} has {free:,} bytes free") from error
        raise DliflowError(f"{path}: cannot be unpacked: {error}") from error
    except Exception as error:  # a broken header can make its reader raise anything
        raise DliflowError(f"{path}: cannot be unpacked: {error or type(error).__name__}") from error
    if only is not None and not (folder / only).exists():
        like = difflib.get_close_matches(only, names, n=3, cutoff=0.3)
        raise DliflowError(f"{path}: there is no '{only}' in it; it holds {', '.join(like or names[:3]) or 'nothing'}")


def _opened(path: Path) -> Any:  # a TarFile or a ZipFile
    return tarfile.open(path, tarinfo=_Member) if str(path).lower().endswith(TAR) else zipfile.ZipFile(path)


def _members(archive: Any) -> Iterator[Member]:
    """A tar's come one by one, so that a bomb is noticed before all of it was read; none is kept."""
    if isinstance(archive, zipfile.ZipFile):
        yield from archive.infolist()
        return
    while member := archive.next():
        archive.members.clear()
        yield member


def _unpack(archive: Any, path: Path, folder: Path, only: Optional[str], limits: Limits) -> list[str]:
    """Names of the first members, after those of all that are wanted were unpacked one by one."""
    allowed = min(limits.total, limits.ratio * path.stat().st_size + 2**20)
    names, total = [], 0
    for number, member in enumerate(_members(archive), start=1):
        name, is_folder, size = _checked(path, member)
        if number <= TOLD:
            names.append(name)
        total += size
        if number > limits.files:
            raise DliflowError(f"{path}: more than {limits.files:,} members; that is no honest archive")
        if total > allowed:
            raise DliflowError(f"{path}: unpacks to more than {allowed:,} bytes; that is no honest archive")
        if only is not None and not belongs(name, posixpath.normpath(only)):
            continue
        if is_folder:
            _folder(path, folder, name)
            continue
        with archive.open(member) if isinstance(member, zipfile.ZipInfo) else archive.extractfile(member) as content:
            _write(path, folder, name, content)
    return names


def _folder(path: Path, folder: Path, name: str) -> None:
    """Make a folder of the archive, with those above it; nothing but a real folder serves as one."""
    current = folder
    for part in name.split("/"):
        current = current / part
        try:
            kind = current.lstat().st_mode
        except FileNotFoundError:
            current.mkdir()
            continue
        if not stat.S_ISDIR(kind):
            raise DliflowError(f"{path}: the member '{name}' needs a folder where the archive has a file")


def _write(path: Path, folder: Path, name: str, content: BinaryIO) -> None:
    """Write a regular file with the usual permissions; one of the same name that came before is replaced."""
    parent, _, last = name.rpartition("/")
    _folder(path, folder, parent or ".")
    target = folder / parent / last
    if target.is_dir() and not target.is_symlink():
        raise DliflowError(f"{path}: the member '{name}' is a file where the archive has a folder")
    target.unlink(missing_ok=True)
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666)
    with open(descriptor, "wb") as stream:
        shutil.copyfileobj(content, stream, 1 << 20)


def belongs(name: str, to: str) -> bool:
    """Whether a file is another one, lies in a folder of its name, or is a part of it.

    Parts are called like `model.bin` of `model.xml`, `model.onnx.data` or `model.onnx_data` of `model.onnx`,
    `net-0000.params` of `net-symbol.json`. Of a .prototxt every .caffemodel beside it is one, whatever its name.
    """
    if name == to or name.startswith(f"{to}/"):
        return True
    folder, _, last = to.rpartition("/")
    if last.endswith(".prototxt") and name.endswith(".caffemodel") and name.rpartition("/")[0] == folder:
        return True
    stem = (last.rpartition(".")[0] or last).removesuffix("-symbol")
    beginning = f"{folder}/{stem}" if folder else stem
    return name.startswith((f"{beginning}.", f"{beginning}-", f"{to}_"))


def _name_in_zip(member: zipfile.ZipInfo) -> str:
    """A member's name with `/` between folders and in the encoding that it has, whatever the archive says.

    macOS writes UTF-8 without the flag that says so, which zipfile then takes for code page 437. Windows' older tools
    write backslashes, which no name on Windows can hold (.NET before 4.6.1; Info-ZIP's unzip changes them too).
    """
    name = member.filename
    with contextlib.suppress(UnicodeError):
        name = name if member.flag_bits & 0x800 else name.encode("cp437").decode("utf-8")
    return name.replace("\\", "/") if member.create_system == 0 else name


def _checked(path: Path, member: Member) -> tuple[str, bool, int]:
    """A member's name, normalised, whether it is a folder, and its size in bytes.

    Raises:
        DliflowError: for a name that is absolute or leads upwards, and for all that is no folder or regular file.
    """
    if isinstance(member, zipfile.ZipInfo):
        name, size = _name_in_zip(member), member.file_size
        is_folder = name.endswith("/")
        regular = stat.S_IFMT(member.external_attr >> 16) in (0, stat.S_IFREG, stat.S_IFDIR)
        unreadable = "is encrypted" if member.flag_bits & 1 else ""
    else:
        name, size, is_folder = member.name, member.size, member.isdir()
        regular = member.isreg() or is_folder
        unreadable = "is stored with holes (tar --sparse), which are not filled in here" if member.issparse() else ""
    normal, problem = posixpath.normpath(name), unreadable
    if name.startswith(("/", "\\")) or ".." in name.replace("\\", "/").split("/") or name[1:2] == ":":
        problem = "would land outside of the folder"
    elif not regular:
        problem = "is a link or a device, which is refused; unpack the archive yourself, and name that folder as path"
    elif size < 0 or (normal == "." and not is_folder) or "\0" in name or len(name) > LONGEST:
        problem = "has no size, or a name that no file can have; the archive is broken"
    if problem:
        shown = "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in name[:200])
        raise DliflowError(f"{path}: the member '{shown}' {problem}")
    return normal, is_folder, size
