"""ONNX Runtime's models: the interchange graph itself, or a smaller one."""

from __future__ import annotations

import shutil

from dliflow.conversion.graphs import onnx_graph
from dliflow.frameworks.onnxruntime import CUDA, HALF, MODEL
from dliflow.sources import onnx as onnx_source


def convert(source, out, precision, calibration):
    """ONNX is the interchange format: the graph is taken as it is, halved, or quantized."""
    if precision == "int8":
        onnx_graph.quantize(source / "model.onnx", out / MODEL, calibration)
    elif precision == "fp16":
        _halve(source / "model.onnx", out)
    else:
        shutil.copyfile(source / "model.onnx", out / MODEL)


def _halve(graph, out):
    """FP16 is arithmetic where the installed package has kernels for it, and weights alone where it has not."""
    import onnxruntime

    if CUDA in onnxruntime.get_available_providers():
        onnx_graph.halve(graph, out / HALF)
    else:
        onnx_graph.halve_weights(graph, out / MODEL)


def adopt(file, out, ends):
    """An ONNX file is taken as it is, with its external data in it, and with scores as float32 of two axes."""
    import onnx

    model = onnx_source.read(file, ends)
    _as_scores(model)
    onnx.save(model, out / MODEL)


def _as_scores(model):
    """Let the only output be float32 of two axes: (batch, scores, 1, 1) and integers get an operator more."""
    import onnx

    graph = model.graph
    name = graph.output[0].name
    described = onnx.shape_inference.infer_shapes(model).graph.output[0].type.tensor_type
    if described.elem_type != onnx.TensorProto.FLOAT:
        graph.node.append(onnx.helper.make_node("Cast", [name], [f"{name}_float32"], to=onnx.TensorProto.FLOAT))
        name = graph.node[-1].output[0]
    if not described.HasField("shape") or len(described.shape.dim) != 2:
        graph.node.append(onnx.helper.make_node("Flatten", [name], [f"{name}_scores"]))
        name = graph.node[-1].output[0]
    if name != graph.output[0].name:
        del graph.output[:]
        graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
