"""Run a converted model on the CPU and on the GPU, in a framework's environment; cases.py tells how it is asked.

A case: `framework`, `model` (folder), `array` (manifest of pixels), `entry` (the model's input) and `options`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from cases import each

from dliflow import frameworks
from dliflow.errors import Skip
from dliflow.images import inputs


def tried(framework: str, model: str, array: str, entry: dict, options: dict) -> dict:
    """How far the scores of both devices are apart, or why the GPU cannot run it."""
    module, images = frameworks.load(framework), inputs.make(inputs.read(Path(array), slice(2)), entry)
    asked = {"precision": "fp32", "variant": "default", "batch_size": 2, "threads": None, "options": options}
    try:
        there = module.load(Path(model), device="gpu", **asked).predict(images)
    except Skip as skip:
        return {"skip": str(skip)}
    here = module.load(Path(model), device="cpu", **asked).predict(images)
    return {"apart": float(np.abs(np.subtract(there, here)).max() / np.abs(here).max())}


if __name__ == "__main__":
    each(tried)
