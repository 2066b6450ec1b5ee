"""What bursts of several requests in flight tell: images per second, latencies under that load, where the knee is.

Pure functions of plain data. All of a burst's figures are of its window, in which all lanes were busy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Optional

import numpy as np

ENOUGH = 0.95  # of the most images per second: fewer requests in flight that reach it are as good


class Busy(NamedTuple):
    """A burst's window."""

    wall_ns: int
    requests: float
    """Completed inside; one that lies there with a part of its time counts by that part."""
    latency_ns: np.ndarray
    """int64: of those that lie wholly inside, in the order in which they started."""


def busy(round_: Mapping[str, Any], name: str) -> Busy:
    """A member's burst of a round.

    Whole requests alone would miscount: of requests that run in step a window holds one more or less of each lane.
    """
    started, latency = (np.array(round_[key][name], np.int64) for key in ("started_ns", "latency_ns"))
    opened, closed = round_["window_ns"][name]
    ended = started + latency
    inside = np.minimum(ended, closed) - np.maximum(started, opened)
    requests = float((np.maximum(inside, 0) / latency).sum())
    whole = (started >= opened) & (ended <= closed)
    order = np.argsort(started[whole], kind="stable")
    return Busy(closed - opened, requests, latency[whole][order])


def request_ms(round_: Mapping[str, Any], name: str) -> float:
    """Wall time for each request of a burst, ms: what `state` regresses on the anchor, as it does with latencies."""
    of = busy(round_, name)
    return of.wall_ns / of.requests / 1e6


class Reached(NamedTuple):
    """Images per second at one number of requests in flight, and the upper end of the interval where there is one."""

    in_flight: int
    value: float
    high: Optional[float]


def knee(of: Sequence[Reached]) -> int:
    """The smallest number of requests in flight whose interval reaches 95 % of the most images per second.

    Args:
        of: at least one, all of the same configuration and batch size.
    """
    most = max(each.value for each in of)
    return min(each.in_flight for each in of if (each.high or each.value) >= ENOUGH * most)
