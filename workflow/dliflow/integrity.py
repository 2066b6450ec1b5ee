"""Whether files are still what their manifest says: asked whenever they are read, outside of all that is timed.

SHA-256 reads 1 to 2 GB a second, so a model costs some hundredths of a second in each process.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dliflow.errors import DliflowError
from dliflow.files import digest, read_json, sha256

SEAL = "digest"  # the key of a record that holds the digest of all others


def sealed(content: Mapping[str, Any]) -> dict[str, Any]:
    """What is to be written as JSON, with the digest of what will be read of it."""
    plain = json.loads(json.dumps(content))
    return {**plain, SEAL: digest(plain, 64)}


def verify_seal(path: Path, content: Mapping[str, Any], remedy: str) -> None:
    """Refuse what is not as `sealed` gave it; what bears no digest, as older versions wrote it, is taken.

    Raises:
        DliflowError: naming the file.
    """
    rest = {key: value for key, value in content.items() if key != SEAL}
    if SEAL in content and content[SEAL] != digest(rest, 64):
        raise DliflowError(f"{path}: was altered since it was written (its digest is another); {remedy}")


def verify(folder: Path, files: Mapping[str, str], remedy: str) -> None:
    """Refuse files that are gone or have other contents than when they were made.

    Args:
        files: the SHA-256 of each, by its path in `folder`.
        remedy: what to do about it, for the message.

    Raises:
        DliflowError: naming the file.
    """
    for name, wanted in files.items():
        path = folder / name
        if not path.is_file():
            raise DliflowError(f"{path} is gone; {remedy}")
        if sha256(path) != wanted:
            raise DliflowError(f"{path} is damaged: its contents are not those that its manifest tells of; {remedy}")


def verify_fetched(path: Path, manifest: Path) -> None:
    """Refuse a model's file or folder that is not what was fetched, or the user's that changed after it was checked.

    Raises:
        DliflowError: naming the file.
    """
    known = read_json(manifest)
    files = known.get("files") or ({path.name: known["sha256"]} if "sha256" in known else {})
    base = path if path.is_dir() else path.parent
    verify(base, files, f"delete {manifest} to have it fetched, or checked, again")
