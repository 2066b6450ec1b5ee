"""What a comparison in rounds says of a leader against its reference, in words and figures."""

from __future__ import annotations

from typing import NamedTuple, Optional

from dliflow.report import names
from dliflow.report.read import Row


class Gain(NamedTuple):
    """A leader against its reference."""

    first: str
    second: str
    purpose: str
    ratio: float
    interval: tuple[Optional[float], Optional[float]]


def gain(row: Row) -> Gain:
    """A row of comparison.csv that sets a leader against its reference."""
    interval = (row["ratio_ci_low"], row["ratio_ci_high"])
    return Gain(names.member(row["first"]), names.member(row["second"]), row["purpose"], row["ratio"], interval)
