"""performance.csv: the latency and FPS of each configuration and batch size, over all of its sessions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Optional

import numpy as np

from dliflow.analysis import columns, comparison, doubts, race, state, stats
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
MEDIANS = ("import_ms", "load_ms", "first_request_ms", "anchor_ms")


class Node(NamedTuple):
    """What all points of a node have in common."""

    reference: state.Reference
    estimates: Mapping[tuple[tuple, int], Estimate]
    """By what `_key` tells of a row, and batch size."""


def rows(measured: Measured, parity_rows: shared.Rows) -> shared.Rows:
    """One row for each configuration and batch size."""
    parity = {shared.values(row): row for row in parity_rows}
    points: dict[tuple, shared.Rows] = {}
    for row in measured.rows:
        points.setdefault(shared.values(row, columns.POINT), []).append(row)
    nodes = by_node(measured)
    table = []
    for point, its_rows in points.items():
        sessions = measured.sessions[point]
        failed = [row for row in its_rows if row["status"] == "failed"]
        first = failed[0] if failed else its_rows[0]
        row = {name: first.get(name) for name in (*columns.POINT, *KNOWN)}
        if sessions:
            row.update(_figures(sessions, row["batch_size"], nodes[row["node"]]))
        if failed and sessions:
            groups = len({one["group"] for one in its_rows})
            row["reason"] = f"{len(failed)} of {groups} groups: {failed[0]['reason']}"
        if point in measured.tuned:
            row.update(_gain(measured.tuned[point]))
        shared.fail_with_parity(row, parity[shared.values(row)])
        table.append(row)
    return table


def by_node(measured: Measured) -> dict[str, Node]:
    """The estimates of every node's study, each at its own reference state, which is that of its sweep."""
    node = columns.MEASURED.index("node")
    bursts: dict[str, dict[tuple, state.Bursts]] = {}
    for configuration, groups in measured.groups.items():
        (of_groups,) = state.bursts(groups).values()
        bursts.setdefault(configuration[node], {})[configuration] = of_groups
    of_sweep = {name: state.reference_state(of_node.values()) for name, of_node in bursts.items()}
    for point, groups in measured.tuned.items():
        bursts[point[node]][point] = state.bursts(groups)[race.TUNED]
    nodes = {}
    for name, of_node in bursts.items():
        reference = state.reference_state(of_node.values()) | of_sweep[name]
        nodes[name] = Node(reference, state.estimates(of_node, reference))
    return nodes


def _key(row: shared.Row) -> tuple:
    """What has a slope of its own: a configuration, and each batch size of a tuned one, whose settings may differ."""
    return shared.values(row, columns.POINT if row["parameters"] == race.TUNED else columns.MEASURED)


def _gain(groups: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Of tuned settings, over the default ones that they took turns with."""
    ratio = comparison.ratio(groups, race.PAIR)
    low, high = ratio.interval or (None, None)
    return {"tuned_ratio": ratio.ratio, "tuned_ratio_ci_low": low, "tuned_ratio_ci_high": high}


def _figures(sessions: Sequence[Session], batch_size: int, node: Node) -> dict[str, Any]:
    """The figures of a point."""
    durations, session_rows = [session.durations_ms for session in sessions], [session.row for session in sessions]
    estimate = node.estimates[_key(session_rows[0]), batch_size]
    low, high = estimate.interval or (None, None)
    reference_low, reference_high = estimate.reference_interval or (None, None)
    threads = session_rows[0]["anchor_threads"]
    peaks = [row["peak_rss_mib"] for row in session_rows if row["peak_rss_mib"] is not None]
    energies = [row["energy_mj"] for row in session_rows if row["energy_mj"] is not None]
    return {
        **{name: session_rows[0].get(name) for name in OF_ALL},
        **{f"latency_p{percent}_ms": stats.percentile(durations, percent) for percent in (90, 95, 99)},
        **{name: float(np.median([row[name] for row in session_rows])) for name in MEDIANS},
        "latency_p50_ms": estimate.latency,
        "latency_ci_low_ms": low,
        "latency_ci_high_ms": high,
        "latency_mean_ms": float(np.mean([values.mean() for values in durations])),
        "latency_min_ms": float(min(values.min() for values in durations)),
        "fps": batch_size / estimate.latency * 1e3,
        "fps_ci_low": None if high is None else batch_size / high * 1e3,
        "fps_ci_high": None if low is None else batch_size / low * 1e3,
        "latency_reference_ms": estimate.reference,
        "latency_reference_ci_low_ms": reference_low,
        "latency_reference_ci_high_ms": reference_high,
        "state_slope": estimate.slope,
        "anchor_threads": threads,
        "reference_anchor_ms": math.exp(node.reference[threads]),
        "peak_rss_mib": max(peaks, default=None),
        "energy_mj": float(np.median(energies)) if energies else None,
        "requests": sum(map(len, durations)),
        "groups": len({id(session.seen.group) for session in sessions}),
        "sessions": len(sessions),
        "warnings": "; ".join(_warnings(sessions, estimate.reference_interval)),
    }


def _warnings(sessions: Sequence[Session], interval: Optional[tuple[float, float]]) -> list[str]:
    """What weakens the figures of a point, and what to do about it."""
    warnings = []
    if len({session.row["launch"] for session in sessions}) > 1:
        warnings.append("groups were launched in different ways; run the workflow again to its end")
    if len({session.row["cpu"] for session in sessions}) > 1:
        warnings.append("groups come from different CPU models under one node name; give each machine its own")
    if len({(session.row["kernel"], session.row["microcode"]) for session in sessions}) > 1:
        warnings.append("groups were measured with different kernels or microcode; measure again what was before")
    half_width = None if interval is None else math.sqrt(interval[1] / interval[0]) - 1
    return [*warnings, *doubts.of_point([session.seen for session in sessions], half_width)]
