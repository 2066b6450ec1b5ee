"""Checksums that publishers give for their files: SHA-256 (or its beginning), SHA-1, MD5."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dliflow.errors import DliflowError
from dliflow.files import checksum

ALGORITHMS = ("sha256", "sha1", "md5")


def wanted(location: dict[str, Any]) -> dict[str, str]:
    """The checksums that a location names, by algorithm."""
    return {algorithm: location[algorithm] for algorithm in ALGORITHMS if algorithm in location}


def mismatch(path: Path, location: dict[str, Any]) -> str:
    """The first checksum that is not as wanted, as `md5 is ..., wanted ...`; '' when all are right."""
    for algorithm, digest in wanted(location).items():
        actual = checksum(path, algorithm)
        if not actual.startswith(digest):
            return f"{algorithm} is {actual}, wanted {digest}"
    return ""


def verify(path: Path, location: dict[str, Any], key: str) -> None:
    """Refuse a file of the user's that is not the registered one.

    Args:
        key: where the checksum stands, for the message.

    Raises:
        DliflowError: with both checksums.
    """
    problem = mismatch(path, location)
    if problem:
        raise DliflowError(f"{path}: {problem} ({key}); it is another file than the registered one, or broken")
