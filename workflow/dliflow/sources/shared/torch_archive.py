"""The zip files in which torch saves programs, as its own reader sees them: a check must read what torch reads."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator

from dliflow.errors import DliflowError


class Ambiguous(Exception):
    """An archive in which Python's reader and torch's could see different files."""


def members(archive: zipfile.ZipFile) -> dict[str, str]:
    """The names of an archive's files, by their names below its top folder in lower case, as torch looks for them.

    Raises:
        Ambiguous: with what is wrong.
    """
    files = archive.infolist()
    # What stands before the first file shifts all that Python reads, to another list of files than torch's.
    if not files or min(file.header_offset for file in files) != 0:
        raise Ambiguous("something before its first file")
    names = {file.filename.partition("/")[2].lower(): file.filename for file in files}
    if len(names) < len(files):
        raise Ambiguous("two files of one name")
    return names


def contents(archive: zipfile.ZipFile, names: dict[str, str], limit: int) -> Iterator[tuple[str, bytes]]:
    """Read texts, such as code, of the names that `members` gives, one by one and at most `limit` bytes in all.

    Raises:
        DliflowError: naming the first that is beyond the limit, before it is unpacked.
    """
    left = limit
    for inside, full in names.items():
        file = archive.getinfo(full)
        left -= file.file_size
        if left < 0 or file.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # torch reads no others
            raise DliflowError(
                f"{archive.filename}: refused: with '{full}' of {file.file_size:,} bytes its texts have more than "
                f"{limit:,} bytes, or are packed as torch packs none; that is no honest network"
            )
        with archive.open(file) as stream:  # archive.read unpacks all that there is, however small it says to be
            yield inside, stream.read(file.file_size)
