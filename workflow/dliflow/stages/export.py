"""Export a model from its source to the interchange files that the frameworks convert from.

The folder beside the manifest holds `model.onnx` (a plain graph: opset 18, batch norm folded, symbolic batch, one
input `input`, one output `scores`) and, where the source gives one, `model.pt2` (an exported PyTorch program). The
folder's `interchange.json` tells the input's name and shape and the number of scores.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from dliflow import sources
from dliflow.files import payload, replacing, sha256, write_json


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    sources.arguments(parser)
    parser.add_argument("--shape", type=json.loads, required=True, help="JSON: one input's shape, without the batch")
    parser.add_argument("--out", type=Path, required=True, help="the manifest")


def run(args: argparse.Namespace) -> None:
    """Export, and write the manifest with checksums."""
    source = sources.load(args.format)
    target = payload(args.out)
    with replacing(target) as folder:
        folder.mkdir()
        network = source.load(args.path, args.architecture)
        scores = source.export(network, tuple(args.shape), folder)
        described = {"scores": scores, "input": {"name": "input", "shape": args.shape}}
        write_json(folder / "interchange.json", described)
    files = {path.name: sha256(path) for path in sorted(target.iterdir())}
    write_json(args.out, {**described, "files": files})
