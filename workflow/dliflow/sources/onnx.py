"""An ONNX file, with its external data beside it where it has some. ONNX Runtime is the reference.

A file that is quantized (`source.precision: int8`) runs as it is, in ONNX Runtime.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dliflow.errors import DliflowError
from dliflow.images import batches
from dliflow.interchange import form

FRAMEWORK = "onnxruntime"
SUFFIXES = (".onnx",)
LAYOUT = "NCHW"


@dataclass
class Network:
    """The model in memory, and where its file lies."""

    model: Any
    path: Path
    source: dict


def load(path: Path, source: dict) -> Network:
    """Read and check the model; of several inputs and outputs `source.input` and `source.output` name one."""
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load(path)
        onnx.checker.check_model(model)
    except (OSError, DecodeError, onnx.checker.ValidationError) as error:
        raise DliflowError(f"{path}: not an ONNX model that can be read: {error}") from error
    return Network(model, path, source)


def predict(network: Network, batch: np.ndarray) -> np.ndarray:
    """Scores of the file as it is, in ONNX Runtime; batch by batch where the file's batch size is fixed."""
    import onnxruntime

    providers = ["CPUExecutionProvider"]
    try:
        session = onnxruntime.InferenceSession(network.path, providers=providers)
    except Exception as error:  # it has no common class for what a file can make it raise
        raise DliflowError(f"{network.path}: ONNX Runtime cannot open the model: {error}") from error
    inputs = {value.name: value for value in session.get_inputs()}
    name = form.chosen("input", list(inputs), network.source.get("input"))
    output = form.chosen("output", [value.name for value in session.get_outputs()], network.source.get("output"))
    first = inputs[name].shape[0]
    size = first if isinstance(first, int) else len(batch)
    scores_of_parts = [session.run([output], {name: part})[0] for part in batches.parts(batch, size)]
    scores = np.concatenate(scores_of_parts)[: len(batch)]
    return scores.reshape(len(scores), -1).astype(np.float32)


def export(network: Network, shape: tuple[int, ...], out: Path) -> int:
    """Write the interchange file; what does not lead to the chosen output is left out."""
    form.choose_output(network.model, network.source.get("output"))
    return form.write(network.model, shape, network.source["layout"], out)
