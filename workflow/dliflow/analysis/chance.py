"""Is a classifier better than guessing?"""

from __future__ import annotations

import math


def tail(right: int, images: int, classes: int) -> float:
    """Probability that guessing gets at least `right` of `images` right: the upper tail of a binomial distribution."""
    share = 1 / classes
    if share == 1:
        return 1.0
    below = 0.0
    for k in range(right):
        ways = math.lgamma(images + 1) - math.lgamma(k + 1) - math.lgamma(images - k + 1)
        below += math.exp(ways + k * math.log(share) + (images - k) * math.log1p(-share))
    return max(0.0, 1.0 - below)


def warning(right: int, images: int, classes: int) -> str | None:
    """What to check when top-1 is no better than guessing; None when it is, or when so few images could not show it."""
    bound = 0.001
    if tail(right, images, classes) < bound or tail(images, images, classes) >= bound:
        return None
    return (
        f"top-1 looks like chance ({right} of {images} right, {classes} classes): check the model's mean, scale and "
        "channel_order, its classes and label_offset, and the order of the dataset's labels"
    )
