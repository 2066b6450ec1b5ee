"""PyTorch: the exported program, run by the eager kernels. It is also the reference runtime of torch models."""

from __future__ import annotations

import shutil
from pathlib import Path

from dliflow.errors import Skip
from dliflow.frameworks import take_options

MODEL = "model.pt2"


def version():
    """The installed version."""
    import torch

    return torch.__version__


def supports(precision, device):
    """FP32 on a CPU."""
    if device != "cpu":
        return f"the pinned torch build has no support for {device}"
    if precision == "fp16":
        return "PyTorch has no FP16 weights with FP32 arithmetic, and FP16 arithmetic is emulated on CPUs"
    if precision != "fp32":
        return f"no {precision} model is made for PyTorch yet"
    return None


def convert(source, out, precision, calibration):
    """The exported program is made when the model is exported from its source."""
    program = source / "model.pt2"
    if not program.exists():
        raise Skip("the model's source format gives no PyTorch program")
    shutil.copyfile(program, out / MODEL)


class PyTorch:
    """A module in inference mode."""

    def __init__(self, module):
        import torch

        self.torch = torch
        self.module = module
        self.threads = torch.get_num_threads()

    def predict(self, batch):
        """Forward; numpy and torch share the memory, so nothing is copied on a CPU."""
        with self.torch.inference_mode():
            return self.module(self.torch.from_numpy(batch)).numpy()


def load(model: Path, *, precision, variant, device, batch_size, threads, options):
    """Open the exported program with the given number of intra-op threads."""
    import torch

    take_options("pytorch", options)
    if threads:
        torch.set_num_threads(threads)
    return PyTorch(torch.export.load(model / MODEL).module())
