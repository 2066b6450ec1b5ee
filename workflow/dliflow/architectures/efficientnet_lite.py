"""EfficientNet-Lite, as the package of its weights' authors defines it."""

from __future__ import annotations

from dliflow.errors import DliflowError

VARIANTS = ("lite0", "lite1", "lite2", "lite3", "lite4")


def build(variant: str):
    """1000 classes; the input's size is the variant's: 224, 240, 260, 280 or 300 pixels.

    Args:
        variant: `lite0` to `lite4`.
    """
    from efficientnet_lite_pytorch import EfficientNet

    if variant not in VARIANTS:
        raise DliflowError(f"source.options.variant: '{variant}' is unknown; known ones: {', '.join(VARIANTS)}")
    return EfficientNet.from_name(f"efficientnet-{variant}")
