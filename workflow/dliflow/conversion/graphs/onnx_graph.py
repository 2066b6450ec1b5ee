"""Smaller ONNX graphs, for every framework that reads ONNX. Runs in ONNX Runtime's environment."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from dliflow.interchange import opset17


def quantize(
    source: Path,
    out: Path,
    calibration: np.ndarray,
    operators: bool = False,
    exclude: tuple[str, ...] = (),
    pairs: tuple[tuple[str, str], ...] = (),
) -> None:
    """Write the int8 version of the graph `source` to the file `out`, by ONNX Runtime's static quantization.

    It is made of pairs of QuantizeLinear and DequantizeLinear, or with `operators` of quantized operators.
    Operators of the types in `exclude` stay in float32, and Softmax, whose results would be multiples of 1/256. So do
    both operators of the `pairs` of types where nothing but the second takes what the first gives.
    """
    import onnx
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with tempfile.TemporaryDirectory() as folder:
        prepared = Path(folder) / "model.onnx"
        # The symbolic shape inference needs SymPy and is for transformers.
        quant_pre_process(source, prepared, skip_symbolic_shape=True)
        graph = onnx.load(prepared).graph
        left = (*exclude, "Softmax")
        whole = [{"quant_type": quantization.QuantType.QInt8, "axis": 0, "symmetric": True, "reduce_range": False}]
        quantization.quantize_static(
            prepared,
            out,
            _reader(graph.input[0].name, calibration),
            quant_format=quantization.QuantFormat.QOperator if operators else quantization.QuantFormat.QDQ,
            nodes_to_exclude=[*(node.name for node in graph.node if node.op_type in left), *_paired(graph, pairs)],
            per_channel=True,
            # CPUs without VNNI add pairs of u8*s8 products in 16 bits, which overflow with 8-bit weights: on
            # such a CPU the error of EfficientNet-Lite0's scores was twice that with 7 bits. u8*u8 is exact,
            # but many times slower there, and s8*s8 takes half as long again as u8*s8.
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            reduce_range=True,
            # Kernels of depthwise convolutions add no pairs; MobileNetV2 lost a tenth of its top-1 with 7 bits there.
            extra_options={"TensorQuantOverrides": dict.fromkeys(_depthwise_weights(graph), whole)},
        )


def _paired(graph, pairs: tuple[tuple[str, str], ...]) -> list[str]:
    """Names of the nodes that make up such pairs."""
    takers: dict[str, list] = {}
    for node in graph.node:
        for tensor in node.input:
            takers.setdefault(tensor, []).append(node)
    names = []
    for node in graph.node:
        following = takers.get(node.output[0], [])
        if following and all((node.op_type, taker.op_type) in pairs for taker in following):
            names += [node.name, *(taker.name for taker in following)]
    return names


def _depthwise_weights(graph) -> list[str]:
    """Names of the weights of convolutions that have one input channel for each group."""
    shapes = {item.name: item.dims for item in graph.initializer}
    weights = []
    for node in graph.node:
        groups = next((attribute.i for attribute in node.attribute if attribute.name == "group"), 1)
        if node.op_type == "Conv" and groups > 1 and shapes.get(node.input[1], (0, 0))[1] == 1:
            weights.append(node.input[1])
    return weights


def _reader(name: str, calibration: np.ndarray):
    from onnxruntime.quantization import CalibrationDataReader

    images = iter(calibration)

    class Reader(CalibrationDataReader):
        def get_next(self):
            image = next(images, None)
            return None if image is None else {name: image[None]}

    return Reader()


def with_axes_as_attributes(source: Path, out: Path) -> None:
    """Write the graph in opset 17, in which a mean has its axes as an attribute, where all its operators allow it."""
    import onnx

    model = onnx.load(source)
    opset17.lower(model)
    onnx.save(model, out)


def bound_tanh(source: Path, out: Path) -> None:
    """Write the graph with everything that a Tanh takes between -20 and 20, where its float32 result is -1 or 1.

    OpenCV 5.0.0 divides an infinity by another above 44, which is inside the tanh form of GELU beyond 10.
    """
    import onnx

    model = onnx.load(source)
    graph = model.graph
    nodes = []
    for node in graph.node:
        if node.op_type == "Tanh":
            bounded = f"{node.output[0]}_bounded"
            nodes.append(onnx.helper.make_node("Clip", [node.input[0], "tanh_low", "tanh_high"], [bounded], bounded))
            node.input[0] = bounded
        nodes.append(node)
    if len(nodes) > len(graph.node):
        for name, bound in (("tanh_low", -20), ("tanh_high", 20)):
            graph.initializer.append(onnx.numpy_helper.from_array(np.float32(bound), name))
        del graph.node[:]
        graph.node.extend(nodes)
    onnx.save(model, out)


def halve_weights(source: Path, out: Path) -> None:
    """Write the graph with its weights in half precision; all arithmetic stays in float32.

    ONNX Runtime folds the casts while it loads, so requests take as long as in float32. Without kernels for it, as on
    CPUs, float16 arithmetic would be float32 with casts in between.
    """
    import onnx

    model = onnx.load(source)
    casts = []
    for tensor in model.graph.initializer:
        values = onnx.numpy_helper.to_array(tensor)
        if values.dtype == np.float32 and values.size > 1 and np.abs(values).max() < np.finfo(np.float16).max:
            name, half = tensor.name, f"{tensor.name}.fp16"
            casts.append(onnx.helper.make_node("Cast", [half], [name], to=onnx.TensorProto.FLOAT))
            tensor.CopyFrom(onnx.numpy_helper.from_array(values.astype(np.float16), half))
    nodes = casts + list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.save(model, out)


def halve(source: Path, out: Path) -> None:
    """Write the graph with its weights and all arithmetic that ONNX Runtime's own converter knows in float16.

    Input and scores stay float32: casting both is part of a request.
    """
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16

    onnx.save(convert_float_to_float16(onnx.load(source), keep_io_types=True), out)
