"""LiteRT's program: the wheel has the library alone, and `tflite.cpp` declares the interface of one release."""

from __future__ import annotations

from importlib.metadata import distributions

from dliflow.building import part
from dliflow.errors import Skip
from dliflow.frameworks.tflite import COMPILED_MODEL

RELEASE = "2.3.0"


def supports(variant, precision):
    """What the library has in C++; Python's `Interpreter` is another one."""
    if variant == COMPILED_MODEL:
        return None
    return (
        "LiteRT's wheel has CompiledModel alone in C++, another library than Python's Interpreter; it is the variant "
        f"{COMPILED_MODEL} in both languages: name variants: {{tflite: [default, {COMPILED_MODEL}]}}"
    )


def compile_line(site):
    """Against the library, if it is of the release whose interface is known: it changes, and tells no version."""
    library = part(site / "ai_edge_litert", "libLiteRt.so")
    (version,) = (each.version for each in distributions(path=[str(site)], name="ai-edge-litert"))
    if version != RELEASE:
        raise Skip(
            f"workflow/cpp/tflite.cpp knows the C interface of LiteRT {RELEASE}, which changes between releases; this "
            f"is {version}. Compare litert/c of both releases, then change RELEASE in "
            "workflow/dliflow/building/tflite.py"
        )
    return ["-std=c++17", str(library), f"-Wl,-rpath,{library.parent}"]
