"""Between which bounds the quality that a configuration costs lies, as far as its images tell."""

from __future__ import annotations

import math
from typing import NamedTuple, Optional

from dliflow.analysis import stats
from dliflow.analysis.rows import Row
from dliflow.analysis.tables.accuracy import Loss

LOSS, DISAGREEMENT = "loss", "disagreement"  # by what quality may be bounded


class Bounds(NamedTuple):
    """Between which a figure lies."""

    low: float
    high: float

    @property
    def known(self) -> bool:
        """Whether there is but one value between them."""
        return self.low == self.high


NOTHING_KNOWN, NOT_COMPARED, NONE_LOST = Bounds(0.0, math.inf), Bounds(0.0, 1.0), Bounds(0.0, 0.0)


class Quality(NamedTuple):
    """What a configuration costs, as far as images tell."""

    row: Optional[Row]
    """Of accuracy.csv; None where there is none that is well."""
    loss: Bounds
    """Of top-1 against its FP32, a share."""
    disagreement: Bounds
    """Share of images whose top-1 class is another one than its FP32's."""

    @property
    def chance(self) -> str:
        """What says that its top-1 is no better than guessing; such a one is never recommended."""
        return (self.row and self.row["warnings"]) or ""

    @property
    def most(self) -> Optional[float]:
        """So much of top-1 is lost at most; None where it is set against nothing, or against what guesses."""
        compared = self.row is not None and self.row["top1_change"] is not None and self.loss != NOT_COMPARED
        return self.loss.high if compared else None

    @property
    def alone(self) -> Optional[float]:
        """What images alone tell of that where parity tells it, which is of FP32; None where images do."""
        if self.row is None or self.most is None or self.row["precision"] != "fp32":
            return None
        return Loss.of(self.row).most

    def within(self, kind: str) -> Bounds:
        """The bounds of one kind; of what is no better than guessing nothing is certain, whatever is accepted."""
        bounds: Bounds = getattr(self, kind)
        return bounds._replace(high=math.inf) if self.chance else bounds


def quality(row: Optional[Row]) -> Quality:
    """From its row of accuracy.csv.

    FP32 keeps the original's arithmetic, and parity holds its scores to the original's but for rounding. So it loses
    nothing but what images show, where of all else it has to be shown how little it loses.
    """
    if row is None or row["status"] != "ok":
        return Quality(None, NOT_COMPARED, NOT_COMPARED)
    exact = row["precision"] == "fp32"
    blind = (row["verdict"] or "").startswith("cannot tell: the baseline")
    if row["top1_change"] is None or blind:
        return Quality(row, *[NONE_LOST if exact and not blind else NOT_COMPARED] * 2)
    loss, low = Loss.of(row), max(0.0, -row["top1_change_ci_high"])
    agreement = row["unlabelled_agreement_ci_low"], row["unlabelled_agreement_ci_high"]
    if agreement[0] is None:
        agreement = stats.share_interval(row["agreement"] * row["images"], row["images"])
    each = Bounds(low, max(low, loss.most)), Bounds(1 - agreement[1], 1 - agreement[0])
    return Quality(row, *(Bounds(one.low, one.low) if exact else one for one in each))
