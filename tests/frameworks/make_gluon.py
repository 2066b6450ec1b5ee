"""Write a small Gluon network in both of its forms, and files that do not fit it.

Usage: python make_gluon.py FOLDER
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import mxnet as mx
from mxnet.gluon import nn

from dliflow import architectures


def settle(network) -> None:
    """Random weights, and running statistics that are those of the activations: else tiny differences would grow."""
    network.initialize(mx.init.MSRAPrelu())
    with mx.autograd.train_mode():
        for _ in range(30):
            network(mx.nd.random.normal(shape=(8, 3, 64, 64)))
    network(mx.nd.zeros((1, 3, 64, 64)))


def main(folder: Path) -> None:
    """`small-symbol.json` with its parameters; `mobilenet.params` of the registered architecture."""
    mx.random.seed(0)
    network = nn.HybridSequential()
    network.add(nn.Conv2D(8, 3, 2, 1, use_bias=False), nn.BatchNorm(), nn.Activation("relu"), nn.MaxPool2D(2))
    network.add(nn.Conv2D(16, 3, padding=1, groups=4), nn.LeakyReLU(0.1), nn.GlobalAvgPool2D(), nn.Dense(16))
    network.hybridize()
    settle(network)
    network.export(str(folder / "small"))
    shutil.copy(folder / "small-symbol.json", folder / "alone-symbol.json")
    shutil.copy(folder / "small-symbol.json", folder / "cut-symbol.json")
    contents = (folder / "small-0000.params").read_bytes()
    (folder / "cut-0000.params").write_bytes(contents[: len(contents) // 2])

    for name, change in {"native": {"op": "_Native"}, "inner": {"subgraphs": [{}]}, "none": {"op": None}}.items():
        graph = json.loads((folder / "small-symbol.json").read_text())
        next(node for node in graph["nodes"] if node["op"] == "Activation").update(change)
        (folder / f"{name}-symbol.json").write_text(json.dumps(graph))
        shutil.copy(folder / "small-0000.params", folder / f"{name}-0000.params")
    text = (folder / "small-symbol.json").read_text().strip()
    (folder / "twice-symbol.json").write_text('{"nodes": [], ' + text[1:])
    shutil.copy(folder / "small-0000.params", folder / "twice-0000.params")
    (folder / "list-symbol.json").write_text("[]")
    shutil.copy(folder / "small-0000.params", folder / "list-0000.params")

    mobilenet = architectures.build("gluoncv_mobilenet_v2", {"classes": 16})
    settle(mobilenet)
    mobilenet.save_parameters(str(folder / "mobilenet.params"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
