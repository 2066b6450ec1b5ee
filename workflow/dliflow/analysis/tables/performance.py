"""performance.csv: the latency and FPS of each configuration and batch size, its repetitions pooled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from dliflow.analysis import columns, doubts, stats
from dliflow.analysis.tables import shared
from dliflow.analysis.tables.measurements import Process

KNOWN = ("framework_version", "threads", "status", "reason")  # columns of a row without figures beside its identity
OF_ALL = ("framework_version", "threads", "threads_in_effect", "model_bytes", "launch")  # the same in all repetitions
MEDIANS = ("import_ms", "load_ms", "first_request_ms")


def rows(measurement_rows: shared.Rows, processes: dict[tuple, list[Process]], parity_rows: shared.Rows) -> shared.Rows:
    """One row for each configuration and batch size.

    Args:
        measurement_rows: those of measurements.csv, and `processes` those of them that gave figures.
    """
    parity = {shared.values(row): row for row in parity_rows}
    points: dict[tuple, shared.Rows] = {}
    for row in measurement_rows:
        points.setdefault(shared.values(row, columns.POINT), []).append(row)
    table = []
    for point, repetitions in points.items():
        good = processes.get(point, [])
        failed = next((row for row in repetitions if row["status"] == "failed"), None)
        first = failed or (good[0].row if good else repetitions[0])
        row = {name: first.get(name) for name in (*columns.POINT, *KNOWN)}
        if good:
            row.update(_pooled(good, row["batch_size"]))
        if failed and good:
            others = len(repetitions) - len(good)
            row["reason"] = f"{others} of {len(repetitions)} repetitions: {failed['reason']}"
        shared.fail_with_parity(row, parity[shared.values(row)])
        table.append(row)
    return table


def _pooled(good: Sequence[Process], batch_size: int) -> dict[str, Any]:
    """The figures of a configuration's good processes."""
    durations, repetitions = [process.durations_ms for process in good], [process.row for process in good]
    latency = stats.latency(durations)
    low, high = stats.latency_interval(durations) or (None, None)
    peaks = [row["peak_rss_mib"] for row in repetitions if row["peak_rss_mib"] is not None]
    return {
        **{name: repetitions[0].get(name) for name in OF_ALL},
        **{f"latency_p{percent}_ms": stats.percentile(durations, percent) for percent in (90, 95, 99)},
        **{name: float(np.median([row[name] for row in repetitions])) for name in MEDIANS},
        **_over_pacer(repetitions),
        "latency_p50_ms": latency,
        "latency_ci_low_ms": low,
        "latency_ci_high_ms": high,
        "fps": batch_size / latency * 1e3,
        "fps_ci_low": None if high is None else batch_size / high * 1e3,
        "fps_ci_high": None if low is None else batch_size / low * 1e3,
        "peak_rss_mib": max(peaks, default=None),
        "requests": sum(map(len, durations)),
        "repetitions": len(good),
        "warnings": "; ".join(_warnings(durations, good)),
    }


def _over_pacer(repetitions: shared.Rows) -> dict[str, Any]:
    """What the pacer took, and latency over that with its interval; over repetitions, as the latency itself."""
    name = "latency_over_pacer"
    if any(row["pacer_ms"] is None for row in repetitions):
        return {}
    ratios = [np.array([row["latency_p50_ms"] / row["pacer_ms"]]) for row in repetitions]
    low, high = stats.latency_interval(ratios) or (None, None)
    pace = stats.latency([np.array([row["pacer_ms"]]) for row in repetitions])
    return {"pacer_ms": pace, name: stats.latency(ratios), f"{name}_ci_low": low, f"{name}_ci_high": high}


def _warnings(durations: Sequence[np.ndarray], good: Sequence[Process]) -> list[str]:
    """What weakens the figures of a configuration, and what to do about it.

    Args:
        durations: for each of its processes those of the requests, ms.
    """
    warnings = []
    if len(durations) < 2:
        warnings.append("one repetition: no interval; set latency.repetitions to 2 or more")
    medians = [float(np.median(values)) for values in durations]
    if max(medians) > 1.2 * min(medians):
        warnings.append(
            f"repetitions differ: medians {min(medians):.2f} to {max(medians):.2f} ms; raise latency.repetitions"
        )
    fewest = min(map(len, durations))
    if fewest < 20:
        warnings.append(f"only {fewest} requests in a repetition; raise latency.limit_s")
    if len({process.row["launch"] for process in good}) > 1:
        warnings.append("repetitions were launched in different ways; run the workflow again to its end")
    if len({process.row["cpu"] for process in good}) > 1:
        warnings.append("repetitions come from different CPU models under one node name; give each machine its own")
    seen = [process.seen for process in good]
    return [*warnings, *doubts.goals(seen), *doubts.launches(seen), *doubts.disturbances(seen)]
