"""Bursts with the anchor beside them, as records hold them, and the reference state. Pure functions of plain data."""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

Reference = Mapping[int, float]
"""A state of the machine: by the anchor's threads the logarithm of what it takes, ms."""
Figure = Callable[[Mapping[str, Any], str], float]
"""Of a round and a member: how long something took in its burst, ms."""

MS = 1e6  # ns


class Bursts(NamedTuple):
    """The bursts of one configuration on one node, in any order: arrays of the same length."""

    level: np.ndarray
    """int: batch size."""
    group: np.ndarray
    """int: which process."""
    session: np.ndarray
    """int: which opening, unique over groups and levels."""
    latency: np.ndarray
    """float64: logarithm of the burst's median, ms."""
    anchor: np.ndarray
    """float64: logarithm of the anchor beside it, ms: the mean over both flanks of the logarithms of their medians."""
    at: np.ndarray
    """float64: when its session began, s."""
    threads: int = 1
    """Of the anchor, for all of them; with others it is another piece of work, which has a reference of its own."""


ARRAYS = Bursts._fields[:-1]


def latency(round_: Mapping[str, Any], name: str) -> float:
    """The median of a burst's requests, ms."""
    return median(round_["latency_ns"][name]) / MS


def median(values: Sequence[float]) -> float:
    """Of a few dozen numbers, of which tables ask a million times: numpy's takes ten times as long."""
    ordered, count = sorted(values), len(values)
    return (ordered[(count - 1) // 2] + ordered[count // 2]) / 2


def beside(session: Mapping[str, Any], figure: Figure = latency) -> Iterator[tuple[int, str, float, float]]:
    """The bursts of a session in the order in which they were: round, member, and logarithms of ms.

    The first is that of the member's burst, the second the mean of those of the anchor's medians beside it.

    Args:
        figure: what of the burst.
    """
    anchors = [math.log(median(durations) / MS) for durations in session["anchor_ns"]]
    place = 0
    for number, round_ in enumerate(session["rounds"]):
        for name in round_["order"]:
            if name in round_["latency_ns"]:
                yield number, name, math.log(figure(round_, name)), (anchors[place] + anchors[place + 1]) / 2
                place += 1


def bursts(groups: Sequence[Mapping[str, Any]], figure: Figure = latency) -> dict[str, Bursts]:
    """Every member's bursts.

    Args:
        groups: `figures.groups` of a record, or of several, one behind the other.
        figure: what of each burst takes the place of its latency.
    """
    rows: dict[str, list[tuple[int, int, int, float, float, float]]] = {}
    threads: dict[str, int] = {}
    sessions = ((number, session) for number, group in enumerate(groups) for session in group["sessions"])
    for opening, (number, session) in enumerate(sessions):
        at = datetime.datetime.fromisoformat(session["started_at"]).timestamp()
        for _, name, value, anchor in beside(session, figure):
            level = session["opened"][name]["batch_size"]
            rows.setdefault(name, []).append((level, number, opening, value, anchor, at))
            threads[name] = session["anchor_threads"]
    return {name: _together(of_member, threads[name]) for name, of_member in rows.items()}


def _together(rows: Iterable[tuple[int, int, int, float, float, float]], threads: int) -> Bursts:
    level, group, session, latency, anchor, at = map(np.array, zip(*rows))
    return Bursts(level, group, session, latency, anchor, at, threads)


def joined(first: Bursts, second: Bursts) -> Bursts:
    """One configuration's bursts of two measurements in a row, whose groups and sessions are others."""
    group, session = (int(values.max()) + 1 for values in (first.group, first.session))
    second = second._replace(group=second.group + group, session=second.session + session)
    arrays: dict[str, Any] = {name: np.concatenate([getattr(first, name), getattr(second, name)]) for name in ARRAYS}
    return first._replace(**arrays)


def where(here: np.ndarray, of: Bursts) -> Bursts:
    """Those of which this is true."""
    arrays: dict[str, Any] = {name: getattr(of, name)[here] for name in ARRAYS}
    return of._replace(**arrays)


def reference_state(of: Iterable[Bursts]) -> dict[int, float]:
    """The anchor's median over a node's sweep; groups of all configurations are spread over the whole of it."""
    anchors: dict[int, list[np.ndarray]] = {}
    for each in of:
        anchors.setdefault(each.threads, []).append(each.anchor)
    return {threads: float(np.median(np.concatenate(each))) for threads, each in anchors.items()}
