"""Source formats of models: one file each; its name is the `source.format` of a model's entry.

`FRAMEWORK: str`
    The framework in whose environment the module runs; it is the model's reference runtime.
`EXPORTER: str` (optional; default `FRAMEWORK`)
    The framework in whose environment `export` runs; `load` then has to do in both.
`SUFFIXES: tuple[str, ...]` (optional)
    Endings of file names by which the format is known.
`LAYOUT: str` (optional; default "NCHW")
    The layout of the format's models where an entry does not tell.
`REQUIRED: tuple[str, ...]` (optional)
    Keys that a model's `source` needs in this format.
`load(path: Path, architecture: str) -> network`
    The trained network.
`predict(network, batch: numpy.ndarray) -> numpy.ndarray`
    Reference scores, float32 (batch, scores).
`export(network, shape: tuple[int, ...], out: Path) -> int`
    Writes the interchange files (`stages/export.py` describes them) into `out`; returns the number of scores.
"""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path
from types import ModuleType


def load(name: str) -> ModuleType:
    """The module of a source format."""
    return importlib.import_module(f"dliflow.sources.{name}")


def exporter(name: str) -> str:
    """The framework in whose environment a source format's `export` runs."""
    module = load(name)
    return getattr(module, "EXPORTER", module.FRAMEWORK)


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options that name a model's source."""
    parser.add_argument("--path", type=Path, required=True, help="the model's file, or its folder of files")
    parser.add_argument("--format", required=True)
    parser.add_argument("--architecture", required=True)
