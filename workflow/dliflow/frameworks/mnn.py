"""MNN, CPU back end, by the API that its makers advise (modules).

Precision "high" is float32 arithmetic everywhere; the back end's own choice may be less on other CPUs. fp16 keeps the
weights in half precision in the file. int8 is quantized by MNN's own tool; input and output stay float32.
"""

from __future__ import annotations

from pathlib import Path

from dliflow.errors import DliflowError
from dliflow.frameworks import Option, counts, take_options

MODEL = "model.mnn"
THREADS = Option(
    int,
    None,
    "threads; the default is one",
    minimum=1,
    tried=lambda machine: counts(machine.cpus)[1:],
    code='config["numThread"] = {value}',
)
OPTIONS: dict[str, Option] = {}
CONCURRENT = "sessions"  # a module keeps the memory of one request


def version():
    """The installed version."""
    import MNN

    return MNN.version()


def supports(precision, device):
    """FP32, FP16 weights and INT8 on a CPU."""
    if device != "cpu":
        return f"MNN's package for Python has no back end for {device}"
    if precision == "bf16":
        return "MNN's package for Python has no bf16 kernels for x86"
    return None if precision in ("fp32", "fp16", "int8") else f"no {precision} model is made for MNN"


class Mnn:
    """A module, which takes each batch as a constant."""

    def __init__(self, module, threads: int):
        import MNN.expr

        self.module, self.expr, self.threads = module, MNN.expr, threads

    def predict(self, batch):
        """Copy the batch in, run, and copy the scores out of memory that the next request writes to."""
        taken = self.expr.const(batch, batch.shape, self.expr.NCHW)
        return self.module.forward(taken).read().copy()


def load(model: Path, *, precision, variant, device, batch_size, threads, options):
    """Open the module; memory is planned in the first request, for batches of its size."""
    import MNN.nn

    take_options("mnn", options)
    config = {"backend": "CPU", "precision": "high", "numThread": threads or 1}
    runtime = MNN.nn.create_runtime_manager((config,))
    try:
        module = MNN.nn.load_module_from_file(str(model / MODEL), ["input"], ["scores"], runtime_manager=runtime)
    except SystemError as error:
        raise DliflowError(f"{model / MODEL}: MNN cannot open the model: {error.__cause__ or error}") from error
    return Mnn(module, threads or 1)
