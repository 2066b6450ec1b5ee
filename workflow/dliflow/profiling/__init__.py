"""What tells where the time of a request goes, the framework's own profiler: a file of its name, where it has one.

It stands apart from `frameworks/`, so that another way of profiling measures nothing again.

`PROFILER: str`
    What tells, in few words, for the tables.

`profile(model, *, precision, variant, device, batch_size, threads, options) -> Profiled`
    The session that the framework's own `load` opens of the same arguments, with the profiler switched on.
    `errors.Skip` says why it can tell nothing.

`ON_GPU: bool` (optional; default False)
    Whether it tells what operators take on a GPU. Those that start one after another there are done later.

The framework's own package is imported inside functions only.
"""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import NamedTuple, Optional, Protocol

import numpy as np

from dliflow import rooms
from dliflow.configuration import family


class Operator(NamedTuple):
    """One call of an operator."""

    type: str
    """What it does, as the framework calls it."""
    name: str
    """That of the node in the framework's graph; '' where the profiler tells of kinds only."""
    kernel: str
    """What computed it, as the framework tells; '' where it does not."""
    int8: Optional[bool]
    """Whether it computed on integers of 8 bits; None where nothing tells."""
    us: float
    """What it took. Operators do not count each other's time: their sum is what all of them took."""


class Request(NamedTuple):
    """One request, with the profiler on."""

    us: float
    """What it took."""
    operators: list[Operator]


class Profiled(Protocol):
    """A loaded model whose requests are looked into; those of another session of this process must not be."""

    def predict(self, batch: np.ndarray) -> np.ndarray:
        """One request, as a `Session` has it."""

    def requests(self) -> list[Request]:
        """All requests so far, in their order. No other comes after it."""


def names() -> list[str]:
    """Every framework that has a file here."""
    return rooms.modules(__path__)


def load(name: str) -> Optional[ModuleType]:
    """The module of a framework, whatever its version; None where it has none."""
    module = family(name)
    return importlib.import_module(f"dliflow.profiling.{module}") if module in names() else None
