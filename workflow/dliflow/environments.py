"""`envs/<name>.yaml`: one conda file for each framework, the only place where packages are pinned.

Without conda a uv virtual environment is made from the same file. What decides it is the Python version and the list of
pinned packages; a comment or the channels do not.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from dliflow.errors import DliflowError
from dliflow.files import digest


def read(path: Path) -> dict[str, Any]:
    """`{"python": version, "packages": [pins]}` of an environment file.

    Raises:
        DliflowError: when the file is missing, or holds what a virtual environment cannot be made of.
    """
    if not path.exists():
        raise DliflowError(f"{path}: there is no environment file for this framework")
    try:
        entries = yaml.safe_load(path.read_text(encoding="utf-8"))["dependencies"]
    except (yaml.YAMLError, KeyError, TypeError) as error:
        raise DliflowError(f"{path}: not a conda environment file: {error}") from error
    python, packages = None, []
    for entry in entries:
        if isinstance(entry, dict) and set(entry) == {"pip"}:
            packages += entry["pip"]
        elif isinstance(entry, str) and entry.replace(" ", "").startswith("python="):
            python = entry.replace(" ", "").removeprefix("python").lstrip("=")
        elif entry != "pip":
            raise DliflowError(
                f"{path}: dependencies: '{entry}' can be had from conda only; move it to the list under 'pip:'"
            )
    for pin in packages:
        if "==" not in pin:
            raise DliflowError(f"{path}: dependencies: pip: '{pin}' is not pinned; write '{pin}==VERSION'")
    if python is None:
        raise DliflowError(f"{path}: dependencies: 'python=VERSION' is missing")
    return {"python": python, "packages": sorted(packages)}


def folder(path: Path, base: str) -> str:
    """Where the virtual environment of an environment file lies: named after what decides it."""
    return f"{base}/{path.stem}-{digest(read(path))}"
