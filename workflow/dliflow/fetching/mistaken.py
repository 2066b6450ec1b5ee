"""Files that are something else than their names say, since a download or a copy went wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Union

HEAD = 512  # bytes that are looked at
INSTEAD = {
    b"version https://git-lfs": "a pointer of Git LFS in place of the file, which `git lfs pull` fetches",
    b"<!doctype html": "a web page in place of the file, which has to be downloaded itself",
    b"<html": "a web page in place of the file, which has to be downloaded itself",
    b"<?xml": "a text in XML, perhaps a server's message in place of the file",
}
"""What a file is that begins so, in small letters; nothing that is wanted begins so."""
OTHERS = {
    b"<svg": "a drawing in SVG; save it as PNG",
    b"%pdf": "a PDF",
    b"pk\3\4": "a zip archive, or a document that is one, such as .xlsx",
    b"\x1f\x8b": "compressed by gzip; unpack it",
    b"\xd0\xcf\x11\xe0": "a document of Microsoft Office, such as .xls",
}
"""Likewise of what is wanted elsewhere; many formats of models are zip archives."""
PHOTOGRAPHS = {b"heic": "HEIC", b"heix": "HEIC", b"hevc": "HEIC", b"mif1": "HEIF", b"msf1": "HEIF"}


def _head(path: Union[str, Path]) -> bytes:
    with open(path, "rb") as stream:
        return stream.read(HEAD).removeprefix(b"\xef\xbb\xbf").lstrip().lower()


def instead(path: Union[str, Path]) -> str:
    """What a file of any kind is in place of what its name says, as far as its first bytes tell it; "" if not."""
    head = _head(path)
    return next((told for start, told in INSTEAD.items() if head.startswith(start)), "")


def kind(path: Union[str, Path]) -> str:
    """Likewise of an image or a text."""
    head = _head(path)
    if head[4:8] == b"ftyp" and head[8:12] in PHOTOGRAPHS:
        return f"a photograph in {PHOTOGRAPHS[head[8:12]]}, which is not read; save it as JPEG"
    return instead(path) or next((told for start, told in OTHERS.items() if head.startswith(start)), "")
