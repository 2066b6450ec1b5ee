"""OpenVINO's program: the wheel brings headers and libraries."""

from __future__ import annotations

from dliflow.building import part


def compile_line(site):
    """Against the library with the version in its name, which is what its users link."""
    include, library = (part(site / "openvino", name) for name in ("include", "libs/libopenvino.so.*"))
    return ["-std=c++17", f"-I{include}", str(library), f"-Wl,-rpath,{library.parent}"]
