"""measurements.csv: what each measuring process found, and how it was launched, fed and disturbed."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from dliflow.analysis import columns, series, surroundings
from dliflow.analysis.tables import shared
from dliflow.records import record

# Figures of the record that are the row's too; a test compares their kinds with those of the record's schema.
COPIED = (
    *("stopped_by", "warmup_stopped_by", "import_ms", "load_ms", "first_request_ms", "peak_rss_mib", "inputs_mib"),
    *("model_bytes", "distinct_batches", "inputs_exceed_cache"),
)
DISTURBANCES = ("others_cpu_s", "steal_s", "involuntary_switches", "major_faults")
MACHINE = ("cpu", "hostname")


class Process(NamedTuple):
    """A process that gave figures: what performance.csv makes its configuration's row of."""

    row: shared.Row
    durations_ms: np.ndarray
    """Of its requests, float64, in their order."""
    seen: dict[str, Any]
    """What `doubts` looks at: the record's figures and `launch`, the machine's `usable_cpus`, some of the row."""


def rows(study_plan: dict[str, Any]) -> tuple[shared.Rows, dict[tuple, list[Process]]]:
    """One row for each measuring process; and by point (`columns.POINT`) those processes that gave figures."""
    table: shared.Rows = []
    processes: dict[tuple, list[Process]] = {}
    for planned in study_plan["latency"]:
        outcome = record.outcome(planned)
        row = {**shared.identity(planned, outcome), "record": planned["record"]}
        table.append(row)
        if shared.figures(outcome):
            process = _process(row, outcome["record"])
            row.update(process.row)
            processes.setdefault(shared.values(row, columns.POINT), []).append(process)
    return table, processes


def _process(row: shared.Row, of: dict[str, Any]) -> Process:
    """The whole row of a process that gave figures, and what it is made of.

    Args:
        row: its identity.
        of: its record.
    """
    figures, usable_cpus = of["figures"], of["machine"]["usable_cpus"]
    durations = np.array(figures["latency_ns"]) / 1e6
    whole = {
        **row,
        **_durations(durations, figures, row["batch_size"]),
        **{name: figures[name] for name in COPIED},
        **{name: figures["disturbance"][name] for name in DISTURBANCES},
        **{name: _probe_ms(figures, name) for name in ("probe_before_ms", "probe_after_ms")},
        "pacer_ms": surroundings.pacer_ms(figures),
        "pacer": surroundings.pacer(figures),
        "taken_share": surroundings.taken_share([{**figures, "usable_cpus": usable_cpus}]),
        "launch": launch(of),
        "process_ms": of["process_ms"],
        **{name: of["machine"][name] for name in MACHINE},
        "finished_at": of["finished_at"],
    }
    shared_with_doubts = ("batch_size", "threads_in_effect", "latency_half_width", "drift", "drift_p")
    seen = {**figures, **{name: whole[name] for name in shared_with_doubts}}
    return Process(whole, durations, {**seen, "usable_cpus": usable_cpus, "launch": of["launch"]})


def _durations(durations: np.ndarray, figures: dict[str, Any], batch_size: int) -> dict[str, Any]:
    """What the durations of a process's requests tell.

    Args:
        durations: float64 (requests,), ms, in their order.
    """
    median = float(np.median(durations))
    return {
        "requests": len(durations),
        "warmup_requests": len(figures["warmup_ns"]),
        "warmup_ms": sum(figures["warmup_ns"]) / 1e6,
        "latency_p50_ms": median,
        "latency_mean_ms": float(durations.mean()),
        "latency_mad_ms": float(np.median(np.abs(durations - median))),
        "latency_min_ms": float(durations.min()),
        "latency_max_ms": float(durations.max()),
        "latency_half_width": series.half_width(durations),
        "drift": series.drift(durations),
        "drift_p": series.drift_p(durations),
        "fps": batch_size / median * 1e3,
        "fps_wall": batch_size * len(durations) / figures["wall_ms"] * 1e3,
    }


def _probe_ms(figures: dict[str, Any], name: str) -> float | None:
    """What the probe took, ms; None where the framework's threads worked against it."""
    return surroundings.probe_ms(figures[name.replace("_ms", "_ns")]) if figures["at_rest"] else None


def launch(of: dict[str, Any]) -> str:
    """How a record's process was launched and fed where that is not the default, in few words."""
    figures, words = of["figures"], placed(of["launch"]["asked"])
    words += ["random inputs"] if figures["inputs"] == "random" else []
    most = figures["distinct_asked"]
    words += [f"{most} distinct input{'s' if most > 1 else ''}"] if most else []
    return "; ".join(words)


def placed(asked: dict[str, Any]) -> list[str]:
    """What of the config's `launch` is not the default, in words."""
    words = {"cpus": "cpus", "numa_node": "NUMA node", "priority": "nice"}
    given = [f"{word} {asked[key]}" for key, word in words.items() if asked[key] is not None]
    return given + [f"{name}={value}" for name, value in asked["environment"].items()]
