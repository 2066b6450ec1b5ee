"""The program of the framework that computes nothing."""

from __future__ import annotations


def compile_line(site):
    """It needs nothing of its environment."""
    return ["-std=c++17"]
