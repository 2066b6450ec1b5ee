"""A TFLite file. Its reference is LiteRT's interpreter with the reference kernels, without XNNPACK.

A float32 file is exported by tf2onnx, which needs TensorFlow. A quantized one (`source.precision: int8`) runs as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dliflow.errors import DliflowError
from dliflow.images import batches
from dliflow.interchange import form
from dliflow.sources.shared import tensorflow_network

FRAMEWORK = "tflite"
EXPORTER = "tensorflow"
SUFFIXES = (".tflite",)
LAYOUT = "NHWC"
MAGIC = b"TFL3"


@dataclass
class Network:
    """A file that was looked at, not yet read."""

    path: Path
    source: dict


def load(path: Path, source: dict) -> Network:
    """See that it is a TFLite file."""
    if not path.exists():
        raise DliflowError(f"{path}: there is no such file")
    with open(path, "rb") as stream:
        if stream.read(8)[4:] != MAGIC:
            raise DliflowError(f"{path}: not a TFLite file")
    return Network(path, source)


def predict(network: Network, batch: np.ndarray) -> np.ndarray:
    """Scores of the reference kernels; those of a quantized model as the numbers that they stand for."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    try:
        interpreter = Interpreter(
            model_path=str(network.path), experimental_op_resolver_type=OpResolverType.BUILTIN_REF, num_threads=2
        )
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise DliflowError(f"{network.path}: LiteRT cannot open the model: {error}") from error
    ends = []
    for kind, details in (("input", interpreter.get_input_details()), ("output", interpreter.get_output_details())):
        names = [detail["name"] for detail in details]
        ends.append(details[names.index(form.chosen(kind, names, network.source.get(kind)))])
    input_detail, output_detail = ends
    form.only_input(input_detail["name"], [detail["name"] for detail in interpreter.get_input_details()], network.path)
    try:
        form.check_dtype(np.dtype(input_detail["dtype"]).name, batch.dtype.name)
    except DliflowError as error:
        raise DliflowError(f"{network.path}: {error}{_as_integers(input_detail)}") from error
    shape, layout, one = [int(size) for size in input_detail["shape"]], network.source["layout"], batch.shape[1:]
    form.check_input(shape, one if layout == "NCHW" else (one[2], *one[:2]), layout)
    scale, zero = output_detail["quantization"]
    if output_detail["dtype"] != np.float32 and not scale:
        kind = np.dtype(output_detail["dtype"]).name
        raise DliflowError(
            f"{network.path}: the output '{output_detail['name']}' is {kind} and stands for no scores: a class, it "
            "seems; convert the model without its ArgMax"
        )
    scores = []
    for part in batches.parts(batch, shape[0]):
        interpreter.set_tensor(input_detail["index"], part)
        interpreter.invoke()
        scores.append(interpreter.get_tensor(output_detail["index"]).reshape(len(part), -1))
    values = np.concatenate(scores)[: len(batch)].astype(np.float32)
    if output_detail["dtype"] != np.float32:
        values = (values - np.float32(zero)) * np.float32(scale)
    return values


def _as_integers(detail: dict) -> str:
    """What mean and scale make the integers that a quantized input takes; the end of a message."""
    scale, zero = detail["quantization"]
    if not scale or detail["dtype"] == np.uint8:
        return ""
    return (
        f"; where the network was trained on (pixel - M) / S, set input.scale to {scale:.9g} * S and input.mean to "
        f"M {-zero * scale:+.9g} * S"
    )


def export(network: Network, shape: tuple[int, ...], out: Path) -> int:
    """Let tf2onnx translate the file, and write the interchange file."""
    try:
        model, _ = tensorflow_network.converter().from_tflite(str(network.path), opset=form.OPSET)
    except Exception as error:  # tf2onnx raises what its many translators raise
        raise DliflowError(f"{network.path}: tf2onnx cannot translate the model: {error}") from error
    form.choose_output(model, network.source.get("output"))
    return form.write(model, shape, network.source["layout"], out)
