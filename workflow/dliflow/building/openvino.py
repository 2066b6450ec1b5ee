"""OpenVINO's program: the wheel brings headers and libraries."""

from __future__ import annotations


def compile_line(site):
    """Against the library with the version in its name, which is what its users link."""
    package = site / "openvino"
    (library,) = (package / "libs").glob("libopenvino.so.*")
    return ["-std=c++17", f"-I{package / 'include'}", str(library), f"-Wl,-rpath,{library.parent}"]
