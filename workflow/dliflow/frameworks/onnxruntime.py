"""ONNX Runtime, CPU execution provider."""

from __future__ import annotations

from pathlib import Path

from dliflow.frameworks import Option, counts, take_options
from dliflow.machine import facts

MODEL = "model.onnx"
THREADS = Option(
    int,
    None,
    "intra-op threads; the default, one for each core, binds each of them to its core, a number does not",
    minimum=1,
    tried=lambda machine: counts(machine.cpus),
    code="options.intra_op_num_threads = {value}",
)
OPTIONS: dict[str, Option] = {}
CONCURRENT = "threads"  # a session takes calls from any number of them


def version():
    """The installed version."""
    import onnxruntime

    return onnxruntime.__version__


def supports(precision, device):
    """FP32, FP16 weights and INT8 on a CPU."""
    if device != "cpu":
        return f"the pinned onnxruntime package has no {device} provider"
    if precision == "bf16":
        return "ONNX Runtime's CPU provider has no bf16 convolutions"
    if precision not in ("fp32", "fp16", "int8"):
        return f"no {precision} model is made for ONNX Runtime"
    return None


class OnnxRuntime:
    """An inference session and the names of its only input and output."""

    def __init__(self, session, threads: int):
        self.session = session
        self.threads = threads
        self.input = session.get_inputs()[0].name
        self.outputs = [session.get_outputs()[0].name]

    def predict(self, batch):
        """One synchronous run."""
        return self.session.run(self.outputs, {self.input: batch})[0]


def load(model: Path, *, precision, variant, device, batch_size, threads, options):
    """Open the graph with the given number of intra-op threads; requests run one after another."""
    import onnxruntime

    take_options("onnxruntime", options)
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = threads or 0  # 0: one for each physical core
    session = onnxruntime.InferenceSession(str(model / MODEL), settings, providers=["CPUExecutionProvider"])
    return OnnxRuntime(session, threads or facts.physical_cores())
