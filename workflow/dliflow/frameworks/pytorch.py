"""PyTorch: the exported program, run by the eager kernels. It is also the reference runtime of torch models.

int8 models were compiled when they were converted (AOTInductor).
"""

from __future__ import annotations

from pathlib import Path

from dliflow.errors import Skip
from dliflow.frameworks import Option, counts, take_options
from dliflow.machine import facts

MODEL = "model.pt2"
THREADS = Option(
    int,
    None,
    "intra-op threads; the default is one for each core",
    minimum=1,
    tried=lambda machine: [count for count in counts(machine.cpus) if count != machine.cores],
    code="torch.set_num_threads({value})",
)
OPTIONS: dict[str, Option] = {}


def version():
    """The installed version."""
    import torch

    return torch.__version__


def supports(precision, device):
    """Everything but FP16 on a CPU; what instructions it has is found out there."""
    if device != "cpu":
        return f"the pinned torch build has no support for {device}"
    if precision == "fp16":
        return "PyTorch has no FP16 weights with FP32 arithmetic, and FP16 arithmetic is emulated on CPUs"
    if precision not in ("fp32", "bf16", "int8"):
        return f"no {precision} model is made for PyTorch"
    return None


def unavailable(precision, device, variant):
    """BF16 without instructions for it would be emulated."""
    if precision == "bf16" and not facts.has_bf16():
        return "this CPU has no bf16 instructions (AVX512-BF16 or AMX); PyTorch would emulate them"
    return None


class PyTorch:
    """A callable of one tensor, run in inference mode."""

    def __init__(self, module, dtype):
        import torch

        self.torch = torch
        self.module = module
        self.dtype = dtype
        self.threads = torch.get_num_threads()

    def predict(self, batch):
        """Forward; numpy and torch share the memory, so fp32 is not copied on a CPU."""
        with self.torch.inference_mode():
            return self.module(self.torch.from_numpy(batch).to(self.dtype)).float().numpy()


def load(model: Path, *, precision, variant, device, batch_size, threads, options):
    """Open the program with the given number of intra-op threads."""
    import torch

    take_options("pytorch", options)
    if threads:
        torch.set_num_threads(threads)
    if precision == "int8":
        if not torch.cpu.get_capabilities().get("avx2"):
            raise Skip("this CPU has no AVX2 instructions, which the int8 kernels need")
        # torch._inductor.aoti_load_package does the same, after importing the compiler for several seconds.
        package = torch._C._aoti.AOTIModelPackageLoader(str(model / MODEL), "model", False, 1, -1)
        return PyTorch(lambda batch: package.run([batch])[0], torch.float32)
    module = torch.export.load(model / MODEL).module()
    if precision == "bf16":
        return PyTorch(module.to(torch.bfloat16), torch.bfloat16)
    return PyTorch(module, torch.float32)
