"""Make FP16 as ONNX Runtime's package for GPUs has it, of a network that `quantized.py export` wrote, and run it.

Usage: python halved.py FOLDER, in ONNX Runtime's environment. That package is not installed for it: it is gigabytes of
CUDA, and its kernels need a GPU. What it says of itself stands in for it; the graph, and what runs it, are real. On a
CPU the graph is float32 with casts in between, so its scores tell what halving weights and results does.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from unittest import mock

import numpy as np
import onnx
import onnxruntime

from dliflow import conversion, frameworks
from dliflow.errors import Skip
from dliflow.measuring import metrics

CPU = "CPUExecutionProvider"
SETTINGS = {"precision": "fp16", "variant": "default", "batch_size": 16, "threads": 1, "options": {}}


def types(graph: onnx.ModelProto) -> dict[str, list[str]]:
    """The types of the tensors that each kind of operator takes first."""
    inferred = onnx.shape_inference.infer_shapes(graph).graph
    kinds = {value.name: value.type.tensor_type.elem_type for value in (*inferred.value_info, *inferred.input)}
    taken: dict[str, set[str]] = {}
    for node in inferred.node:
        if node.input and node.input[0] in kinds:
            name = onnx.TensorProto.DataType.Name(kinds[node.input[0]])
            taken.setdefault(node.op_type, set()).add(name)
    return {kind: sorted(names) for kind, names in taken.items()}


def main(folder: Path) -> None:
    """Print what each device says, how far the scores are off, and what computes in which type."""
    module, out = frameworks.load("onnxruntime@cuda"), folder / "halved"
    out.mkdir()
    told = {}
    with mock.patch.object(onnxruntime, "get_available_providers", return_value=[module.CUDA, CPU]):
        conversion.load("onnxruntime@cuda").convert(folder, out, "fp16", None)
    try:
        module.load(out, device="cpu", **SETTINGS)
    except Skip as skip:
        told["cpu"] = str(skip)
    options = onnxruntime.SessionOptions()  # all optimizations for CPUs crash on LayerNormalization in float16
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    session = onnxruntime.InferenceSession(out / module.HALF, options, providers=[CPU])
    (scores,) = session.run(None, {session.get_inputs()[0].name: np.load(folder / "images.npy")})
    told["differences"] = metrics.compare(scores, np.load(folder / "reference.npy"))
    told["files"] = [file.name for file in out.iterdir()]
    told["types"] = types(onnx.load(out / module.HALF))
    print(json.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
