"""TF32: NVIDIA's GPUs can make float32 products of factors that they round to 10 bits. Off unless it is asked for."""

from __future__ import annotations

from dliflow.frameworks import Option


def option(by_default: str, code: str) -> Option:
    """The option of a framework.

    Args:
        by_default: who rounds by itself, for the text: `TensorFlow's own default`.
        code: what switches it on.
    """
    return Option(
        bool,
        False,
        f"float32 convolutions and products are made of factors of 10 bits (TF32), {by_default} on NVIDIA's GPUs",
        tried=lambda machine: [True],
        arithmetic=True,
        device="gpu",
        code=code,
    )
