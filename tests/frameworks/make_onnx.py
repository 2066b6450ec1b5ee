"""Write small ONNX files as people have them.

Usage: python make_onnx.py FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIZE = 64
WEIGHT = np.random.default_rng(0).normal(size=(16, 3, 3, 3)) / 5


def save(path: Path, nodes: list, taken: tuple, given: list[tuple], **constants: np.ndarray) -> None:
    """A file of these nodes; `taken` and `given` are (name, type, shape)."""
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info(*each) for each in (taken if isinstance(taken, list) else [taken])],
        [helper.make_tensor_value_info(*each) for each in given],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def main(folder: Path) -> None:
    """The files."""
    make = helper.make_node
    ends = [
        make("Conv", ["planes", "weight"], ["y"]),
        make("Relu", ["y"], ["z"]),
        make("GlobalAveragePool", ["z"], ["mean"]),
        make("Flatten", ["mean"], ["scores"]),
    ]
    single, half = WEIGHT.astype(np.float32), WEIGHT.astype(np.float16)
    scores = ("scores", TensorProto.FLOAT, ["n", 16])
    planes = ("planes", TensorProto.FLOAT, ["n", 3, SIZE, SIZE])

    shift = helper.make_tensor("shift", TensorProto.FLOAT16, (), np.float16([0.5]).tobytes(), raw=True)
    halves = [make("Constant", [], ["shift"], value=shift), make("Add", ["images", "shift"], ["planes"]), *ends]
    taken = ("images", TensorProto.FLOAT16, ["n", 3, SIZE, SIZE])
    save(folder / "half.onnx", halves, taken, [("scores", TensorProto.FLOAT16, ["n", 16])], weight=half)
    cast = [
        make("Cast", ["images"], ["planes"], to=TensorProto.FLOAT16),
        *ends[:3],
        make("Flatten", ["mean"], ["flat"]),
    ]
    cast.append(make("Cast", ["flat"], ["scores"], to=TensorProto.FLOAT))
    save(folder / "inside.onnx", cast, ("images", *planes[1:]), [scores], weight=half)

    moved = make("Transpose", ["images"], ["moved"], perm=[0, 3, 1, 2])
    pixels = [moved, make("Cast", ["moved"], ["float"], to=1), make("Div", ["float", "white"], ["planes"]), *ends]
    taken = ("images", TensorProto.UINT8, ["n", SIZE, SIZE, 3])
    save(folder / "pixels.onnx", pixels, taken, [scores], weight=single, white=np.float32(255))

    best = [*ends, make("ArgMax", ["scores"], ["best"], axis=1, keepdims=0), make("Cast", ["best"], ["class"], to=6)]
    save(folder / "class.onnx", best, planes, [("class", TensorProto.INT32, ["n"])], weight=single)
    save(
        folder / "double.onnx",
        ends,
        ("planes", TensorProto.DOUBLE, planes[2]),
        [("scores", 11, ["n", 16])],
        weight=WEIGHT,
    )
    two = [make("Mul", ["images", "share"], ["planes"]), *ends]
    save(folder / "two.onnx", two, [("images", *planes[1:]), ("share", 1, [])], [scores], weight=single)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
