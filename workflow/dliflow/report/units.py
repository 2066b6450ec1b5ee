"""Numbers as people read them."""

from __future__ import annotations

import math
import re
from typing import Optional

from dliflow.analysis.ranking import Figure, More

Number = Optional[float]
EMPTY = "–"
UNIT = r"(?:%|pp|ms|µs|s|min|h|KiB|MiB|GiB|MB|GB|FPS)(?![\w/])"
TOGETHER = re.compile(  # the spaces in `12.6 %`, `3 min 05 s`, `[2.22, 2.30]` and `± 2`
    rf"(?<=\d) (?={UNIT})|(?<=\d min) (?=\d)|(?<=\d h) (?=\d)|(?<=\d,) (?=[−+±]?[\d.,]+\])|(?<=±) (?=\d)"
)


def significant(value: Number, digits: int = 3) -> str:
    """Three significant digits, no exponent, whole numbers never cut: 0.00123, 5.76, 134, 12,345."""
    if value is None:
        return EMPTY
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    text = f"{abs(value):,.{decimals}f}"
    if decimals and float(text.replace(",", "")) >= 10 ** (digits - decimals):
        text = f"{abs(value):,.{decimals - 1}f}"  # 9.996 rounds up into one digit more
    return f"−{text}" if value < 0 else text


def interval(low: Number, high: Number, show=significant) -> str:
    """`[4.68, 7.13]`, or nothing where there is none."""
    return "" if low is None or high is None else f"[{show(low)}, {show(high)}]"


def ratio(value: Number, *beside: Number) -> str:
    """A ratio with two decimals, and as many more as tell it and the ends of its interval from 1.

    What lies in an interval that holds 1 is not told from it: 1.0001 [0.974, 1.027] is 1.00 [0.97, 1.03].
    """
    if value is None:
        return EMPTY
    ratios = sorted(each for each in (value, *beside) if each is not None)
    if len(ratios) == 3 and ratios[0] <= 1 <= ratios[2]:
        del ratios[1]
    off = [abs(each - 1) for each in ratios if f"{each:.2f}" == "1.00" and each != 1]
    decimals = max([2, *(min(6, -math.floor(math.log10(distance))) for distance in off)])
    return f"{value:.{decimals}f}" if value < 10 else significant(value)


def ratio_interval(value: Number, low: Number, high: Number) -> str:
    """The interval of a ratio, with as many decimals as the ratio."""
    return "" if low is None or high is None else f"[{ratio(low, value, high)}, {ratio(high, value, low)}]"


def figure(of: Figure) -> str:
    """`5.76 [4.68, 7.13]`, or the value alone."""
    return f"{significant(of.value)} {interval(*(of.interval or (None, None)))}".rstrip()


def times(of: Figure) -> str:
    """`1.04× [1.01, 1.08]`, or the value alone."""
    low, high = of.interval or (None, None)
    return f"{ratio(of.value, low, high)}× {ratio_interval(of.value, low, high)}".rstrip()


def more(of: More) -> str:
    """What would decide what a comparison left open."""
    groups = "1 more group" if of.groups == 1 else f"{of.groups:,} more groups"
    return f"about {groups}, {duration(of.seconds)}, would tell: raise compare.budget_s"


def percent(share: Number) -> str:
    """A share as `71.9 %`, with a second decimal where it could matter."""
    return EMPTY if share is None else f"{share * 100:.1f} %"


def bare_percent(share: Number) -> str:
    """A share in percent without the sign."""
    return EMPTY if share is None else f"{share * 100:.1f}"


def at_most(share: Number) -> str:
    """An upper bound of a share in percent, rounded up."""
    return EMPTY if share is None else f"{math.ceil(share * 1000) / 10:.1f} %"


def points(change: Number) -> str:
    """A change of a share in percentage points, always with its sign."""
    if change is None:
        return EMPTY
    value = round(change * 100, 1)
    return "±0.0" if value == 0 else f"{value:+.1f}".replace("-", "−")


def mebibytes(size: Number) -> str:
    """Bytes as MiB."""
    return EMPTY if size is None else significant(size / 2**20)


def scientific(value: Number) -> str:
    """Small differences: `8.1e-06`."""
    if value is None:
        return EMPTY
    return "0" if value == 0 else f"{value:.2g}"


def duration(seconds: float) -> str:
    """`0.4 s`, `38 s`, `2 min 05 s`, `3 h 20 min`."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def unbroken(text: str) -> str:
    """With no-break spaces between a figure and its unit, and within durations and intervals."""
    return TOGETHER.sub("\u00a0", text)


def moment(text: str) -> str:
    """`2026-11-26 15:25 UTC` of a record's `2026-11-26T15:25:47+00:00`; another zone keeps its offset."""
    date, zone = text[:16].replace("T", " "), text[-6:]
    return f"{date} {'UTC' if zone == '+00:00' else zone}" if text else ""
