"""EfficientNet-Lite0, as the package of its weights' authors defines it."""

from __future__ import annotations


def build():
    """1000 classes, input 3 x 224 x 224."""
    from efficientnet_lite_pytorch import EfficientNet

    return EfficientNet.from_name("efficientnet-lite0")
