"""TFLite's runtime: LiteRT, or TensorFlow's own in environments without it, which are those of older versions."""

from __future__ import annotations


def runtime():
    """The module of the interpreter."""
    try:
        from ai_edge_litert import interpreter
    except ModuleNotFoundError:
        from tensorflow.lite.python import interpreter
    return interpreter
