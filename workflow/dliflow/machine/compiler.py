"""The C++ compiler of this machine: the one that `CXX` names, or else g++, as PyTorch looks for it."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import Optional

from dliflow.errors import Skip


def name() -> str:
    """What it is started by, whether it is there or not."""
    return os.environ.get("CXX", "g++")


def version() -> Optional[str]:
    """What it calls itself, in a line; None where there is none."""
    if shutil.which(name()) is None:
        return None
    told = subprocess.run([name(), "--version"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout
    return (told.splitlines() or [name()])[0]


def needed() -> str:
    """The same.

    Raises:
        Skip: when the machine has none.
    """
    there = version()
    if there is None:
        raise Skip(
            f"this machine has no C++ compiler '{name()}'; sudo apt-get install g++ (Fedora: dnf install gcc-c++; "
            "conda: cxx-compiler among the dependencies of the environment file), or name another one in CXX"
        )
    return there
