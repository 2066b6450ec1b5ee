"""An ONNX file, with its external data beside it where it has some. ONNX Runtime is the reference.

A file that is quantized (`source.precision: int8`) runs as it is, in ONNX Runtime. One of float16 or float64 is
computed in float32 with its weights, by the reference too: float16 arithmetic differs from framework to framework.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dliflow.errors import DliflowError
from dliflow.images import batches
from dliflow.interchange import form, functions

FRAMEWORK = "onnxruntime"
SAME_CLASS = {"Cast", "Identity", "Squeeze", "Unsqueeze", "Reshape", "Flatten"}  # what may follow an ArgMax
SUFFIXES = (".onnx",)
LAYOUT = "NCHW"
OLDEST = 7  # the opset from which on ONNX Runtime knows operators


@dataclass
class Network:
    """The model in memory, and where its file lies."""

    model: Any
    path: Path
    source: dict


def read(path: Path, ends: dict) -> Any:
    """The checked `onnx.ModelProto`, with its external data, and of its inputs and outputs those that are meant.

    Args:
        ends: has `input` and `output` where the model's entry tells them.
    """
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load(path)
        _describe_outputs(model)
        onnx.checker.check_model(model)
    # ValueError: weights in another file, at an offset or of a length that is none.
    except (
        OSError,
        ValueError,
        DecodeError,
        onnx.checker.ValidationError,
        onnx.shape_inference.InferenceError,
    ) as error:
        raise DliflowError(f"{path}: not an ONNX model that can be read: {error}") from error
    for value in (*model.graph.input, *model.graph.value_info, *model.graph.output):
        for dim in value.type.tensor_type.shape.dim:
            if dim.HasField("dim_value") and dim.dim_value <= 0:  # words for any size: PaddlePaddle's is -1
                dim.Clear()
    _refuse_others(model, path)
    model = functions.written_out(model, lambda operator: False)
    graph = model.graph
    weights = {item.name for item in graph.initializer}  # older files list them as inputs
    inputs = [value.name for value in graph.input if value.name not in weights]
    name = form.chosen("input", inputs, ends.get("input"))
    form.only_input(name, inputs, path)
    form.choose_output(model, ends.get("output"))
    _refuse_classes(graph, path)
    _for_inference(graph)
    return model


def _describe_outputs(model) -> None:
    """Infer the shapes of outputs where the file leaves them out, which ONNX's checker does not take."""
    import onnx

    if all(value.type.tensor_type.HasField("shape") for value in model.graph.output):
        return
    outputs = onnx.shape_inference.infer_shapes(model).graph.output
    del model.graph.output[:]
    model.graph.output.extend(outputs)


DOMAINS = ("", "ai.onnx", "ai.onnx.ml", "com.microsoft")
OUTWARD = ("EPContext", "PythonOp", "PythonOpGrad", "TorchEmbedding")


def _refuse_others(model, path: Path) -> None:
    """Refuse operators that are not known to compute only: of domains of their own, and those that load other code.

    Raises:
        DliflowError: naming the operator.
    """
    graphs = [model.graph, *model.functions]
    while graphs:
        for node in graphs.pop().node:
            if node.domain not in (*DOMAINS, *{one.domain for one in model.functions}) or node.op_type in OUTWARD:
                raise DliflowError(
                    f"{path}: refused: operator {node.op_type} of the domain '{node.domain}' is not known to be one "
                    "that only computes"
                )
            for attribute in node.attribute:
                graphs += [attribute.g] if attribute.HasField("g") else attribute.graphs


def _refuse_classes(graph, path: Path) -> None:
    """Refuse a model that gives the best class, or a map, in place of scores; the message names the scores."""
    makers = {output: node for node in graph.node for output in node.output}
    for value in graph.output:
        maker = makers.get(value.name)
        while maker is not None and maker.op_type in SAME_CLASS:
            maker = makers.get(maker.input[0])
        other = value.type.WhichOneof("value") not in ("tensor_type", None)
        if maker is not None and (other or maker.op_type in ("ArgMax", "TopK")):
            what = "it is no tensor of scores" if other else "it tells classes, not scores"
            raise DliflowError(
                f"{path}: the output '{value.name}' comes from {maker.op_type}: {what}; set source.output: "
                f"{maker.input[0]}"
            )


def _for_inference(graph) -> None:
    """Let what was exported for training compute as after it: without Dropout, and by the statistics it learned."""
    for node in graph.node:
        if node.op_type == "Dropout":
            del node.input[2:]
        elif node.op_type == "BatchNormalization":
            del node.output[1:]
            for attribute in [item for item in node.attribute if item.name == "training_mode"]:
                node.attribute.remove(attribute)


def load(path: Path, source: dict) -> Network:
    """Read and check the model; of several inputs and outputs `source.input` and `source.output` name one."""
    model = read(path, source)
    opset = form.opset(model)
    if opset < OLDEST:
        raise DliflowError(
            f"{path}: is of ONNX opset {opset}, which ONNX Runtime does not run; export it with {OLDEST} or a newer one"
        )
    if "precision" not in source:
        form.widen(model.graph)
    return Network(model, path, source)


def predict(network: Network, batch: np.ndarray) -> np.ndarray:
    """Scores of the file in ONNX Runtime; batch by batch where the file's batch size is fixed.

    Raises:
        DliflowError: when the input is of another dtype, layout or size, or ONNX Runtime cannot run the model.
    """
    import onnx
    import onnxruntime

    path, layout = network.path, network.source["layout"]
    providers = ["CPUExecutionProvider"]
    graph = network.model.graph
    weights = {item.name for item in graph.initializer}
    described = next(value for value in graph.input if value.name not in weights)
    kind = described.type.tensor_type
    form.check_dtype(str(onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type)), str(batch.dtype))
    file_shape = [dim.dim_value for dim in kind.shape.dim]  # 0 for a symbol
    one = batch.shape[1:]
    form.check_input(file_shape, one if layout == "NCHW" else (one[2], *one[:2]), layout)
    size = file_shape[0] or len(batch)
    try:
        session = onnxruntime.InferenceSession(network.model.SerializeToString(), providers=providers)
        outputs = [session.run(None, {described.name: part})[0] for part in batches.parts(batch, size)]
    except Exception as error:  # it has no common class for what a file can make it raise
        raise DliflowError(f"{path}: ONNX Runtime cannot run the model: {' '.join(str(error).split())}") from error
    return np.concatenate([scores.reshape(size, -1) for scores in outputs])[: len(batch)].astype(np.float32)


def export(network: Network, shape: tuple[int, ...], out: Path) -> int:
    """Write the interchange file."""
    return form.write(network.model, shape, network.source["layout"], out)
