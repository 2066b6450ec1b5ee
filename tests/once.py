"""What the workers of one test session share."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest


def session_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that is one for all workers of a test session, whose own folders lie in it."""
    folder = tmp_path_factory.getbasetemp()
    return folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder


def made_once(tmp_path_factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """A folder that the first worker to need it makes, while the others wait; it must not be changed.

    Args:
        make: called with the folder, which is there and empty.
    """
    folder = session_folder(tmp_path_factory) / name
    whole = folder.with_name(f"{name}.whole")
    with open(folder.with_name(f"{name}.lock"), "w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        if not whole.exists():
            shutil.rmtree(folder, ignore_errors=True)  # of a worker that failed at it
            folder.mkdir()
            make(folder)
            whole.touch()
    return folder
