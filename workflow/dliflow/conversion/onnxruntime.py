"""ONNX Runtime's models: the interchange graph itself, or a smaller one."""

from __future__ import annotations

import shutil

from dliflow.conversion.graphs import onnx_graph
from dliflow.frameworks.onnxruntime import MODEL


def convert(source, out, precision, calibration):
    """ONNX is the interchange format: the graph is taken as it is, with its weights halved, or quantized."""
    if precision == "int8":
        onnx_graph.quantize(source / "model.onnx", out / MODEL, calibration)
    elif precision == "fp16":
        onnx_graph.halve_weights(source / "model.onnx", out / MODEL)
    else:
        shutil.copyfile(source / "model.onnx", out / MODEL)


def adopt(file, out):
    """An ONNX file is taken as it is; its external data, where it has some, comes into the file."""
    import onnx

    onnx.save(onnx.load(file), out / MODEL)
