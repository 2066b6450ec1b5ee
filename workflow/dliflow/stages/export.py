"""Export a model from its source to the interchange files that the frameworks convert from.

The folder beside the manifest holds `model.onnx` (a plain graph: opset 18, batch norm folded, symbolic batch, one
input `input`, one output `scores`) and, where the source gives one, `model.pt2` (an exported PyTorch program). The
folder's `interchange.json` tells the input's name and shape and the number of scores.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from dliflow import integrity, sources
from dliflow.files import payload, replacing, sha256, write_json


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    sources.arguments(parser)
    parser.add_argument("--out", type=Path, required=True, help="the manifest")


def run(args: argparse.Namespace) -> None:
    """Export, and write the manifest with checksums."""
    integrity.verify_fetched(args.path, args.fetched)
    module, shape = sources.load(args.source["format"]), (3, args.input["height"], args.input["width"])
    target = payload(args.out)
    with replacing(target) as folder:
        folder.mkdir()
        scores = module.export(sources.read(args), shape, folder)
        sources.check_count(scores, args)
        described = {"scores": scores, "input": {"name": "input", "shape": shape}}
        write_json(folder / "interchange.json", described)
    files = {path.name: sha256(path) for path in sorted(target.iterdir())}
    write_json(args.out, {**described, "files": files})
