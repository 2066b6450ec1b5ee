"""Bring ONNX models of older opsets into the interchange form; prints what came of each as JSON.

Usage: python interchange_form.py OUT MODEL...
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from unittest import mock

import numpy as np
import onnx
import onnxruntime
import operations
from onnx import helper, numpy_helper
from onnx.helper import make_node as node

from dliflow.errors import DliflowError, Skip
from dliflow.interchange import form, graph

FLOAT = onnx.TensorProto.FLOAT
SHAPE = (3, 9, 9)
CONSTANTS = {
    "weight": np.random.default_rng(0).normal(size=(4, 3, 3, 3)).astype(np.float32),
    "first": np.array(0),
    "axes": np.array([0]),
    "rest": np.array([-1]),
    "rows": np.array([4, -1]),
    "token": np.random.default_rng(2).normal(size=(1, 1, 4)).astype(np.float32),
    "token_sizes": np.array([1, 4]),
    "places": np.random.default_rng(3).normal(size=(1, 10, 4)).astype(np.float32),
    "root": np.float32(2**0.5),
    "one": np.float32(1),
    "half": np.float32(0.5),
    "alone": np.array([1, 4, 3, 3]),
    "alone_flat": np.array([1, 36]),
    "dense": np.random.default_rng(4).normal(size=(36, 4)).astype(np.float32),
    "no": np.zeros(0, np.float32),
    "ones": np.array([1, 2, 3, 4], np.float32),
    "tops": np.array([0.1, -0.2, 0.3, 0], np.float32),
    "height": np.array([2]),
    "plane": np.array([2, 3]),
    "second": np.array([1]),
    "from_last": np.array([-1, 0]),
    "to_first": np.array([-(2**63), 9]),
    "of_planes": np.array([1, 2]),
    "backwards": np.array([-1, 1]),
    "row_weight": np.array([[[0.5, -1, 2]]], np.float32),
    "twofold": np.array([1, 1, 2, 2], np.float32),
    "seven": np.array([7, 7]),
    "sevens": np.array([1, 4, 7, 7]),
    "ones_behind": np.array([1, 1, 1]),
    "pairs": np.random.default_rng(5).normal(size=(1, 9, 9, 64)).astype(np.float32),  # more than `inference.LARGE`
    "pair_weight": np.random.default_rng(6).normal(size=(64, 1)).astype(np.float32),
    "last": np.array([3]),
    "border": np.array([0, 0, 1, 0, 0, 0, 2, 1]),
    "crop": np.array([0, 0, -2, 1, 0, -1, 2, -3]),
    "channels": np.array([1, 2, 1, 1]),
    "planes": np.array([1, 1, 2, 3]),
    "wide_dense": np.random.default_rng(7).normal(size=(36, 4)).astype(np.float32),
}
NEAREST = {"mode": "nearest", "nearest_mode": "floor", "coordinate_transformation_mode": "asymmetric"}
MODELS = {
    "opset9": (
        *(9, "N"),
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
        *(13, "N"),
        *(node("Identity", ["x"], ["same"]), node("Conv", ["same", "weight"], ["conv"])),
        *(node("GlobalAveragePool", ["conv"], ["pool"]), node("Dropout", ["pool"], ["drop"])),
        *(node("Shape", ["drop"], ["shape"]), node("Gather", ["shape", "first"], ["size"])),
        *(node("Unsqueeze", ["size", "axes"], ["batch"]), node("Concat", ["batch", "rest"], ["flat"], axis=0)),
        node("Reshape", ["drop", "flat"], ["y"]),
    ),
    "ranks": (  # a shape that is of as many sizes as another one has
        *(13, "N"),
        *(
            node("Conv", ["x", "weight"], ["conv"]),
            node("Shape", ["conv"], ["sizes"]),
            node("Shape", ["sizes"], ["rank"]),
        ),
        *(node("Slice", ["sizes", "axes", "rank"], ["whole"]), node("Reshape", ["conv", "whole"], ["same"])),
        *(node("Shape", ["same"], ["again"]), node("Gather", ["again", "first"], ["size"])),
        *(node("Unsqueeze", ["size", "axes"], ["batch"]), node("Concat", ["batch", "rest"], ["flat"], axis=0)),
        *(node("GlobalAveragePool", ["same"], ["pool"]), node("Reshape", ["pool", "flat"], ["y"])),
    ),
    "attention": (
        *(13, "N"),
        *(node("Conv", ["x", "weight"], ["conv"], strides=[3, 3], pads=[1, 1, 1, 1]), node("Shape", ["x"], ["shape"])),
        *(node("Gather", ["shape", "first"], ["size"]), node("Unsqueeze", ["size", "axes"], ["batch"])),
        *(node("Concat", ["batch", "rows"], ["sizes"], axis=0), node("Reshape", ["conv", "sizes"], ["flat"])),
        *(node("Transpose", ["flat"], ["patches"], perm=[0, 2, 1]),),
        *(node("Concat", ["batch", "token_sizes"], ["class"], axis=0), node("Expand", ["token", "class"], ["tokens"])),
        *(node("Concat", ["tokens", "patches"], ["all"], axis=1), node("Add", ["all", "places"], ["placed"])),
        *(node("Einsum", ["placed", "placed"], ["products"], equation="nid,njd->nij"),),
        *(node("Softmax", ["products"], ["shares"], axis=-1), node("MatMul", ["shares", "placed"], ["mixed"])),
        *(node("Div", ["mixed", "root"], ["scaled"]), node("Erf", ["scaled"], ["erf"])),
        *(node("Add", ["erf", "one"], ["more"]), node("Mul", ["half", "more"], ["halved"])),
        *(node("Mul", ["mixed", "halved"], ["gelu"]), node("Gather", ["gelu", "first"], ["y"], axis=1)),
    ),
    "fixed": (
        *(11, 1),
        *(node("Conv", ["x", "weight"], ["conv"], strides=[3, 3], pads=[1, 1, 1, 1]),),
        *(node("Split", ["conv"], ["left", "right"], axis=1, split=[1, 3]),),
        *(node("Concat", ["right", "left"], ["turned"], axis=1), node("Reshape", ["turned", "alone"], ["again"])),
        *(node("Resize", ["again", "no", "twofold"], ["large"], **NEAREST),),
        *(node("ReduceSum", ["large"], ["column"], axes=[3], keepdims=0),),
        *(node("Unsqueeze", ["column"], ["wide"], axes=[3]), node("Mul", ["large", "wide"], ["times"])),
        *(node("AveragePool", ["times"], ["small"], kernel_shape=[2, 2], strides=[2, 2], auto_pad="NOTSET"),),
        *(node("Reshape", ["small", "alone_flat"], ["flat"]), node("MatMul", ["flat", "dense"], ["linear"])),
        node("LogSoftmax", ["linear"], ["unused"]),
        node("Softmax", ["linear"], ["y"], axis=1),
    ),
    "resized": (  # to sizes that are computed, as torch's exporter writes them, and of some axes alone
        *(18, "N"),
        *(node("Conv", ["x", "weight"], ["conv"]), node("AveragePool", ["conv"], ["small"], kernel_shape=[5, 5])),
        *(node("Shape", ["small"], ["front"], start=0, end=2), node("Concat", ["front", "seven"], ["all"], axis=0)),
        *(node("Resize", ["small", "", "", "all"], ["nearest"], **NEAREST), node("Shape", ["conv"], ["size"], start=2)),
        *(node("Resize", ["small", "", "", "size"], ["linear"], mode="linear", axes=[2, 3]),),
        *(node("Mul", ["nearest", "linear"], ["times"]), node("Mul", ["conv", "times"], ["gated"])),
        *(node("GlobalAveragePool", ["gated"], ["pool"]), node("Flatten", ["pool"], ["y"])),
    ),
    "resized_alone": (  # to sizes for one image
        *(18, 1),
        *(node("Conv", ["x", "weight"], ["conv"]), node("AveragePool", ["conv"], ["small"], kernel_shape=[5, 5])),
        *(node("Resize", ["small", "", "", "sevens"], ["large"], **NEAREST), node("Mul", ["conv", "large"], ["gated"])),
        *(node("GlobalAveragePool", ["gated"], ["pool"]), node("Flatten", ["pool"], ["y"])),
    ),
    "positions": (  # ConViT's: a large constant for each image, weighted
        *(18, "N"),
        *(node("Shape", ["x"], ["batch"], end=1), node("Concat", ["batch", "rows"], ["sizes"], axis=0)),
        node("Conv", ["x", "weight"], ["conv"], strides=[3, 3], pads=[1, 1, 1, 1]),
        *(node("Reshape", ["conv", "sizes"], ["flat"]), node("Transpose", ["flat"], ["patches"], perm=[0, 2, 1])),
        *(node("Concat", ["batch", "ones_behind"], ["each"], axis=0), node("Expand", ["pairs", "each"], ["repeated"])),
        *(node("MatMul", ["repeated", "pair_weight"], ["far"]), node("Squeeze", ["far", "last"], ["near"])),
        *(node("Softmax", ["near"], ["shares"], axis=-1), node("MatMul", ["shares", "patches"], ["mixed"])),
        node("ReduceMean", ["mixed", "second"], ["y"], keepdims=0),
    ),
    "newer": (  # operators of opset 20 and 21, and those that ONNX makes of others
        *(21, "N"),
        *(
            node("Slice", ["x", "from_last", "to_first", "of_planes", "backwards"], ["bgr"]),
            node("Selu", ["bgr"], ["pixels"]),
        ),
        *(node("Conv", ["pixels", "weight"], ["conv"], pads=[0, 0, 1, 1]),),
        *(node("GroupNormalization", ["conv", "ones", "tops"], ["normal"], num_groups=2),),
        *(node("Gelu", ["normal"], ["gelu"]), node("Gelu", ["conv"], ["other"], approximate="tanh")),
        *(node("Sum", ["conv", "gelu", "other"], ["sum"]), node("Max", ["sum", "conv", "normal"], ["most"])),
        *(node("Mean", ["most", "gelu", "conv"], ["mean"]), node("SpaceToDepth", ["mean"], ["deep"], blocksize=2)),
        *(node("DepthToSpace", ["deep"], ["wide"], blocksize=2, mode="CRD"),),
        *(
            node("SpaceToDepth", ["wide"], ["again"], blocksize=2),
            node("DepthToSpace", ["again"], ["flat"], blocksize=2),
        ),
        *(node("ReduceMin", ["flat", "height"], ["least"], keepdims=1), node("Softsign", ["least"], ["soft"])),
        *(
            node("ReduceMean", ["soft", "plane"], ["row"], keepdims=0),
            node("Unsqueeze", ["row", "second"], ["one_row"]),
        ),
        *(
            node("Conv", ["one_row", "row_weight"], ["line"], pads=[1, 1]),
            node("Squeeze", ["line", "second"], ["linear"]),
        ),
        node("LogSoftmax", ["linear"], ["y"]),
    ),
    "rare": (  # what slices, gathering and broadcasting are enough for, and what does nothing
        *(19, "N"),
        *(node("Conv", ["x", "weight"], ["conv"]), node("Pad", ["conv", "border"], ["edge"], mode="edge")),
        *(node("Pad", ["edge", "border"], ["around"], mode="wrap"), node("Pad", ["around", "crop"], ["part"])),
        *(node("Clip", ["part"], ["open"]), node("ReduceMean", ["open"], ["each"], noop_with_empty_axes=1)),
        *(node("Tile", ["each", "channels"], ["eight"]), node("ReduceMax", ["eight", "plane"], ["most"])),
        *(node("Tile", ["most", "planes"], ["wide"]), node("Flatten", ["wide"], ["flat"])),
        node("Transpose", ["flat"], ["turned"], perm=[1, 0]),
        node("Gemm", ["turned", "wide_dense"], ["y"], transA=1),
    ),
    "left_alone": (  # by a reduction
        *(18, "N"),
        *(node("Conv", ["x", "weight"], ["conv"]), node("ReduceMean", ["conv"], ["same"], noop_with_empty_axes=1)),
        *(node("GlobalAveragePool", ["same"], ["pool"]), node("Flatten", ["pool"], ["y"])),
    ),
    "padded": (  # a pooling of what depends on the batch size alone, and says that it is not padded
        *(13, "N"),
        *(node("Shape", ["x"], ["shape"]), node("ConstantOfShape", ["shape"], ["zeros"])),
        *(
            node("AveragePool", ["zeros"], ["none"], kernel_shape=[9, 9], auto_pad="NOTSET"),
            node("Add", ["x", "none"], ["z"]),
        ),
        *(node("Conv", ["z", "weight"], ["conv"]), node("GlobalAveragePool", ["conv"], ["pool"])),
        node("Flatten", ["pool"], ["y"]),
    ),
    "summed": (
        *(13, 1),
        node("Conv", ["x", "weight"], ["conv"]),
        node("ReduceMean", ["conv"], ["mean"], axes=[0, 2, 3]),
        node("Unsqueeze", ["mean", "axes"], ["y"]),
    ),
}
"""Opset, batch size and nodes of each."""


def model_of(nodes, opset: int, batch="N"):
    """The nodes as a model from `x` to `y`."""
    read = {name for one in nodes for name in one.input}
    constants = [numpy_helper.from_array(value, name) for name, value in CONSTANTS.items() if name in read]
    ends = [helper.make_tensor_value_info(*end) for end in (("x", FLOAT, (batch, *SHAPE)), ("y", FLOAT, (batch, 4)))]
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
    opset, size, *nodes = MODELS[name]
    model = model_of(nodes, opset, size)
    batch = np.random.default_rng(1).normal(size=(5, *SHAPE)).astype(np.float32)
    before = np.concatenate([scores(model.SerializeToString(), image[None]) for image in batch])
    form.write(model, SHAPE, "NCHW", folder)
    path = folder / "model.onnx"
    taken = graph.read(path, "none")
    return {
        "file": [one.op_type for one in onnx.load(path).graph.node],
        "read": [one.op for one in taken.nodes],
        "moved": float(np.abs(scores(path.read_bytes(), batch) - before).max()),
        "older": read_by_an_older_onnx(path),
        "misread": float(np.abs(operations.evaluate(taken, batch)[taken.output] - before).max()),
    }


def read_by_an_older_onnx(path: Path) -> list[str] | str:
    """Operators that `graph` reads by an onnx that knows opset 17 and no newer one, or why it does not."""
    with mock.patch("onnx.defs.onnx_opset_version", return_value=17):
        try:
            return [one.op for one in graph.read(path, "none").nodes]
        except Skip as skip:
            return str(skip)


def written(name: str, folder: Path) -> str:
    """What is said of one of the models at export."""
    opset, size, *nodes = MODELS[name]
    try:
        form.write(model_of(nodes, opset, size), SHAPE, "NCHW", folder)
    except DliflowError as error:
        return str(error)
    return ""


def refusal(*nodes) -> str:
    """What is said of nodes that are not in the form."""
    try:
        form._check_form(model_of(nodes, 13).graph)
    except DliflowError as error:
        return str(error)
    return ""


if __name__ == "__main__":
    out = Path(sys.argv[1])
    found = {name: settled(name, out) for name in sys.argv[2:]}
    found.update({name: written(name, out) for name in ("padded", "summed")})
    conv = ("Conv", ["x", "weight"], ["y"], "named")
    found["refused"] = [
        refusal(node(*conv, auto_pad="SAME_UPPER")),
        refusal(node(*conv), node("Relu", ["x"], ["unread"])),
        refusal(node(*conv[:2], ["z"]), node("Identity", ["z"], ["y"])),
        refusal(node(*conv)),
    ]
    print(json.dumps(found))
