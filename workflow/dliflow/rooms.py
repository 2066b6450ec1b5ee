"""What lies in a room (a package): a file for each framework, format, library, stage or command; there is no list."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterable
from functools import cache


def modules(path: Iterable[str]) -> list[str]:
    """The modules of a package by its `__path__`, without the packages in it, in alphabetical order."""
    return list(_listed(tuple(path)))


@cache
def _listed(path: tuple[str, ...]) -> list[str]:
    """The same, looked for once: a plan asks for each of its jobs."""
    return sorted(module.name for module in pkgutil.iter_modules(path) if not module.ispkg)
