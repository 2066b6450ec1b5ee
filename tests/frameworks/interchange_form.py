"""Bring ONNX models of older opsets into the interchange form; prints what came of each as JSON.

Usage: python interchange_form.py OUT
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper
from onnx.helper import make_node as node

from dliflow.errors import DliflowError
from dliflow.interchange import form, graph

FLOAT = onnx.TensorProto.FLOAT
SHAPE = (3, 9, 9)
CONSTANTS = {
    "weight": np.random.default_rng(0).normal(size=(4, 3, 3, 3)).astype(np.float32),
    "first": np.array(0),
    "axes": np.array([0]),
    "rest": np.array([-1]),
}
MODELS = {
    "opset9": (
        *(node("Conv", ["x", "weight"], ["conv"], auto_pad="SAME_LOWER", strides=[2, 2]),),
        *(node("Clip", ["conv"], ["clip"], min=0.0, max=6.0), node("Dropout", ["clip"], ["drop", "mask"])),
        *(node("MaxPool", ["drop"], ["pool", "places"], kernel_shape=[2, 2], auto_pad="VALID"),),
        *(node("ReduceMean", ["pool"], ["mean"], axes=[2, 3], keepdims=0),),
        *(
            node("Tanh", ["mean"], ["dead"]),
            node("Constant", [], ["two"], value=numpy_helper.from_array(np.float32(2))),
        ),
        *(node("Mul", ["mean", "two"], ["twice"]), node("Identity", ["twice"], ["y"])),
    ),
    "opset13": (
        *(node("Identity", ["x"], ["same"]), node("Conv", ["same", "weight"], ["conv"])),
        *(node("GlobalAveragePool", ["conv"], ["pool"]), node("Dropout", ["pool"], ["drop"])),
        *(node("Shape", ["drop"], ["shape"]), node("Gather", ["shape", "first"], ["size"])),
        *(node("Unsqueeze", ["size", "axes"], ["batch"]), node("Concat", ["batch", "rest"], ["flat"], axis=0)),
        node("Reshape", ["drop", "flat"], ["y"]),
    ),
}


def model_of(nodes, opset: int):
    """The nodes as a model from `x` to `y`."""
    read = {name for one in nodes for name in one.input}
    constants = [numpy_helper.from_array(value, name) for name, value in CONSTANTS.items() if name in read]
    ends = [helper.make_tensor_value_info(*end) for end in (("x", FLOAT, ("N", *SHAPE)), ("y", FLOAT, ("N", 4)))]
    inside = helper.make_graph(nodes, "network", ends[:1], ends[1:], constants)
    model = helper.make_model(inside, opset_imports=[helper.make_opsetid("", opset)], ir_version=7)
    onnx.checker.check_model(model)
    return model


def scores(contents: bytes, batch: np.ndarray) -> np.ndarray:
    """Of a model, in ONNX Runtime."""
    session = onnxruntime.InferenceSession(contents, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: batch})[0]


def settled(name: str, folder: Path) -> dict:
    """Operators in the file and in what `graph` reads of it, and how far the scores moved."""
    model = model_of(MODELS[name], int(name[5:]))
    batch = np.random.default_rng(1).normal(size=(5, *SHAPE)).astype(np.float32)
    before = scores(model.SerializeToString(), batch)
    form.write(model, SHAPE, "NCHW", folder)
    path = folder / "model.onnx"
    return {
        "file": [one.op_type for one in onnx.load(path).graph.node],
        "read": [one.op for one in graph.read(path, "none").nodes],
        "moved": float(np.abs(scores(path.read_bytes(), batch) - before).max()),
    }


def refusal(*nodes) -> str:
    """What is said of nodes that are not in the form."""
    try:
        form._check_form(model_of(nodes, 13).graph)
    except DliflowError as error:
        return str(error)
    return ""


if __name__ == "__main__":
    found = {name: settled(name, Path(sys.argv[1])) for name in MODELS}
    conv = ("Conv", ["x", "weight"], ["y"], "named")
    found["refused"] = [
        refusal(node(*conv, auto_pad="SAME_UPPER")),
        refusal(node(*conv), node("Relu", ["x"], ["unread"])),
        refusal(node(*conv[:2], ["z"]), node("Identity", ["z"], ["y"])),
        refusal(node(*conv)),
    ]
    print(json.dumps(found))
