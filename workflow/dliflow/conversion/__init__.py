"""What makes a framework's model of the interchange files: one file for each framework, of the framework's name.

It may import the framework's file in `frameworks/`, for the names of the files that it makes. What runs and measures a
model never imports anything from here. A file has these names:

`convert(source: Path, out: Path, precision: str, calibration: numpy.ndarray | None) -> None`
    Writes the framework's own files into the existing, empty folder `out`, for the precisions that the framework
    `supports`. `source` is the folder of interchange files that `stages/export.py` describes. `calibration` is an array
    (images, *input shape*), made like any input, where the precision needs it. What only trying shows to be impossible
    is raised as `errors.Skip`, and becomes the reason of a skipped row.

`adopt(file: Path, out: Path, ends: dict[str, str]) -> None` (optional)
    Takes a model's own file (of the source format whose `FRAMEWORK` this is) as it is, in place of `convert`. `ends`
    has the names `input` and `output` where the model's entry tells them. A session of it gives float32 scores, of two
    axes, of that output.

`VARIANTS: dict[str, Callable]` (optional)
    For a variant of the framework that runs files of its own what makes them, in place of `convert`. All others share
    those of `convert`.

`compiles(variant: str | None, precision: str) -> bool` (optional)
    Whether making them needs a C++ compiler. Where there is none that is a `Skip`, and tried again once there is one.

`CONVERTER: dict[str, str]` (optional)
    For a precision, the framework in whose environment `convert` runs; default: its own. Of a framework in a version
    (`tflite@2.9.3`) it is that of the same version (`tensorflow@2.9.3`) where there is one.

The framework's own package is imported inside these functions only.
"""

from __future__ import annotations

import importlib
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Optional

from dliflow import rooms
from dliflow.configuration import family
from dliflow.errors import DliflowError


def names() -> list[str]:
    """Every framework that has a file here."""
    return rooms.modules(__path__)


def load(name: str) -> ModuleType:
    """The module that converts to a framework, by the framework's name, with a version or without.

    Raises:
        DliflowError: when there is none.
    """
    module = family(name)
    if module not in names():
        raise DliflowError(
            f"nothing converts models to '{name}': add workflow/dliflow/conversion/{module}.py; there are "
            f"{', '.join(names())}"
        )
    return importlib.import_module(f"dliflow.conversion.{module}")


def mark(name: str, variant: str, digest: str) -> str:
    """What stands in the path of a converted model for how it was made.

    Args:
        digest: of the environment in which it was.
    """
    return f"{variant}-{digest}" if variant in getattr(load(name), "VARIANTS", {}) else digest


def variant(mark: str) -> Optional[str]:
    """The variant that alone runs a model with this mark; None where others share it."""
    return mark.rpartition("-")[0] or None


def compiles(name: str, variant: Optional[str], precision: str) -> bool:
    """Whether a C++ compiler is needed to make a model for a variant; None is any that shares its files."""
    asked = getattr(load(name), "compiles", lambda variant, precision: False)
    return asked(variant, precision)


@cache
def converter(name: str, precision: str, environments: Path = Path("envs")) -> str:
    """The framework in whose environment the conversion to a framework and precision runs.

    Args:
        environments: the folder of environment files.
    """
    other = getattr(load(name), "CONVERTER", {}).get(precision)
    if other is None:
        return name
    of_same_version = other + name.removeprefix(family(name))
    return of_same_version if (environments / f"{of_same_version}.yaml").exists() else other
