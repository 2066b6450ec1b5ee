"""The zip files in which torch saves programs, as its own reader sees them: a check must read what torch reads."""

from __future__ import annotations

import zipfile


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
