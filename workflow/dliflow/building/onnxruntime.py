"""ONNX Runtime's program: the wheel has the library alone, whose interface `onnxruntime.cpp` declares."""

from __future__ import annotations

from dliflow.building import part


def compile_line(site):
    """Opened when it runs: the file has a longer name than the one that it would be linked by."""
    library = part(site / "onnxruntime", "capi/libonnxruntime.so.*")
    return ["-std=c++17", f'-DORT_LIBRARY="{library.name}"', f"-Wl,-rpath,{library.parent}", "-ldl"]
