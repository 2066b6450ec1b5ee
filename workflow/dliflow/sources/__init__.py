"""Source formats of models: one file each; its name is the `source.format` of a model's entry.

`FRAMEWORK: str`
    The framework that the format's models come from; it is their reference runtime.
`ENVIRONMENT: str` (optional; default `FRAMEWORK`)
    The environment in which the module runs, where that framework's own lacks what it needs.
`EXPORTER: str` (optional; default `ENVIRONMENT`)
    The environment in which `export` runs; `load` then has to do in both.
`SUFFIXES: tuple[str, ...]` (optional)
    Endings of file names by which the format is known; the longest one that fits wins.
`LAYOUT: "NCHW" or "NHWC"`
    The layout of the format's models where an entry does not tell.
`REQUIRED: tuple[str, ...]` (optional)
    Keys that a model's `source` needs in this format.
`load(path: Path, source: dict) -> network`
    The trained network. `source` is the checked `source` of the model's entry (`format`, `options`, and `architecture`,
    `input`, `output` ... where given), with the input's `layout`. Reading runs nothing that the file brings. The
    network's only output is that of the entry.
`predict(network, batch: numpy.ndarray) -> numpy.ndarray`
    Reference scores, float32 (batch, scores), of inputs in the model's own layout and dtype.
`export(network, shape: tuple[int, int, int], out: Path) -> int`
    Writes the interchange files (`stages/export.py` describes them) into the folder `out`; returns the number of
    scores. `shape` is (channels, height, width) whatever the layout.

What a file cannot give is a `DliflowError` that names the file, or the key of the entry, and what would be right.
"""

from __future__ import annotations

import argparse
import importlib
import json
from pathlib import Path
from types import ModuleType
from typing import Any

from dliflow.errors import DliflowError
from dliflow.fetching import mistaken


def load(name: str) -> ModuleType:
    """The module of a source format."""
    return importlib.import_module(f"dliflow.sources.{name}")


def home(name: str) -> str:
    """The environment in which a source format's `load` and `predict` run."""
    module = load(name)
    return getattr(module, "ENVIRONMENT", module.FRAMEWORK)


def exporter(name: str) -> str:
    """The environment in which a source format's `export` runs."""
    return getattr(load(name), "EXPORTER", home(name))


def only_nchw(source: dict[str, Any]) -> None:
    """Refuse a model that is said to be NHWC, for formats whose layers take NCHW."""
    if source["layout"] != "NCHW":
        raise DliflowError(f"input.layout: {source['layout']}: networks of the format {source['format']} take NCHW")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options that name a model's source."""
    parser.add_argument("--path", type=Path, required=True, help="the model's file, or its folder of files")
    parser.add_argument("--fetched", type=Path, required=True, help="manifest of that file, with its checksum")
    parser.add_argument(
        "--source", type=json.loads, required=True, help="JSON: the entry's source: format, options ..."
    )
    parser.add_argument("--input", type=json.loads, required=True, help="JSON: the model's input entry")
    parser.add_argument("--scores", type=int, required=True, help="how many scores the model must give")
    parser.add_argument("--label-offset", type=int, required=True, help="index of class 0 among the scores")


def check_count(scores: int, args: argparse.Namespace) -> None:
    """Refuse a model that gives another number of scores than its entry's classes and label offset say."""
    if scores != args.scores:
        classes = args.scores - args.label_offset
        hint = "; is the first one a background class? then set label_offset: 1" if scores == classes + 1 else ""
        raise DliflowError(
            f"the model gives {scores} scores; its entry says {args.scores} ({classes} names in the file of classes, "
            f"label_offset {args.label_offset}){hint}"
        )


def read(args: argparse.Namespace) -> Any:
    """The network that these options name.

    Raises:
        DliflowError: when it cannot be read; of a file that is no model at all, with what it is.
    """
    try:
        return load(args.source["format"]).load(args.path, {**args.source, "layout": args.input["layout"]})
    except DliflowError as error:
        other = mistaken.instead(args.path) if args.path.is_file() else ""
        if not other:
            raise
        raise DliflowError(f"{args.path}: is {other}") from error
