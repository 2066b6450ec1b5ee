"""What an importer is known to take wrongly where the interchange form does not spell it, each in a small ONNX file.

The case is a construct's name; one step exports it, one converts it in one environment, and one compares it in another
(cases.py).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from cases import each

from dliflow import conversion, frameworks
from dliflow.errors import Skip
from dliflow.files import write_json

SHAPE = (3, 8, 8)
PLANES = 8
BATCHES = (1, 3)
CONSTANTS = {
    "weight": np.random.default_rng(0).normal(size=(PLANES, 3, 3, 3)).astype(np.float32) / 3,
    "sizes": np.array([3, 5]),
    "two": np.array([2]),
    "one": np.float32(1),
    "half": np.float32(0.5),
    "root": np.float32(2**0.5),
    "many": np.float32(60),
    "twofold": np.array([1, 1, 2, 2], np.float32),
    "plane": np.array([2, 3]),
    "slopes": np.linspace(-1, 1, PLANES, dtype=np.float32),  # as many as columns, and as channels
}
POOL = {"kernel_shape": [3, 3], "strides": [2, 2]}
CEIL = {"ceil_mode": 1}
CONSTRUCTS = {
    "split": (17, [("Split", "x sizes", "y unread", {"axis": 1})]),
    "split_evenly": (11, [("Split", "x", "y unread", {"axis": 1})]),
    "split_by_number": (18, [("Split", "x", "y unread", {"axis": 1, "num_outputs": 2})]),
    "dead_top_k": (17, [("TopK", "x two", "best places", {"axis": 1}), ("Relu", "x", "y", {})]),
    "gelu_one_first": (
        17,
        [
            *[("Div", "x root", "scaled", {}), ("Erf", "scaled", "erf", {}), ("Add", "one erf", "more", {})],
            *[("Mul", "x half", "halved", {}), ("Mul", "halved more", "y", {})],
        ],
    ),
    **{
        name: (18, [(name, "x plane", "length", {}), ("Mul", "x length", "y", {})])
        for name in ("ReduceL1", "ReduceL2", "ReduceLogSumExp", "ReduceSumSquare")
    },
    "response_norm": (  # ConvNeXt-V2's
        17,
        [
            *[("ReduceL2", "x", "length", {"axes": [2, 3]}), ("ReduceMean", "length", "mean_length", {"axes": [1]})],
            *[("Div", "length mean_length", "share", {}), ("Mul", "x share", "y", {})],
        ],
    ),
    "mean_variance": (
        17,
        [("MeanVarianceNormalization", "x", "normal", {"axes": [2, 3]}), ("Relu", "normal", "y", {})],
    ),
    "softplus": (17, [("Mul", "x many", "large", {}), ("Softplus", "large", "y", {})]),
    "prelu_of_columns": (17, [("PRelu", "x slopes", "y", {})]),
    "max_without_strides": (17, [("MaxPool", "x", "y", {"kernel_shape": [3, 3]})]),
    "average_without_strides": (17, [("AveragePool", "x", "y", {"kernel_shape": [3, 3]})]),
    "resize_by_default": (18, [("Resize", "x  twofold", "large", {}), ("MaxPool", "large", "y", POOL)]),
    **{
        name: (17, [(op, "x", "y", {"kernel_shape": [2, 2], "strides": [3, 3], "pads": [1] * 4, **how, **CEIL})])
        for name, op, how in (
            ("max_beyond", "MaxPool", {}),
            ("average_beyond", "AveragePool", {}),
            ("average_beyond_counted", "AveragePool", {"count_include_pad": 1}),
            (
                "average_over_padding",
                "AveragePool",
                {"count_include_pad": 1, "kernel_shape": [3, 3], "strides": [2, 2]},
            ),
        )
    },
}
"""Opset and nodes of each, from planes `x`, which a convolution gives, to `y` of the same batch."""


def model(name: str):
    """A construct behind a convolution, its result averaged over each image."""
    import onnx
    from onnx import helper

    opset, rows = CONSTRUCTS[name]
    rows = [("Conv", "images weight", "x", {"pads": [1, 1, 1, 1]}), *rows]
    rows += [("GlobalAveragePool", "y", "mean", {}), ("Flatten", "mean", "scores", {})]
    nodes = [helper.make_node(op, taken.split(" "), given.split(" "), **how) for op, taken, given, how in rows]
    read = {one for node in nodes for one in node.input}
    ends = [("images", ("n", *SHAPE)), ("scores", ("n", None))]
    infos = [[helper.make_tensor_value_info(end, onnx.TensorProto.FLOAT, shape)] for end, shape in ends]
    constants = [onnx.numpy_helper.from_array(value, key) for key, value in CONSTANTS.items() if key in read]
    inside = helper.make_graph(nodes, "network", *infos, constants)
    return helper.make_model(inside, opset_imports=[helper.make_opsetid("", opset)], ir_version=7)


def export(name: str, out: str) -> dict:
    """Write a construct as a file and in the interchange form, with images and the scores that the file gives."""
    import onnx
    import onnxruntime

    from dliflow import sources

    folder = Path(out)
    folder.mkdir()
    path = folder / "file.onnx"
    onnx.save(model(name), path)
    images = np.random.default_rng(1).normal(size=(max(BATCHES), *SHAPE)).astype(np.float32)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    np.savez(folder / "expected.npz", images=images, scores=session.run(None, {"images": images})[0])
    module = sources.load("onnx")
    module.export(module.load(path, {"format": "onnx", "layout": "NCHW"}), SHAPE, folder)
    write_json(folder / "interchange.json", {"input": {"shape": list(SHAPE)}})
    return {}


def convert(framework: str, out: str) -> dict:
    """Convert what is exported; {} or why not."""
    (Path(out) / framework).mkdir()
    try:
        conversion.load(framework).convert(Path(out), Path(out) / framework, "fp32", None)
    except Skip as skip:
        return {"skip": str(skip)}
    return {}


def compare(framework: str, out: str) -> dict:
    """The largest difference from the file's scores, of the largest of them."""
    expected, module = np.load(Path(out) / "expected.npz"), frameworks.load(framework)
    variant, distances = next(iter(frameworks.variants(framework))), []
    how = {"variant": variant, "device": "cpu", "threads": 1, "options": {}, "precision": "fp32"}
    for size in BATCHES:
        images, scores = (expected[key][:size] for key in ("images", "scores"))
        session = module.load(Path(out) / framework, batch_size=size, **how)
        distances.append(np.abs(session.predict(images) - scores).max() / np.abs(scores).max())
    return {"distance": float(max(distances))}


def step(step: str, **case) -> dict:
    """One of the three."""
    return {"export": export, "convert": convert, "compare": compare}[step](**case)


if __name__ == "__main__":
    each(step)
