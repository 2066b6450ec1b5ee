"""PyTorch's models: the program that was exported with the model, or one of the interchange graph, as Python code.

int8 models, and those of the variant `compiled`, are compiled when they are converted (AOTInductor): run eagerly, the
quantized program computes in float32. Compiling takes half a minute, and the machine that measures may have no C++
compiler. One package serves all batch sizes, Python and C++.
"""

from __future__ import annotations

import platform
from pathlib import Path

from dliflow.conversion.graphs import pytorch_code, pytorch_graph
from dliflow.errors import Skip
from dliflow.frameworks.pytorch import COMPILED, MODEL
from dliflow.interchange import graph
from dliflow.interchange.program import without_traces

EXPORTED = "model.pt2"  # among the interchange files of models that come from PyTorch
# Code that every x86-64 CPU with AVX2 can run, whatever CPU converted it: oneDNN, which does the convolutions
# and products, chooses its instructions when it runs. The number of threads is chosen then as well.
COMPILER = {
    "freezing": True,  # pack the weights
    "cpp.march": "x86-64-v3",
    "cpp.simdlen": 256,
    "cpp.dynamic_threads": True,
    "compile_threads": 1,
    # Nothing is compiled twice: headers for the next time (300 MB in /tmp) and programs that only show that this
    # compiler has the instructions would take half of the time.
    "aot_inductor.precompile_headers": False,
    "cpp.vec_isa_ok": True,
}


def convert(source, out, precision, calibration):
    """Take the program that was exported with the model, or make one of the graph; int8 is quantized and compiled."""
    program = _program(source)
    if precision == "int8":
        _compile(_quantize(program, calibration), out / MODEL)
    else:
        pytorch_code.write(program, out)


def compiled(source, out, precision, calibration):
    """The same program, compiled."""
    _compile(_program(source), out / MODEL)


def _program(source: Path):
    """The program that was exported with the model, or one of the graph, for any batch size."""
    import torch

    exported = source / EXPORTED
    if exported.exists():
        return torch.export.load(exported)
    return pytorch_graph.program(graph.read(source / "model.onnx", "pytorch"))


def _quantize(program, calibration):
    """Post-training quantization (pt2e) of what oneDNN computes in int8, for any batch size."""
    import torch
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e
    from torchao.quantization.pt2e.quantizer import x86_inductor_quantizer as x86

    module = program.module()
    for weight in module.parameters():
        weight.data = weight.data.contiguous()  # Inductor packs those of another order wrongly, without a word
    _name_sources(module)
    # CPUs without VNNI add pairs of products in 16 bits, which overflow with 8-bit activations: on such a CPU
    # the error of EfficientNet-Lite0's scores was three times that with 7 bits.
    config = x86.get_default_x86_inductor_quantization_config(reduce_range=True)
    prepared = prepare_pt2e(module, x86.X86InductorQuantizer().set_global(config))
    with torch.no_grad():
        for image in torch.from_numpy(calibration).split(1):
            prepared(image.clone())  # observers keep a view's whole storage
    # A batch of 1 would be taken for a constant.
    example = torch.from_numpy(calibration[:1]).repeat(2, 1, 1, 1)
    batch = {0: torch.export.Dim("batch", min=1, max=1024)}
    return torch.export.export(convert_pt2e(prepared), (example,), dynamic_shapes=(batch,))


def _name_sources(module):
    """Tell the quantizer which layer each operator is.

    It looks for layers by the class that they were written as, and so would silently leave out those of a subclass and
    those written as functions: all of torch's own MultiheadAttention, every linear layer of a graph.
    """
    import operator

    from torch import nn
    from torch.ops import aten

    sources = {
        nn.Conv2d: (aten.conv2d.default,),
        nn.Linear: (aten.linear.default,),
        nn.BatchNorm2d: (aten.batch_norm.default,),
        nn.ReLU: (aten.relu.default, aten.relu_.default),
        nn.Hardtanh: (aten.hardtanh.default, aten.hardtanh_.default),
        nn.Hardswish: (aten.hardswish.default, aten.hardswish_.default),
        nn.SiLU: (aten.silu.default, aten.silu_.default),
        nn.GELU: (aten.gelu.default,),
        operator.add: (aten.add.Tensor, aten.add_.Tensor),
    }
    source_of = {target: source for source, targets in sources.items() for target in targets}
    for node in module.graph.nodes:
        if node.target in source_of:
            node.meta["source_fn_stack"] = [(node.name, source_of[node.target])]


def _compile(program, package: Path):
    """Make a package of a program.

    Raises:
        Skip: without a C++ compiler, or on a CPU that has no such code.
    """
    if platform.machine() not in ("x86_64", "AMD64"):
        raise Skip(f"compiled models are made for x86-64 CPUs, and this one is {platform.machine()}")
    import torch
    from torch._inductor import aoti_compile_and_package
    from torch._inductor.cpp_builder import get_cpp_compiler
    from torch._inductor.exc import InvalidCxxCompiler
    from torch._inductor.utils import fresh_cache

    try:
        get_cpp_compiler()
    except InvalidCxxCompiler:
        raise Skip("compiling needs a C++ compiler (g++) where models are converted; none was found") from None
    with fresh_cache(), torch.no_grad():
        aoti_compile_and_package(without_traces(program), package_path=str(package), inductor_configs=COMPILER)


VARIANTS = {COMPILED: compiled}


def compiles(variant, precision):
    """Packages of AOTInductor."""
    return variant in VARIANTS or precision == "int8"
