"""The program of the linear classifier."""

from __future__ import annotations


def compile_line(site):
    """It needs nothing of its environment."""
    return ["-std=c++17"]


def supports(variant, precision):
    """It reads the weights of fp32 alone."""
    return None if precision == "fp32" else f"alpha has no {precision} in C++"
