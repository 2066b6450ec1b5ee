"""PyTorch's program: the wheel brings LibTorch's headers and libraries."""

from __future__ import annotations

from dliflow.frameworks.pytorch import is_compiled


def supports(variant, precision):
    """What was compiled when it was converted; all else is code in Python."""
    if is_compiled(variant, precision):
        return None
    return (
        f"in {precision} PyTorch runs an exported program eagerly, as Python code; in C++ it runs packages "
        "of AOTInductor: name variants: {pytorch: [default, compiled]}"
    )


def compile_line(site):
    """Against LibTorch; half a minute, and 1 GB of memory."""
    package = site / "torch"
    includes = [f"-I{package / folder}" for folder in ("include", "include/torch/csrc/api/include")]
    libraries = [str(package / "lib" / f"lib{name}.so") for name in ("torch", "torch_cpu", "c10")]
    return ["-std=c++20", *includes, *libraries, f"-Wl,-rpath,{package / 'lib'}"]
