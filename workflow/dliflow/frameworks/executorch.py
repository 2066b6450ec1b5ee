"""ExecuTorch with XNNPACK: PyTorch's exported program, lowered when it was converted.

int8 was quantized by XNNPACK's quantizer; input and output stay float32.
"""

from __future__ import annotations

from pathlib import Path

from dliflow.errors import Skip
from dliflow.frameworks import Option, counts, take_options

MODEL = "model.pte"
LARGEST = 64  # batch size that a file takes: memory is planned for it when it is made
THREADS = Option(
    int,
    None,
    "threads of XNNPACK's pool; the default is one for each core, of the fast kind where there are two",
    minimum=1,
    tried=lambda machine: [count for count in counts(machine.cpus) if count != machine.cores],
    code="portable_lib._unsafe_reset_threadpool({value})",
)
OPTIONS: dict[str, Option] = {}


def version():
    """The installed version."""
    from importlib.metadata import version as installed

    import executorch.runtime  # noqa: F401 - it has no version of its own

    return installed("executorch")


def supports(precision, device):
    """FP32 and INT8 on a CPU."""
    if device != "cpu":
        return f"ExecuTorch's back ends for {device} are not wired; device 'cpu' is"
    if precision in ("fp16", "bf16"):
        return f"XNNPACK's {precision} is arithmetic that x86 CPUs do not have"
    return None if precision in ("fp32", "int8") else f"no {precision} model is made for ExecuTorch"


class ExecuTorch:
    """A loaded method."""

    def __init__(self, program, threads: int):
        import torch

        self.torch = torch
        self.program = program  # which the method needs
        self.method = program.load_method("forward")
        self.threads = threads

    def predict(self, batch):
        """Run; numpy and torch share the memory of the batch."""
        return self.method.execute([self.torch.from_numpy(batch)])[0].numpy()


def load(model: Path, *, precision, variant, device, batch_size, threads, options):
    """Open the program; the number of threads is a setting of the whole process."""
    from executorch.extension.pybindings import portable_lib
    from executorch.runtime import Runtime

    take_options("executorch", options)
    if batch_size > LARGEST:
        raise Skip(f"ExecuTorch's file is made for batches of at most {LARGEST}")
    if threads:
        portable_lib._unsafe_reset_threadpool(threads)
    program = Runtime.get().load_program(model / MODEL)
    return ExecuTorch(program, portable_lib._threadpool_get_thread_count())
