"""PyTorch: the exported program as Python code, run by the eager kernels. It is the reference runtime of torch models.

What is compiled was so when it was converted, by AOTInductor: int8 models, and those of the variant `compiled`.
"""

from __future__ import annotations

import runpy
from pathlib import Path

from dliflow.errors import Skip
from dliflow.frameworks import Option, counts, take_options
from dliflow.frameworks.shared import allocator, tf32
from dliflow.machine import facts

CODE = "network.py"
TENSORS = "tensors.pt"
MODEL = "model.pt2"  # of what is compiled
COMPILED = "compiled"
MORE_VARIANTS = {COMPILED: ("fp32",)}
THREADS = Option(
    int,
    None,
    "intra-op threads; the default is one for each core",
    minimum=1,
    tried=lambda machine: [count for count in counts(machine.cpus) if count != machine.cores],
    code="torch.set_num_threads({value})",
)
OPTIONS = {
    "channels_last": Option(
        bool,
        False,
        "convolutions with the channels last in memory",
        tried=lambda machine: [True],
        arithmetic=True,
        code="model = model.to(memory_format=torch.channels_last)",
    ),
    "tf32": tf32.option(
        "PyTorch's own default for convolutions",
        'torch.backends.cudnn.conv.fp32_precision = torch.backends.cuda.matmul.fp32_precision = "tf32"',
    ),
    "keep_memory": allocator.KEEP_MEMORY,
    "allocator": allocator.ALLOCATOR,
}
TOGETHER = (("channels_last", "keep_memory", "allocator"),)


def valid(settings, processors, *, precision, variant, batch_size):
    """What is compiled has its layout; the C library's allocator is one that is kept from giving memory back.

    TF32 is about float32.
    """
    laid_out = is_compiled(variant, precision) and "channels_last" in settings
    rounded = precision != "fp32" and "tf32" in settings
    return not laid_out and not rounded and not {"keep_memory", "allocator"} <= settings.keys()


def is_compiled(variant, precision):
    """Whether a model is a package of AOTInductor."""
    return variant == COMPILED or precision == "int8"


def environment(threads, options):
    """The allocator is chosen when the process starts."""
    return allocator.environment(options)


def version():
    """The installed version."""
    import torch

    return torch.__version__


def supports(precision, device):
    """Everything but FP16 on a CPU, everything but INT8 on a GPU; what the processor has is found out there."""
    if device == "gpu" and precision == "int8":
        return "PyTorch's int8 model is compiled for CPUs"
    if precision == "fp16" and device == "cpu":
        return "PyTorch has no FP16 weights with FP32 arithmetic, and FP16 arithmetic is emulated on CPUs"
    if precision not in ("fp32", "fp16", "bf16", "int8"):
        return f"no {precision} model is made for PyTorch"
    return None


def unavailable(precision, device, variant):
    """BF16 without instructions for it would be emulated."""
    if precision == "bf16" and device == "cpu" and not facts.has_bf16():
        return "this CPU has no bf16 instructions (AVX512-BF16 or AMX); PyTorch would emulate them"
    return None


class PyTorch:
    """A callable of one tensor, run in inference mode."""

    def __init__(self, module, dtype, place="cpu"):
        import torch

        self.torch = torch
        self.module = module
        self.dtype = dtype
        self.place = place
        self.threads = torch.get_num_threads()

    def predict(self, batch):
        """Forward; numpy and torch share the memory, so fp32 is not copied on a CPU.

        From a GPU `cpu()` copies the scores back, and so waits until all is done.
        """
        with self.torch.inference_mode():
            return self.module(self.torch.from_numpy(batch).to(self.place, self.dtype)).float().cpu().numpy()


def load(model: Path, *, precision, variant, device, batch_size, threads, options):
    """Open the network with the given number of intra-op threads."""
    import torch

    options = take_options("pytorch", options, device)
    allocator.apply(options)
    if threads:
        torch.set_num_threads(threads)
    if is_compiled(variant, precision):
        if not torch.cpu.get_capabilities().get("avx2"):
            raise Skip("this CPU has no AVX2 instructions, which the compiled kernels need")
        # torch._inductor.aoti_load_package does the same, after importing the compiler for several seconds.
        package = torch._C._aoti.AOTIModelPackageLoader(str(model / MODEL), "model", False, 1, -1)
        return PyTorch(lambda batch: package.run([batch])[0], torch.float32)
    if device == "gpu" and not torch.cuda.is_available():
        raise Skip(no_gpu(torch))
    dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(precision, torch.float32)
    place = {"cpu": "cpu", "gpu": "cuda"}[device]
    if device == "gpu":
        products, convolutions = torch.backends.cuda.matmul, torch.backends.cudnn.conv
        products.fp32_precision = convolutions.fp32_precision = "tf32" if options["tf32"] else "ieee"
    module = runpy.run_path(str(model / CODE))["load"](place)
    if precision in ("bf16", "fp16"):
        module = module.to(dtype)
    if options["channels_last"]:
        module = module.to(memory_format=torch.channels_last)
    return PyTorch(module, dtype, place)


def no_gpu(torch) -> str:
    """Why there is no GPU to run on."""
    if torch.version.cuda is None and torch.version.hip is None:
        return (
            "the installed torch was built for CPUs; name 'pytorch@cuda' in the config's `frameworks`, whose "
            "envs/pytorch@cuda.yaml has another"
        )
    return "PyTorch sees no GPU on this machine"
