"""One step of the way from a random network to its INT8 scores in OpenCV, each in the environment that it needs.

Usage: python quantized.py export NETWORK FOLDER | quantize FOLDER | predict FOLDER

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


if __name__ == "__main__":
    step, *arguments, last = sys.argv[1:]
    {"export": export, "quantize": quantize, "predict": predict}[step](*arguments, Path(last))
