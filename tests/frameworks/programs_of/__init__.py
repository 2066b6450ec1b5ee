"""What the tests know of each framework: one file each, of the framework's name, with these names.

`PROGRAM`
    A program that runs a model as a user's own would. `{start}` is for lines that come first; other names in braces for
    those that mention that object, right before it is used or right behind it is made. It knows MODEL (a folder),
    `batch` and BATCH_SIZE, and leaves `scores`.
`OBJECTS`
    Lines that give the same objects of `session`, which the framework's file has loaded.
`TOLD`
    What the framework tells of a parameter, in the objects' terms; of those that are missing it tells nothing.
`TOGETHER`
    Settings to be tried, as many at once as go together; every parameter is among them.
`DEPLOYED`
    A variant, and settings of which a template does some itself and has lines of code for others.
"""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType


def names() -> list[str]:
    """Every framework that has a file here."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def load(name: str) -> ModuleType:
    """The file of a framework."""
    return importlib.import_module(f"programs_of.{name}")
