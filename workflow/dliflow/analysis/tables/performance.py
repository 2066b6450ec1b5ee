"""performance.csv: the latency and FPS of each configuration and batch size, over all of its sessions."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Optional

import numpy as np

from dliflow.analysis import anchored, columns, comparison, doubts, race, state, stats, strain
from dliflow.analysis.rows import grouped
from dliflow.analysis.state import Estimate
from dliflow.analysis.tables import shared
from dliflow.analysis.tables.measurements import Measured, Session

KNOWN = ("framework_version", "threads", "status", "reason")  # columns of a row without figures beside its identity
OF_ALL = (
    "framework_version",
    "threads",
    "threads_in_effect",
    "model_bytes",
    "launch",
    "settings",
    "cpu",
    "kernel",
    "microcode",
)  # the same in all sessions
OF_THE_MACHINE = ("node", "anchor_threads", "anchor_ms", "taken_share")
MEDIANS = ("import_ms", "load_ms", "first_request_ms", "anchor_ms")


class Point(NamedTuple):
    """What is known of a point before its node's reference state is."""

    row: shared.Row
    """Identity, status and reason, and all figures that need no other point."""
    measured: bool
    """Whether there are any."""
    key: tuple
    """What it has its slope in common with."""
    warnings: tuple[list[str], list[str]] = ([], [])
    """Those before and behind what its interval says."""
    sessions: Sequence[shared.Row] = ()
    """What of their rows tells how the machine was."""


class Node(NamedTuple):
    """What a node's whole study tells."""

    reference: anchored.Reference
    bursts: Mapping[tuple, anchored.Bursts]
    """By what has a slope of its own."""
    estimates: Mapping[tuple[tuple, int], Estimate]
    """By that and the batch size."""


class Swept:
    """What a study's configurations leave for its table, a few numbers for each point, so that thousands fit.

    Attributes:
        bursts: by node and configuration those of the sweep, whose anchors tell the reference state.
        best: `strain.best_states` of all sessions.
    """

    def __init__(self) -> None:
        self.bursts: dict[str, dict[tuple, anchored.Bursts]] = {}
        self.best: strain.Best = {}
        self._tuned: dict[str, dict[tuple, anchored.Bursts]] = {}
        self._rounds: dict[tuple, list[anchored.Bursts]] = {}
        self._points: list[Point] = []

    def add(self, measured: Measured) -> None:
        """Take note of a configuration."""
        gain = _gain(measured.groups) if measured.tuned else {}
        self.best = strain.best_states(measured.rows, self.best)
        if measured.groups:
            bursts = anchored.bursts(measured.groups)
            of_node = (self._tuned if measured.tuned else self.bursts).setdefault(measured.node, {})
            of_node[measured.key] = bursts[race.TUNED] if measured.tuned else next(iter(bursts.values()))
        for point, its_rows in grouped(measured.rows, columns.POINT).items():
            one = _point(its_rows, measured.sessions[point], measured.key)
            self._points.append(one._replace(row=one.row | gain))

    def add_rounds(self, planned: shared.Row, groups: Sequence[Mapping[str, Any]]) -> None:
        """Take note of a comparison: the latencies of its members are known from these sessions, too.

        Args:
            planned: the plan's row.
            groups: as `figures.groups` of its record.
        """
        setting = shared.values(planned, columns.SETTING)
        for member, bursts in anchored.bursts(groups).items():
            self._rounds.setdefault((*setting, comparison.candidate(member)), []).append(bursts)

    def reference(self, node: str) -> dict[int, float]:
        """The reference state of a node: that of its sweep, of settings that were tuned alone that of these."""
        swept, tuned = (of.get(node, {}).values() for of in (self.bursts, self._tuned))
        return anchored.reference_state([*swept, *tuned]) | anchored.reference_state(swept)

    def rows(self, parity_rows: shared.Rows, best: Optional[strain.Best] = None) -> shared.Rows:
        """One row for each configuration and batch size, each node's at the reference state of its own sweep.

        Args:
            best: `strain.best_states` of the study; without it that of all sessions.
        """
        parity = {shared.values(row): row for row in parity_rows}
        nodes = {node: self._node(node) for node in {**self.bursts, **self._tuned}}
        table = []
        for point in self._points:
            row = point.row
            if point.measured:
                known = nodes[row["node"]]
                threads, estimate = known.bursts[point.key].threads, known.estimates[point.key, row["batch_size"]]
                strained = strain.of_groups(point.sessions, best or self.best)
                row = row | _at_reference(point, known.reference[threads], estimate, strained)
                row["anchor_threads"] = threads
            shared.fail_with_parity(row, parity[shared.values(row)])
            table.append(row)
        return table

    def _node(self, node: str) -> Node:
        every, reference = self.bursts.get(node, {}) | self._tuned.get(node, {}), self.reference(node)
        return Node(reference, every, state.estimates(every, reference, rounds=self.in_rounds(every)))

    def in_rounds(self, of: Mapping[tuple, anchored.Bursts]) -> dict[tuple, anchored.Bursts]:
        """The bursts that comparisons add to those of a node's configurations.

        Where the anchor had other threads in them, that is another anchor; and what has no figure at a batch size gets
        none.
        """
        added = {}
        for key, each in of.items():
            row = dict(zip(columns.MEASURED, key))
            parts = self._rounds.get((*shared.values(row, columns.SETTING), comparison.name(row)), [])
            same = [one for one in parts if one.threads == each.threads and np.isin(one.level, each.level).any()]
            if same:
                together = functools.reduce(anchored.joined, same)
                added[key] = anchored.where(np.isin(together.level, each.level), together)
        return added


def rows(configurations: Iterable[Measured], parity_rows: shared.Rows) -> shared.Rows:
    """The whole table."""
    swept = Swept()
    for measured in configurations:
        swept.add(measured)
    return swept.rows(parity_rows)


def _point(its_rows: shared.Rows, sessions: Sequence[Session], key: tuple) -> Point:
    """A point by its rows of measurements.csv, and by those of its sessions that gave figures."""
    failed = [row for row in its_rows if row["status"] == "failed"]
    first = failed[0] if failed else its_rows[0]
    row = {name: first.get(name) for name in (*columns.POINT, *KNOWN)}
    if not sessions:
        return Point(row, False, key)
    if failed:
        groups = len({one["group"] for one in its_rows})
        row["reason"] = f"{len(failed)} of {groups} groups: {failed[0]['reason']}"
    told = [{name: session.row[name] for name in OF_THE_MACHINE} for session in sessions]
    busy = strain.of_groups(told, strain.best_states(told)).busy
    warnings = _differing(sessions), doubts.of_point([session.seen for session in sessions], busy=busy)
    return Point(row | _figures(sessions), True, key, warnings, told)


def _gain(groups: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Of tuned settings, over the default ones that they took turns with."""
    ratio = comparison.ratio(groups, race.PAIR)
    low, high = ratio.interval or (None, None)
    return {"tuned_ratio": ratio.ratio, "tuned_ratio_ci_low": low, "tuned_ratio_ci_high": high}


def _figures(sessions: Sequence[Session]) -> dict[str, Any]:
    """The figures of a point that its own sessions tell."""
    durations, session_rows = [session.durations_ms for session in sessions], [session.row for session in sessions]
    peaks = [row["peak_rss_mib"] for row in session_rows if row["peak_rss_mib"] is not None]
    energies = [row["energy_mj"] for row in session_rows if row["energy_mj"] is not None]
    return {
        **{name: session_rows[0].get(name) for name in OF_ALL},
        **{f"latency_p{percent}_ms": stats.percentile(durations, percent) for percent in (90, 95, 99)},
        **{name: float(np.median([row[name] for row in session_rows])) for name in MEDIANS},
        "latency_mean_ms": float(np.mean([values.mean() for values in durations])),
        "latency_min_ms": float(min(values.min() for values in durations)),
        "peak_rss_mib": max(peaks, default=None),
        "energy_mj": float(np.median(energies)) if energies else None,
        "requests": sum(map(len, durations)),
        "groups": len({id(session.seen.group) for session in sessions}),
        "sessions": len(sessions),
    }


def _at_reference(point: Point, reference: float, estimate: Estimate, strained: strain.Strain) -> dict[str, Any]:
    """The figures of a point that rest on the whole study of its node.

    Args:
        reference: the state that the estimate is of, logarithm of ms.
        strained: what others did to its groups.
    """
    batch_size, interval = point.row["batch_size"], estimate.reference_interval
    low, high = estimate.interval or (None, None)
    reference_low, reference_high = interval or (None, None)
    half_width = None if interval is None else math.sqrt(interval[1] / interval[0]) - 1
    before, behind = point.warnings
    return {
        "latency_p50_ms": estimate.latency,
        "latency_ci_low_ms": low,
        "latency_ci_high_ms": high,
        "fps": batch_size / estimate.latency * 1e3,
        "fps_ci_low": None if high is None else batch_size / high * 1e3,
        "fps_ci_high": None if low is None else batch_size / low * 1e3,
        "latency_reference_ms": estimate.reference,
        "latency_reference_ci_low_ms": reference_low,
        "latency_reference_ci_high_ms": reference_high,
        "state_slope": estimate.slope,
        "reference_anchor_ms": math.exp(reference),
        "warnings": doubts.joined([*doubts.of_strain(strained), *before, *doubts.of_interval(half_width), *behind]),
    }


def _differing(sessions: Sequence[Session]) -> list[str]:
    """What was not the same in all groups of a point, and what to do about it."""
    warnings = []
    if len({session.row["launch"] for session in sessions}) > 1:
        warnings.append("groups were launched in different ways; run the workflow again to its end")
    if len({session.row["cpu"] for session in sessions}) > 1:
        warnings.append("groups come from different CPU models under one node name; give each machine its own")
    if len({(session.row["kernel"], session.row["microcode"]) for session in sessions}) > 1:
        warnings.append("groups were measured with different kernels or microcode; measure again what was before")
    return warnings
