"""PyTorch's program: the wheel brings LibTorch's headers and libraries."""

from __future__ import annotations

PACKAGED = "int8"  # the precision whose models are packages of AOTInductor


def supports(precision):
    """What was compiled when it was converted; LibTorch can open no exported program."""
    if precision == PACKAGED:
        return None
    return (
        f"in {precision} PyTorch runs an exported program eagerly, which its wheel can do in Python alone; in C++ it "
        f"runs packages of AOTInductor, which are made for {PACKAGED} only"
    )


def compile_line(site):
    """Against LibTorch; half a minute, and 1 GB of memory."""
    package = site / "torch"
    includes = [f"-I{package / folder}" for folder in ("include", "include/torch/csrc/api/include")]
    libraries = [str(package / "lib" / f"lib{name}.so") for name in ("torch", "torch_cpu", "c10")]
    return ["-std=c++20", *includes, *libraries, f"-Wl,-rpath,{package / 'lib'}"]
