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


def save(path: Path, nodes: list, taken: tuple, given: list[tuple], opset: int = 17, **constants: np.ndarray) -> None:
    """A file of these nodes; `taken` and `given` are (name, type, shape)."""
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info(*each) for each in (taken if isinstance(taken, list) else [taken])],
        [helper.make_tensor_value_info(*each) for each in given],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    versions = {"": opset, **{node.domain: 1 for node in nodes if node.domain}}
    imports = [helper.make_opsetid(*each) for each in versions.items()]
    onnx.save(helper.make_model(graph, opset_imports=imports, ir_version=8), path)


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
    sequence = [*ends, make("SequenceConstruct", ["scores"], ["all"])]
    save(folder / "sequence.onnx", sequence, planes, [], weight=single)
    model = onnx.load(folder / "sequence.onnx")
    model.graph.output.append(helper.make_tensor_sequence_value_info("all", 1, None))
    onnx.save(model, folder / "sequence.onnx")
    of_pixels = [make("DequantizeLinear", ["images", "step", "zero"], ["planes"]), *ends]
    taken = ("images", TensorProto.UINT8, planes[2])
    save(folder / "of_pixels.onnx", of_pixels, taken, [scores], weight=single, step=np.float32(1), zero=np.uint8(0))
    eighths = np.clip(np.rint(single * 100), -127, 127).astype(np.int8)
    stored = [make("DequantizeLinear", ["eighths", "step"], ["weight"]), *ends]
    save(folder / "stored.onnx", stored, planes, [scores], eighths=eighths, step=np.float32(0.01))
    save(folder / "any.onnx", ends, ("planes", 1, [-1, *planes[2][1:]]), [("scores", 1, [-1, 16])], weight=single)
    save(folder / "sizes.onnx", ends, ("planes", 1, ["n", 3, "height", "width"]), [scores], weight=single)
    save(folder / "zero.onnx", ends, ("planes", 1, [0, *planes[2][1:]]), [("scores", 1, [0, 16])], weight=single)
    save(folder / "unsaid.onnx", ends, planes, [("scores", 1, None)], weight=single)
    stuck = [*ends[:3], make("Reshape", ["mean", "pair"], ["scores"])]
    save(folder / "stuck.onnx", stuck, planes, [scores], weight=single, pair=np.array([2, 16]))
    dilated = [*ends[:2], make("AveragePool", ["z"], ["mean"], kernel_shape=[31, 31], dilations=[2, 2]), ends[3]]
    save(folder / "dilated.onnx", dilated, planes, [("scores", 1, None)], opset=19, weight=single)
    normal = [
        *ends[:2],
        make("MeanVarianceNormalization", ["z"], ["n"]),
        make("GlobalMaxPool", ["n"], ["mean"]),
        ends[3],
    ]
    save(folder / "normal.onnx", normal, planes, [scores], weight=single)
    two = [make("Mul", ["images", "share"], ["planes"]), *ends]
    save(folder / "two.onnx", two, [("images", *planes[1:]), ("share", 1, [])], [scores], weight=single)
    for_training = [
        *ends[:1],
        make("BatchNormalization", ["y", *["ones"] * 4], ["normal", "mean_now", "variance_now"], training_mode=1),
        make("Dropout", ["normal", "half", "yes"], ["kept"]),
        make("Relu", ["kept"], ["z"]),
        *ends[2:],
    ]
    constants = {"ones": np.ones(16, np.float32), "half": np.float32(0.5), "yes": np.array(True)}
    save(folder / "training.onnx", for_training, planes, [scores], weight=single, **constants)
    save(folder / "opset6.onnx", ends, planes, [scores], opset=6, weight=single)
    larger = [make("Upsample", ["planes", "factors"], ["large"], mode="linear"), *ends]
    larger[1] = make("Conv", ["large", "weight"], ["y"])
    factors = np.array([1, 1, 2, 2], np.float32)
    save(folder / "opset9.onnx", larger, planes, [scores], opset=9, weight=single, factors=factors)
    decide(folder, ends, planes, scores, single)
    outside(folder, ends, planes, scores, single)
    function(folder, ends, planes, scores, single)


def decide(folder: Path, ends: list, planes: tuple, scores: tuple, weight: np.ndarray) -> None:
    """A file with an If that looks at a size, as PyTorch's exporter wrote for `squeeze`, and one with a Loop."""
    make, value = helper.make_node, helper.make_tensor_value_info
    ways = {
        "then_branch": make("Squeeze", ["mean", "axes"], ["squeezed"]),
        "else_branch": make("Identity", ["mean"], ["squeezed"]),
    }
    branches = {
        name: helper.make_graph([node], name, [], [value("squeezed", TensorProto.FLOAT, None)])
        for name, node in ways.items()
    }
    deciding = [
        *ends[:3],
        make("Shape", ["mean"], ["shape"]),
        make("Gather", ["shape", "last"], ["width"]),
        make("Equal", ["width", "one"], ["is_one"]),
        make("If", ["is_one"], ["scores"], **branches),
    ]
    constants = {"axes": np.array([2, 3]), "last": np.array(3), "one": np.array(1)}
    save(folder / "decides.onnx", deciding, planes, [scores], weight=weight, **constants)
    body = helper.make_graph(
        [make("Identity", ["on"], ["on_then"]), make("Add", ["sum", "sum"], ["more"])],
        "body",
        [value("turn", 7, []), value("on", 9, []), value("sum", 1, ["n", 16])],
        [value("on_then", 9, []), value("more", 1, ["n", 16])],
    )
    looping = [
        *ends[:3],
        make("Flatten", ["mean"], ["flat"]),
        make("Loop", ["turns", "", "flat"], ["scores"], body=body),
    ]
    save(folder / "loops.onnx", looping, planes, [scores], weight=weight, turns=np.array(2))


def function(folder: Path, ends: list, planes: tuple, scores: tuple, weight: np.ndarray) -> None:
    """A file with a function of its own, as PyTorch's exporter wrote them until 2.5."""
    call = helper.make_node("twice", ["y"], ["z"], domain="theirs")
    save(folder / "function.onnx", [ends[0], call, *ends[2:]], planes, [scores], weight=weight)
    model = onnx.load(folder / "function.onnx")
    body = [helper.make_node("Relu", ["a"], ["b"]), helper.make_node("Add", ["b", "b"], ["c"])]
    model.functions.append(helper.make_function("theirs", "twice", ["a"], ["c"], body, [helper.make_opsetid("", 17)]))
    onnx.save(model, folder / "function.onnx")


def outside(folder: Path, ends: list, planes: tuple, scores: tuple, weight: np.ndarray) -> None:
    """Files with weights beside them, at places where there are none, and with operators that load other code."""
    save(folder / "apart.onnx", ends, planes, [scores], weight=weight)
    onnx.save(
        onnx.load(folder / "apart.onnx"),
        folder / "apart.onnx",
        save_as_external_data=True,
        location="apart.onnx.data",
        size_threshold=0,
    )
    places = {
        "negative": {"offset": "-8"},
        "beyond": {"offset": "999999999"},
        "nonsense": {"offset": "0x10"},
        "long": {"length": "99999999999"},
        "above": {"location": "../apart.onnx.data"},
        "short": {"length": "4"},
    }
    for name, changes in places.items():
        model = onnx.load(folder / "apart.onnx", load_external_data=False)
        (tensor,) = (one for one in model.graph.initializer if one.name == "weight")
        told = {entry.key: entry.value for entry in tensor.external_data}
        del tensor.external_data[:]
        for key, value in {**told, **changes}.items():
            tensor.external_data.add(key=key, value=value)
        (folder / f"{name}.onnx").write_bytes(model.SerializeToString())
    compiled = [helper.make_node("EPContext", ["z"], ["mean"], domain="com.microsoft", ep_cache_context="/etc/passwd")]
    save(folder / "compiled.onnx", [*ends[:2], *compiled, ends[3]], planes, [scores], weight=weight)
    theirs = [helper.make_node("Relu", ["y"], ["z"], domain="com.example")]
    save(folder / "theirs.onnx", [ends[0], *theirs, *ends[2:]], planes, [scores], weight=weight)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
