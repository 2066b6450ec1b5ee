"""One step of the way from a random network to INT8, each in the environment that it needs.

Usage: python quantized.py export NETWORK FOLDER | quantize FOLDER | predict FOLDER | layers NETWORK FOLDER

The calibration images are those that are predicted. `plain` is what ONNX Runtime's tool makes of the whole graph but
for its linear layers, `mended` what the project's conversion for OpenCV does.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

KINDS = ("plain", "mended")


def export(name: str, folder: Path) -> None:
    """Interchange files, images and reference scores. In PyTorch's environment."""
    import networks
    import torch

    from dliflow.sources import pytorch_state_dict

    network, images = networks.make(name), torch.randn(16, *networks.SHAPE)
    pytorch_state_dict.export(network, networks.SHAPE, folder)
    np.save(folder / "images.npy", images.numpy())
    np.save(folder / "reference.npy", network(images).detach().numpy())


def quantize(folder: Path) -> None:
    """Both kinds, and the plain one's scores in ONNX Runtime. In ONNX Runtime's environment."""
    import onnxruntime

    from dliflow.conversion import opencv
    from dliflow.conversion.graphs import onnx_graph

    images = np.load(folder / "images.npy")
    for kind in KINDS:
        (folder / kind).mkdir()
    layers = ("Gemm", "MatMul")
    plain = folder / "plain" / opencv.MODEL
    onnx_graph.quantize(folder / "model.onnx", plain, images, operators=True, exclude=layers)
    opencv.convert(folder, folder / "mended", "int8", images)
    session = onnxruntime.InferenceSession(plain, providers=["CPUExecutionProvider"])
    np.save(folder / "onnxruntime.npy", session.run(None, {"input": images})[0])


def predict(folder: Path) -> None:
    """Print how far each is from the reference. In OpenCV's environment."""
    from dliflow.frameworks import opencv
    from dliflow.measuring import metrics

    images, reference = np.load(folder / "images.npy"), np.load(folder / "reference.npy")
    settings = {"variant": "default", "device": "cpu", "batch_size": 16, "threads": 1, "options": {}}
    scores = {kind: opencv.load(folder / kind, precision="int8", **settings).predict(images) for kind in KINDS}
    scores["onnxruntime"] = np.load(folder / "onnxruntime.npy")
    print(json.dumps({kind: metrics.compare(given, reference) for kind, given in scores.items()}))


def layers(name: str, folder: Path) -> None:
    """Print how many layers PyTorch's INT8 has in the program and in the graph, and how many of them take int8.

    And how many weights do not lie in the order of their axes, which its compiler packs wrongly.
    """
    from torch.ops import aten

    from dliflow.conversion import pytorch

    export(name, folder)
    counts = {}
    for kind in ("program", "graph"):
        quantized = pytorch._quantize(pytorch._program(folder), np.load(folder / "images.npy"))
        kinds = (aten.conv2d.default, aten.linear.default)
        taken = [str(node.args[0].target) for node in quantized.graph.nodes if node.target in kinds]
        strided = [name for name, value in quantized.state_dict.items() if not value.is_contiguous()]
        int8 = sum("dequantize" in target for target in taken)
        counts[kind] = {"all": len(taken), "int8": int8, "strided": len(strided)}
        (folder / pytorch.EXPORTED).unlink(missing_ok=True)
    print(json.dumps(counts))


if __name__ == "__main__":
    step, *arguments, last = sys.argv[1:]
    {"export": export, "quantize": quantize, "predict": predict, "layers": layers}[step](*arguments, Path(last))
