"""TFLite: models of TensorFlow's converter, run by LiteRT, its runtime today, with XNNPACK.

fp16 keeps the weights in half precision; arithmetic is float32 on x86. int8 is full-integer post-training
quantization; input and output stay float32, so the conversion at both ends is part of a request.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dliflow.frameworks import Option, take_options

MODEL = "model.tflite"
OPTIONS: dict[str, Option] = {}


def version():
    """The installed version of the runtime."""
    from importlib.metadata import version as installed

    import ai_edge_litert.interpreter  # noqa: F401 - it has no version of its own

    return installed("ai-edge-litert")


def supports(precision, device):
    """FP32, FP16 weights and INT8 on a CPU."""
    if device != "cpu":
        return f"TFLite's {device} delegate is not wired; device 'cpu' is"
    return None if precision in ("fp32", "fp16", "int8") else f"TFLite has no {precision} models"


class TfLite:
    """An interpreter whose tensors are allocated."""

    def __init__(self, interpreter, threads: int):
        self.interpreter = interpreter
        self.input = interpreter.get_input_details()[0]["index"]
        self.output = interpreter.get_output_details()[0]["index"]
        self.threads = threads

    def predict(self, batch):
        """Copy the batch in, run, copy the scores out."""
        self.interpreter.set_tensor(self.input, batch)
        self.interpreter.invoke()
        return self.interpreter.get_tensor(self.output)


class Quantized(TfLite):
    """An interpreter whose scores are integers; what they stand for is computed in each request."""

    def __init__(self, interpreter, threads: int):
        super().__init__(interpreter, threads)
        scale, zero = interpreter.get_output_details()[0]["quantization"]
        self.scale, self.zero = np.float32(scale), np.float32(zero)

    def predict(self, batch):
        """Copy the batch in, run, and take the scores out as float32."""
        return (super().predict(batch).astype(np.float32) - self.zero) * self.scale


def load(model: Path, *, precision, variant, device, batch_size, threads, options):
    """Open the model and give its input the batch size; XNNPACK is the runtime's default."""
    from ai_edge_litert.interpreter import Interpreter

    take_options("tflite", options)
    interpreter = Interpreter(model_path=str(model / MODEL), num_threads=threads)
    details = interpreter.get_input_details()[0]
    if details["shape"][0] != batch_size:
        interpreter.resize_tensor_input(details["index"], (batch_size, *details["shape"][1:]), strict=True)
    interpreter.allocate_tensors()
    floating = interpreter.get_output_details()[0]["dtype"] == np.float32
    return (TfLite if floating else Quantized)(interpreter, threads or 1)
