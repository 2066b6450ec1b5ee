"""Finished studies of several machines and months that nobody measured: what versions do to figures is made up, seeded.

They look like those of the default study: the same tables, with sessions, accuracy and records that tell of a machine.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
from study_rows import ABOUT, Row, point, quality, tables_of

from dliflow.analysis import columns
from dliflow.files import digest, sha256, write_json
from dliflow.study import paths

FACTS = {"hostname": "a host", "cpu": "A CPU", "architecture": "x86_64", "logical_cpus": 4, "memory_mib": 15990,
         "kernel": "6.1.0", "microcode": "0x10", "load_1min": 0.1}  # fmt: skip
WAYS = {  # framework: latency of fp32, ms; slope; precisions
    "openvino": (6.0, 1.0, ("fp32", "fp16", "bf16", "int8")),
    "onnxruntime": (6.3, 0.7, ("fp32", "fp16", "int8")),
    "pytorch": (11.0, 0.6, ("fp32", "bf16", "int8")),
    "opencv": (9.0, 0.8, ("fp32", "int8")),
    "tensorflow": (19.0, 0.7, ("fp32", "bf16")),
    "tflite": (16.0, 0.1, ("fp32", "fp16", "int8")),
    "mxnet": (21.0, 0.9, ("fp32", "int8")),
}
BYTES = {"fp32": 20_000_000, "fp16": 10_000_000, "bf16": 10_000_000, "int8": 5_000_000}
SPEED = {"fp32": 1.0, "fp16": 1.05, "bf16": 1.6, "int8": 0.5}
ANCHOR = "a runtime 1.0 0a1b"
ANCHOR_MS, SESSIONS, QUANTILE = 3.0, 5, 2.776  # Student's t of four degrees of freedom
BEGIN = datetime(2024, 1, 15, 6, 0, tzinfo=timezone.utc)
PAGE = """<!DOCTYPE html><html lang="en"><head><title>A study</title></head>
<body><a href="#answer">in it</a> <a href="../tables/performance.csv">a table</a>
<script type="application/json" id="data">{"text": "<a href=\\"../x\\">kept</a>"}</script></body></html>"""
SUMMARY = {"version": 1}


@dataclass(frozen=True)
class World:
    """Which version of each framework there is in a month, and how fast it is.

    Attributes:
        speed: of a version's latency over that of the first one, by framework and month; seeded where it is not given.
    """

    seed: int = 0
    models: Sequence[str] = ("tiny",)
    frameworks: Sequence[str] = ("openvino", "tflite")
    sizes: Sequence[int] = (1, 4)
    every: int = 4
    speed: Mapping[tuple[str, int], float] = field(default_factory=dict)

    def release(self, framework: str, month: int) -> int:
        """Number of the version that is out in a month; frameworks do not release together."""
        return (month + len(framework)) // self.every

    def factor(self, framework: str, month: int) -> float:
        """What the version of this month makes of a latency."""
        if (framework, month) in self.speed:
            return self.speed[framework, month]
        steps = range(1, self.release(framework, month) + 1)
        return math.exp(sum(self.rng("release", framework, step).normal(0, 0.05) for step in steps))

    def rng(self, *of: Any) -> np.random.Generator:
        """Another one for everything, the same each time."""
        return np.random.default_rng(int(digest([self.seed, *map(str, of)]), 16))


def study(
    folder: Path,
    world: World,
    month: int = 0,
    facts: Mapping[str, Any] = FACTS,
    pace: float = 1.0,
    state: float | None = None,
    images: str = "aa",
    origin: str = "0f",
    page: str = PAGE,
    doubt: str = "",
    **about: Any,
) -> Path:
    """A study as a finished run leaves it, in `folder`.

    Args:
        facts: of the machine, as `facts.describe` gives them.
        pace: how much slower the machine is than another one.
        state: what the anchor took in this study over what it usually takes; seeded when absent.
        images: digest of the list of images.
        origin: digest of the model's own file.
        doubt: what the study says of a machine that was too busy.
        about: keys of about.json that are other ones.
    """
    rng, date = world.rng("study", month, facts), BEGIN + timedelta(days=30.44 * month)
    state = math.exp(rng.normal(0, 0.04)) if state is None else state
    points, accuracy = [], []
    for model in world.models:
        for framework in world.frameworks:
            points += _points(world, model, framework, month, pace, state, rng, date)
            accuracy += _accuracy(world, model, framework, month)
        record = {"identity": {"origin": origin, "list_sha256": images}, "figures": {"inputs": "images"}}
        record |= {"machine": dict(facts), "finished_at": date.isoformat(timespec="seconds")}
        for stage in ("sweep", "accuracy"):
            write_json(folder / "results" / stage / f"{model}.json", record)
    for _, sessions in points:
        for one in sessions:
            one.update(cpu=facts["cpu"], hostname=facts["hostname"], finished_at=date.isoformat())
    tables_of(points, accuracy, folder / "results/tables")
    entry = {"title": "A tiny network", "licence": "MIT", "from": [{"path": "data/tiny.onnx"}]}
    of_models = {"models": dict.fromkeys(world.models, entry)}
    write_json(folder / paths.ABOUT, {**ABOUT, "method": 1, "environments": {}, **of_models, **about})
    report = folder / paths.REPORT
    report.parent.mkdir(parents=True, exist_ok=True)
    report.write_text(page, encoding="utf-8")
    write_json(folder / paths.SUMMARY_DATA, {**SUMMARY, **({"doubts": {"machine": [doubt]}} if doubt else {})})
    finish(folder)
    return folder


def finish(folder: Path) -> None:
    """The marks of a finished study, of the tables as they are."""
    write_json(folder / paths.MARKS["tables"], {"made_of": {}})
    made_of = {path: sha256(folder / path) for path in paths.TABLES.values()}
    write_json(folder / paths.MARKS["report"], {"made_of": made_of})


def _points(
    world: World, model: str, framework: str, month: int, pace: float, state: float, rng: Any, date: datetime
) -> list[tuple[Row, list[Row]]]:
    latency, slope, precisions = WAYS[framework]
    version, anchor = f"1.{world.release(framework, month)}", ANCHOR_MS * pace * state
    points = []
    for precision in precisions:
        for size in world.sizes:
            truth = latency * SPEED[precision] * (0.2 + 0.8 * size**0.9) * pace * world.factor(framework, month)
            middles = truth * state**slope * np.exp(rng.normal(0, 0.02, SESSIONS))
            middle = math.exp(float(np.mean(np.log(middles))))
            half = QUANTILE * float(np.std(np.log(middles), ddof=1)) / math.sqrt(SESSIONS)
            ends = {"low": middle * math.exp(-half), "high": middle * math.exp(half)}
            row, sessions = point(framework, size, middles.tolist(), precision, model=model, framework_version=version)
            row |= {f"{name}_{end}_ms": ends[end] for name in ("latency_ci", "latency_reference_ci") for end in ends}
            row |= {"state_slope": slope, "anchor_ms": anchor, "reference_anchor_ms": anchor, "settings": "{}"}
            row |= {"fps": size / middle * 1000, "load_ms": 20 * latency * pace, "first_request_ms": 3 * middle}
            row |= {
                "peak_rss_mib": 60 + 20 * latency + 5 * size,
                "model_bytes": BYTES[precision],
                "threads_in_effect": 2,
            }
            for number, one in enumerate(sessions):
                started = date - timedelta(minutes=number)
                noise = math.exp(rng.normal(0, 0.01))
                one |= {"model": model, "framework_version": version, "anchor": ANCHOR, "anchor_ms": anchor}
                one |= {"load_ms": row["load_ms"] * noise, "first_request_ms": row["first_request_ms"] * noise}
                one |= {"peak_rss_mib": row["peak_rss_mib"] * noise, "started_at": started.isoformat()}
                one |= {"record": f"results/sweep/{model}.json"}
            points.append((row, sessions))
    return points


def _accuracy(world: World, model: str, framework: str, month: int) -> list[Row]:
    version, rows = f"1.{world.release(framework, month)}", []
    for precision in WAYS[framework][2]:
        row = quality(framework, precision, change=None if precision == "fp32" else (-0.02, -0.005, 0.01))
        more = {"model": model, "framework_version": version, "record": f"results/accuracy/{model}.json"}
        low = {"fp32": 0.0, "int8": 0.02}.get(precision, 0.005)
        ends = {name: row[name] - low for name in ("top1", "top1_ci_low", "top1_ci_high")}
        rows.append(row | more | ends)
    return rows


def altered(folder: Path, table: str, change: Any) -> None:
    """Rewrite the cells of a table: `change` gets each row as a dict of texts."""
    path = folder / paths.TABLES[table]
    with open(path, newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    with open(path, "w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, columns.names(table), lineterminator="\n")
        writer.writeheader()
        writer.writerows(changed for row in rows if (changed := change(row)) is not None)


def content(folder: Path) -> dict[str, Any]:
    """Of the study.json in a folder of a collection."""
    return json.loads((folder / "study.json").read_text(encoding="utf-8"))
