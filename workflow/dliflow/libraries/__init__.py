"""Libraries of known networks, one file each, found by its name: what a user writes before the slash of a model's name.

A library tells of its networks what a model's entry holds. Each runs in an environment of its own.

`ENVIRONMENT: str`
    The environment (`envs/<name>.yaml`) in which it runs.
`names() -> list[str]`
    Its classifiers that have weights.
`describe(name: str) -> Description`
    What it tells of one of them; nothing of the weights is downloaded.
`build(name: str, weights: pathlib.Path) -> network`
    The network, filled by the library itself with the weights of that file, which was fetched and verified before.

What a library does not tell is never guessed: a `DliflowError` when there is no entry without it, else a line of
`untold`.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Optional

from dliflow import rooms

IMAGENET_CLASSES = "resources/imagenet_classes.txt"


@dataclass
class Description:
    """What a library tells of a network.

    Attributes:
        entry: a model's entry as `config/models` has it, with `classes` unless these are `categories`. Its `source`
            holds the only location, a `url`, with a checksum where the library tells one.
        version: the library's name and version.
        untold: what it does not tell, in words.
        categories: names of the classes, in the order of the scores, where they are no file of `resources/`.
    """

    entry: dict[str, Any]
    version: str
    untold: list[str] = field(default_factory=list)
    categories: Optional[list[str]] = None


def names() -> list[str]:
    """The libraries that there are."""
    return rooms.modules(__path__)


def load(name: str) -> ModuleType:
    """The module of a library."""
    return importlib.import_module(f"dliflow.libraries.{name}")
