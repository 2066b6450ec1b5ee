"""torchvision beside PyTorch's build for CPUs, and what it calls its ways of resizing."""

from __future__ import annotations

import sys
from types import ModuleType

# Operators whose names torchvision's import needs (torchvision/_meta_registrations.py, 0.28); classifiers use none.
_NEEDED = {
    "nms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}


def torchvision() -> ModuleType:
    """The package with `models` and `transforms`.

    Its wheel on the usual index is built for CUDA: beside PyTorch for CPUs its compiled operators do not load, and the
    import fails. It does not when their names are declared.
    """
    try:
        return _imported()
    except RuntimeError:  # operator torchvision::nms does not exist
        import torch

        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        for name, schema in _NEEDED.items():
            torch.library.define(f"torchvision::{name}", schema)
        return _imported()


def _imported() -> ModuleType:
    import torchvision.models
    import torchvision.transforms

    return torchvision


def pixels(shares: tuple[float, ...]) -> list[float]:
    """Mean or standard deviation of values from 0 to 1, in units of pixels from 0 to 255."""
    return [round(255 * share, 6) for share in shares]
