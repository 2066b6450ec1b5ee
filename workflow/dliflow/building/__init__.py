"""What makes a framework's program in C++, `workflow/cpp/<framework>.cpp`: one file for each framework, of its name.

It runs in the framework's environment, with the standard library alone, and is imported neither by what runs a model
nor by what converts it. To add one, add both files; nothing is registered. A file has these names:

`compile_line(site: Path) -> list[str]`
    What g++ is told beside the source files, so that the program finds headers and libraries of the package in the
    environment's folder `site` (site-packages) when it is compiled, and the libraries when it runs. It may raise
    `errors.Skip` with the reason why this environment has no such program.

`supports(variant: str, precision: str) -> str | None` (optional)
    None, or the reason why no program runs the framework's models in a variant and precision. Asked when the workflow
    is planned.

`SOURCE: Source` and `REASON: str` (optional, together)
    For a framework whose wheel has no library for C++: the source package that one is compiled from where the config's
    `cpp` says `build`, and why there is no program, and what to do about it, where the config says nothing. Then
    `compile_line` takes the folder of an installed library, too.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import NamedTuple, Optional

from dliflow import rooms
from dliflow.configuration import family
from dliflow.errors import Skip

FOLDER = Path("workflow/cpp")
SHARED = ("worker.cpp", "worker.h")  # around each framework's own
BUILD = "build"  # in the config's `cpp`, in place of the folder of an installed library
TOOLS = "cmake"  # the environment of what compiles libraries


class Source(NamedTuple):
    """What a library is compiled from, with CMake."""

    package: str
    """Among the pins of the framework's environment, whose source package of that version it is."""
    folder: str
    """In it, where CMakeLists.txt lies."""
    definitions: tuple[str, ...]
    """Of CMake, `NAME=VALUE` each."""


def names() -> list[str]:
    """Every framework that has a file here."""
    return rooms.modules(__path__)


def load(name: str) -> ModuleType:
    """The module of a framework that has one, by its name, with a version or without."""
    return importlib.import_module(f"dliflow.building.{family(name)}")


def source_of(name: str, libraries: Mapping[str, Optional[str]]) -> Optional[Source]:
    """What the library of a framework's program is compiled from; None where it is not.

    Args:
        libraries: the config's `cpp`.
    """
    return load(name).SOURCE if libraries.get(family(name)) == BUILD else None


def lacking(name: str, variant: str, precision: str, libraries: Mapping[str, Optional[str]]) -> Optional[str]:
    """Why a framework has no program in C++ for a variant and precision; None where it has.

    Args:
        libraries: the config's `cpp`.
    """
    kind = family(name)
    if kind not in names():
        return (
            f"there is no program in C++ for {kind}, which would be workflow/cpp/{kind}.cpp and "
            f"workflow/dliflow/building/{kind}.py"
        )
    module = load(name)
    if hasattr(module, "SOURCE") and libraries.get(kind) is None:
        return module.REASON
    return module.supports(variant, precision) if hasattr(module, "supports") else None


def part(package: Path, pattern: str) -> Path:
    """A library or folder that a wheel has for programs in C++.

    Raises:
        Skip: when this version's wheel has none.
    """
    found = sorted(package.glob(pattern))
    if not found:
        raise Skip(f"this version's wheel has no {package.name}/{pattern}, which a program in C++ needs; a newer may")
    return found[-1]


def sources(name: str) -> list[str]:
    """The files that a framework's program is compiled from, its own first."""
    return [str(FOLDER / file) for file in (f"{family(name)}.cpp", *SHARED)]
