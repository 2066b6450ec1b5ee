"""Records of a study that no framework ran: whole, as the schema wants them, with figures that are made up."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np

from dliflow.analysis import comparison
from dliflow.files import sha256

MACHINE = {"hostname": "host", "cpu": "a CPU", "usable_cpus": 2, "kernel": "6.1"}
IN_EFFECT = {"cpus": "0-1", "outside": "", "priority": 0, "session_priority": 0, "memory": ""}
LAUNCH = {
    "asked": {"cpus": "0-1", "numa_node": None, "priority": None, "environment": {}},
    "in_effect": IN_EFFECT,
}
SPENT = {"wall_s": 1.0, "own_cpu_s": 1.0, "involuntary_switches": 1, "major_faults": 0, "minor_faults": 2}
PACER = {"numpy": "2.4.6", "blas": "scipy-openblas 0.3.31"}
PROBE = {"0": [1_000_000, 1_010_000], "1": [1_000_000, 990_000]}
IMAGES = 40


def write(path: str, stage: str, identity: dict[str, Any], figures: dict[str, Any], **more: Any) -> None:
    """A good record, where it belongs."""
    record = {"schema": 1, "stage": stage, "status": "ok", "reason": None, "identity": identity, "machine": MACHINE}
    record |= {"packages": {}, "environment": {}, "command": [], "finished_at": "2026-01-01T00:00:00+00:00"}
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(json.dumps({**record, "process_ms": 900.0, "figures": figures, **more}), encoding="utf-8")


def study(plan: dict[str, Any], rng: np.random.Generator) -> None:
    """Every record of a plan, below the working directory.

    Scores of all frameworks agree; a quantized model gets an image wrong that others get right.
    """
    for row in plan["parity"]:
        write(row["record"], "parity", identified(row), parity())
    for row in plan["accuracy"]:
        write(row["record"], "accuracy", identified(row), accuracy(Path(row["record"]), row["precision"]))
    for row in plan["latency"]:
        write(row["record"], "latency", {**identified(row), "threads_in_effect": 2}, latency(rng), launch=LAUNCH)
    for row in plan["compare"]:
        members = {comparison.name(one): identified(one) for one in plan["latency"] if one["repetition"] == 1}
        write(row["record"], "compare", {**point(row), "threads": "default"}, compared(members, rng))


def point(row: dict[str, Any]) -> dict[str, Any]:
    """What identifies a row of a plan."""
    return {key: value for key, value in row.items() if key not in ("record", "needs", "reason")}


def identified(row: dict[str, Any]) -> dict[str, Any]:
    """The identity of a configuration that ran."""
    return {**point(row), "framework_version": "1.0", "threads": "default", "options": {}}


def parity() -> dict[str, Any]:
    """Figures of a parity record."""
    differences = {"max_abs_score_diff": 1e-4, "max_rel_score_diff": 1e-5, "score_distance": 1e-4, "agreement": 1.0}
    return {**differences, "images": 8, "tolerance": 1e-3, "distance_bound": 1e-2, "agreement_bound": 0.9}


def accuracy(record: Path, precision: str) -> dict[str, Any]:
    """Figures of an accuracy record, whose predictions are written beside it."""
    labels = [number % 4 for number in range(IMAGES)]
    given = [(label + (precision == "int8" and number == 0)) % 4 for number, label in enumerate(labels)]
    predictions = record.with_suffix(".csv")
    predictions.parent.mkdir(parents=True, exist_ok=True)
    with open(predictions, "w", newline="", encoding="utf-8") as stream:
        lines = csv.writer(stream)
        lines.writerow(["file", "sha256", "label", "class1"])
        lines.writerows([f"{n}.png", str(n), label, one] for n, (label, one) in enumerate(zip(labels, given)))
    right = sum(label == one for label, one in zip(labels, given))
    shares = {"images": IMAGES, "top1_right": right, "top5_right": IMAGES, "peak_rss_mib": 100.0}
    return {**shares, "predictions": predictions.name, "predictions_sha256": sha256(predictions)}


def latency(rng: np.random.Generator, requests: int = 600, drift: float = 0.0) -> dict[str, Any]:
    """Figures of a latency record.

    Args:
        drift: by how much the last request is slower than the first, as a share.
    """
    level = 5e6 * np.exp(rng.normal(0, 0.02))
    durations = level * np.exp(rng.normal(0, 0.02, requests)) * np.linspace(1, 1 + drift, requests)
    return {
        "latency_ns": durations.astype(int).tolist(),
        "warmup_ns": [6_000_000] * 5,
        "stopped_by": "requests",
        "warmup_stopped_by": "steady",
        "wall_ms": float(durations.sum()) / 1e6,
        "import_ms": 300.0,
        "load_ms": 50.0,
        "first_request_ms": 9.0,
        "peak_rss_mib": 150.0,
        "model_bytes": 5_000_000,
        "inputs": "images",
        "inputs_mib": 2.0,
        "distinct_batches": 4,
        "distinct_asked": None,
        "inputs_exceed_cache": True,
        "disturbance": {
            **{**SPENT, "others_cpu_s": 0.01, "steal_s": 0.0},
            **{"frequencies_before_mhz": {}, "frequencies_after_mhz": {}},
        },
        "probe_before_ns": PROBE,
        "probe_after_ns": PROBE,
        "pacer_ns": [[600_000] * 5] * 3,
        "pacer": PACER,
        "at_rest": True,
        "requests_asked": requests,
        "width_asked": None,
    }


def compared(members: dict[str, dict[str, Any]], rng: np.random.Generator) -> dict[str, Any]:
    """Figures of a comparison of all members, in three groups of four rounds."""
    first, *others = members

    def bursts(pace: float) -> dict[str, Any]:
        durations = {name: (5e6 * pace * np.exp(rng.normal(0, 0.01, 5))).astype(int).tolist() for name in members}
        pacer_ns = [int(6e5 * pace)] * 5
        return {"order": list(members), "latency_ns": durations, "probe_ns": dict.fromkeys(members, PROBE),
                "pacer_ns": pacer_ns}  # fmt: skip

    told = {"disturbance": SPENT, "peak_rss_mib": 120.0, "launch": LAUNCH}
    group = {"disturbance": {"wall_s": 1.0, "others_cpu_s": 0.01, "steal_s": 0.0}, "told": dict.fromkeys(members, told)}
    return {
        "members": members,
        "missing": {"gone-default-fp32-default": "its process died"},
        "pairs": [{"first": first, "second": other, "purpose": "leaders"} for other in others],
        "groups": [{**group, "rounds": [bursts(pace) for pace in (1.0, 1.2, 1.0, 1.2)]} for _ in range(3)],
        "pacer": PACER,
        "stopped_by": "width",
        "width_asked": 0.01,
        "wall_s": 9.0,
        "measured_s": 5.0,
    }
