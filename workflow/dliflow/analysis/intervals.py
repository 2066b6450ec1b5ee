"""Intervals of positive figures and of their ratios; without scipy, since rules import who uses this for names only."""

from __future__ import annotations

import math
from typing import Optional

Interval = Optional[tuple[float, float]]


def half_width(interval: tuple[float, float]) -> float:
    """Half the width of an interval of something positive, of its logarithm."""
    return math.log(interval[1] / interval[0]) / 2


def ratio_interval(ratio: float, *of: Interval) -> Interval:
    """The interval of a ratio, or product, of figures whose errors are independent; None where one of them has none.

    Half widths of logarithms add in squares, and the interval is symmetric there.
    """
    known = [each for each in of if each is not None]
    if len(known) < len(of):
        return None
    half = math.hypot(*map(half_width, known))
    return ratio * math.exp(-half), ratio * math.exp(half)
