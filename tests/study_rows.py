"""Rows of the tables of a study that no framework ran, and the tables written and read again."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np

from dliflow.analysis import anchored, state
from dliflow.analysis import comparison as rounds_of
from dliflow.analysis.comparison import Pair
from dliflow.analysis.ranking import groups as rebuilt
from dliflow.analysis.tables import accuracy as accuracy_table
from dliflow.analysis.tables import nodes, shared
from dliflow.files import write_json
from dliflow.report import read

Row = dict[str, Any]
CPU = {"model": "tiny", "api": "python", "variant": "default", "device": "cpu", "node": "local", "scenario": "latency"}
BEGIN = datetime(2026, 1, 1, tzinfo=timezone.utc)


def point(framework, batch_size, medians, precision="fp32", status="ok", reason=None, **columns):
    """A row of performance.csv, and those of its sessions, each a group of its own.

    Args:
        medians: of the sessions, ms; the interval goes from the least to the largest.
        columns: of the row of performance.csv, in place of those that are made up.
    """
    row = {**CPU, "framework": framework, "precision": precision, "parameters": "default", "batch_size": batch_size}
    row.update(framework_version="1.0", threads="default", status=status, reason=reason)
    sessions = [
        {**row, "group": number, "session": 1, "latency_p50_ms": value, "cpu": "a CPU", "hostname": "a host"}
        | {"anchor_ms": 1.0, "anchor_threads": 2, "started_at": (BEGIN + timedelta(minutes=number)).isoformat()}
        for number, value in enumerate(medians, 1)
    ]
    if medians:
        middle = math.exp(np.mean(np.log(medians)))
        row.update(latency_p50_ms=middle, latency_reference_ms=middle, state_slope=1.0, requests=30)
        row.update(anchor_ms=1.0, anchor_threads=2, reference_anchor_ms=1.0, groups=len(medians), sessions=len(medians))
        if len(medians) > 1:
            for name in ("latency_ci", "latency_reference_ci"):
                row.update({f"{name}_low_ms": min(medians), f"{name}_high_ms": max(medians)})
    return row | columns, sessions or [{**row, "group": 1, "record": "results/sweep/none.json"}]


def quality(framework, precision="fp32", status="ok", reason=None, change=None, changed=None):
    """A row of accuracy.csv.

    Args:
        change: of top-1, with its interval: low, middle, high.
        changed: which share of images without labels gets another class, and at most.
    """
    row = {**CPU, "dataset": "few", "framework": framework, "precision": precision, "status": status, "reason": reason}
    if status == "ok":
        row.update(images=20, top1=0.9, top1_ci_low=0.7, top1_ci_high=0.97, top5=1.0, top5_ci_low=0.8, top5_ci_high=1.0)
    if change:
        low, middle, high = change
        row.update(baseline=f"{framework}-python-default-fp32", top1_change=middle, mcnemar_p=0.5, agreement=0.95)
        row.update(top1_change_ci_low=low, top1_change_ci_high=high)
        if changed is not None:
            share, bound = changed
            row.update(unlabelled_dataset="many", unlabelled_images=500, unlabelled_effective=250.0)
            row.update(unlabelled_agreement=1 - share, loss_bound=bound)
            row.update(unlabelled_agreement_ci_low=1 - bound, unlabelled_agreement_ci_high=1.0)
        loss = accuracy_table.Loss.of(row)
        row.update(images_needed=loss.images_needed, unlabelled_needed=loss.unlabelled_needed, verdict=loss.verdict)
    return row


def called(framework: str, precision: str = "fp32", size: int = 0) -> str:
    """A member of a comparison; with a batch size one of a comparison of these."""
    return f"{framework}-python-default-{precision}-default{f':{size}' if size else ''}"


def in_rounds(
    batch_size: int | None,
    latencies: Mapping[str, float],
    groups: int = 4,
    wobble: float = 0.004,
    purposes: Mapping[str, str] | None = None,
    anchors: Sequence[float] = (0.95, 1 / 0.95),
    begin: datetime = BEGIN + timedelta(hours=1),
) -> tuple[list[Row], list[Row]]:
    """The rows of both tables of a comparison, a session in each group, a round for each state of the anchor.

    Args:
        batch_size: None where batch sizes are compared; then members are called `...:4`.
        latencies: of the members, ms, whatever the anchor takes; the first one named is the first leader.
        wobble: by how much a member is faster or slower in one of three groups.
        purposes: of the pair of the first one and this member, where it is no leader.
    """
    base = {**CPU, "record": f"results/compare/{batch_size}.json"}
    bursts = []
    for group in range(groups):
        for number, anchor in enumerate(anchors):
            for turn, (name, latency) in enumerate(latencies.items(), 1):
                value = latency * (1 + wobble * ((group + turn) % 3 - 1))
                size = batch_size or int(name.rpartition(":")[2])
                place = {"group": group + 1, "session": 1, "round": number + 1, "turn": turn, "configuration": name}
                figures = {"batch_size": size, "latency_p50_ms": value, "anchor_ms": anchor, "requests": 5}
                figures["anchor_threads"] = 2
                bursts.append(
                    {**base, **place, **figures, "started_at": (begin + timedelta(seconds=group)).isoformat()}
                )
    first, *others = latencies
    why = dict.fromkeys(others, "leaders" if batch_size else "batch size") | dict(purposes or {})
    return [
        {**base, "batch_size": batch_size, "status": "ok"} | pair_row(bursts, first, other, why[other])
        for other in others
    ], bursts  # fmt: skip


def pair_row(bursts: Sequence[Row], first: str, second: str, purpose: str, width: float = 0.01) -> Row:
    """What the rounds say of a pair, as the row of comparison.csv has it."""
    groups, pair = rebuilt(bursts), Pair(first, second, purpose)
    ratio = rounds_of.ratio(groups, pair)
    low, high = ratio.interval or (None, None)
    return {
        **pair._asdict(),
        "ratio": ratio.ratio,
        "ratio_ci_low": low,
        "ratio_ci_high": high,
        "verdict": ratio.verdict,
        "state_slope": ratio.slope,
        "groups": len(groups),
        "sessions": sum(len(group["sessions"]) for group in groups),
        "rounds": len({(row["group"], row["session"], row["round"]) for row in bursts}),
        "groups_needed": rounds_of.groups_needed(groups, pair, width, 0.95),
        "group_s": 30.0,
        "stopped_by": "decided",
    }


def spread(row: Row) -> Row:
    """A row of distributions.csv that suits a row of performance.csv."""
    bins = {"low_ms": 0.9 * row["latency_p50_ms"], "bin_ms": 0.05 * row["latency_p50_ms"], "counts": "2 9 12 5 1 0 1 0"}
    return {**row, **bins, "beyond": 0, "latency_max_ms": 1.3 * row["latency_p50_ms"]}


ABOUT = {
    "dliflow": "0.1.0",
    "environments": {"alpha": "0123456789ab"},
    "config": {"models": ["tiny"], "latency": {"seed": 0}},
    "models": {"tiny": {"title": "A tiny network", "licence": "MIT", "from": [{"path": "data/tiny.onnx"}]}},
    "datasets": {
        "few": {"title": "A few images", "licence": "CC0", "from": [{"url": "https://a.example/few", "md5": "0f"}]}
    },
}


def in_flight(framework, number, images_per_s, latency_ms, precision="fp32", status="ok", reason=None, **columns):
    """A row of throughput.csv.

    Args:
        latency_ms: the 50th percentile; the 99th is twice that.
    """
    row = {**CPU, "scenario": "throughput", "framework": framework, "precision": precision, "parameters": "default"}
    row.update(batch_size=1, in_flight=number, status=status, reason=reason, record="results/throughput/none.json")
    if status == "ok":
        row.update(mode="threads", images_per_s=images_per_s, latency_p50_ms=latency_ms, latency_p99_ms=2 * latency_ms)
        row.update(images_per_s_ci_low=0.95 * images_per_s, images_per_s_ci_high=1.05 * images_per_s)
        row.update(requests=600, sessions=6, groups=3, threads_in_effect=2, peak_rss_mib=300.0, knee=False)
    return row | columns


def candidates(**columns):
    """Rows of tuning.csv: a race that one candidate won."""
    race = {
        **CPU,
        "framework": "onnxruntime",
        "precision": "int8",
        "parameters": "tuned",
        "batch_size": 1,
        "status": "ok",
    }
    race |= {"tried": 3, "valid": 30, "seconds": 75.0, **columns}
    winner = {
        "settings": '{"threads": 2}',
        "race_ratio": 0.7,
        "ratio": 0.83,
        "ratio_ci_low": 0.8,
        "ratio_ci_high": 0.86,
    }
    return [
        {**race, "candidate": "default", "settings": "{}", "outcome": "default"},
        {**race, "candidate": "threads=2", **winner, "outcome": "chosen"},
        {**race, "candidate": "threads=1", "settings": '{"threads": 1}', "race_ratio": 1.9, "outcome": "slower"},
    ]


def tables_of(
    points, accuracy, folder: Path, comparison=(), rounds=(), tuning=(), throughput=(), profile=(), changes=()
) -> read.Tables:
    """The tables, written and read again."""
    folder.mkdir(exist_ok=True)
    for name, rows in {
        "parity": [{**row, "images": 8} for row in accuracy],
        "accuracy": accuracy,
        "performance": [row for row, _ in points],
        "measurements": [session for _, sessions in points for session in sessions],
        "comparison": list(comparison),
        "rounds": list(rounds),
        "profile": list(profile),
        "distributions": [spread(row) for row, _ in points if row["status"] == "ok"],
        "throughput": list(throughput),
        "tuning": list(tuning),
        "changes": list(changes),
        "nodes": nodes.rows([row for row, _ in points]),
    }.items():
        shared.frame(rows, name).to_csv(folder / f"{name}.csv", index=False)
    write_json(folder / "about.json", ABOUT)
    return read.tables(folder)


FRAMEWORKS = {"openvino": (5.0, 1.0), "onnxruntime": (5.3, 0.7), "pytorch": (9.0, 0.6), "opencv": (8.0, 0.8),
              "tflite": (14.0, 0.1)}  # fmt: skip
SPEED = {"fp32": 1.0, "fp16": 1.3, "bf16": 2.0, "int8": 0.5}
SIZES = (1, 2, 4, 8)


class Machine:
    """A machine whose state wanders, and what is measured on it; the truth is known."""

    def __init__(self, seed: int):
        self.rng = np.random.default_rng(seed)
        self.now, self.log_state = BEGIN, 0.0

    def burst(self, latency_ms: float, slope: float) -> tuple[float, float]:
        """A burst's median and the anchor's beside it, ms."""
        self.now += timedelta(seconds=0.3)
        self.log_state = 0.9 * self.log_state + self.rng.normal(0, 0.06)
        noise = self.rng.normal(0, 0.01, 2)
        return latency_ms * math.exp(slope * self.log_state + noise[0]), 3.0 * math.exp(self.log_state + noise[1])


def truth(framework: str, precision: str, size: int) -> float:
    """The latency at the reference state, ms."""
    return FRAMEWORKS[framework][0] * SPEED[precision] * (0.3 + size**0.9)


def whole(folder: Path, seed: int = 0, groups: int = 6) -> read.Tables:
    """A study of some twenty configurations at four batch sizes, with comparisons of leaders and of batch sizes."""
    machine = Machine(seed)
    kinds = [(framework, precision) for framework in FRAMEWORKS for precision in SPEED]
    sessions: dict[tuple, list[Row]] = {}
    for group in range(1, groups + 1):
        for kind in kinds:
            for size in SIZES:
                for number in (1, 2):
                    sessions.setdefault((*kind, size), []).append(session(machine, *kind, size, group, number))
    bursts = {
        kind: anchored.Bursts(*map(np.array, zip(*(one for size in SIZES for row in sessions[(*kind, size)]
                                                for one in row.pop("bursts")))))
        for kind in kinds
    }  # fmt: skip
    (reference,) = anchored.reference_state(bursts.values()).values()
    points = []
    for (kind, size), one in state.estimates(bursts).items():
        (low, high), (from_, to) = one.interval, one.reference_interval
        figures = {"latency_p50_ms": one.latency, "latency_ci_low_ms": low, "latency_ci_high_ms": high}
        figures |= {"latency_reference_ms": one.reference, "state_slope": one.slope, "fps": size / one.latency * 1e3}
        figures |= {"latency_reference_ci_low_ms": from_, "latency_reference_ci_high_ms": to}
        figures |= {"reference_anchor_ms": math.exp(reference), "anchor_threads": 1, "anchor_ms": 3.0, "groups": groups}
        figures |= {"latency_p90_ms": one.latency * 1.1, "latency_p99_ms": one.latency * 1.4, "load_ms": 312.0}
        figures |= {"first_request_ms": 3 * one.latency, "peak_rss_mib": 412.0, "model_bytes": 14_000_000}
        row, _ = point(kind[0], size, [one.latency], kind[1], sessions=2 * groups, threads_in_effect=2, requests=480)
        points.append((row | figures, sessions[(*kind, size)]))
    machine.now += timedelta(hours=9)  # the comparisons ran the next day
    pairs, rounds = [], []
    for size in SIZES:
        leaders = {called(name, "int8"): (name, "int8", size) for name in ("openvino", "onnxruntime", "opencv")}
        others = {called(name): (name, "fp32", size) for name in ("openvino", "onnxruntime")}
        of_size = compared(machine, size, {**leaders, **others}, groups)
        wanted = [(called("openvino", "int8"), name, "leaders") for name in list(leaders)[1:]]
        wanted += [(called(name, "int8"), called(name), "precision") for name in ("openvino", "onnxruntime")]
        base = {**CPU, "batch_size": size, "status": "ok", "record": of_size[0]["record"], "taken_share": 0.01}
        pairs += [base | pair_row(of_size, *pair) for pair in wanted]
        rounds += of_size
    members = {called("openvino", "int8", size): ("openvino", "int8", size) for size in SIZES}
    of_sizes = compared(machine, None, members, groups)
    base = {**CPU, "batch_size": None, "status": "ok", "record": of_sizes[0]["record"]}
    pairs += [
        base | pair_row(of_sizes, called("openvino", "int8", 8), name, "batch size") for name in list(members)[:-1]
    ]
    accuracy = [
        quality(name, precision, change=None if precision == "fp32" else (-0.02, -0.005, 0.01))
        | {"top1": 0.9 - 0.02 * number % 0.07}
        for number, (name, precision) in enumerate(kinds)
    ]
    return tables_of(points, accuracy, folder, pairs, rounds + of_sizes)


def session(machine: Machine, framework: str, precision: str, size: int, group: int, number: int) -> Row:
    """A row of measurements.csv, with its bursts."""
    level = math.exp(machine.rng.normal(0, 0.05))
    started = machine.now
    pairs = [machine.burst(truth(framework, precision, size) * level, FRAMEWORKS[framework][1]) for _ in range(3)]
    row = {**CPU, "framework": framework, "precision": precision, "parameters": "default", "batch_size": size}
    row |= {"group": group, "session": number, "status": "ok", "cpu": "a CPU", "hostname": "a host"}
    row |= {"latency_p50_ms": float(np.median([one for one, _ in pairs])), "latency_mean_ms": pairs[0][0] * 1.1}
    row |= {
        "anchor_threads": 1,
        "anchor_ms": float(np.median([one for _, one in pairs])),
        "started_at": started.isoformat(),
    }
    row |= {"group_ms": 9000.0, "import_ms": 900.0, "load_ms": 310.0, "first_request_ms": 40.0, "warmup_ms": 150.0}
    row |= {"requests": 40, "wall_ms": 1200.0, "taken_share": 0.01, "framework_version": "1.0", "rounds": 3}
    unique = 1000 * SIZES.index(size) + 2 * group + number
    at = started.timestamp()
    return row | {"bursts": [(size, group, unique, math.log(one), math.log(anchor), at) for one, anchor in pairs]}


def compared(machine: Machine, batch_size: int | None, members: Mapping[str, tuple], groups: int) -> list[Row]:
    """The rows of rounds.csv of a comparison: two sessions of three rounds in each group."""
    base, rows = {**CPU, "record": f"results/compare/{batch_size}.json", "requests": 5}, []
    for group in range(1, groups + 1):
        for number in (1, 2):
            machine.now += timedelta(seconds=20)
            started = machine.now.isoformat()
            levels = {name: math.exp(machine.rng.normal(0, 0.02)) for name in members}
            for round_ in (1, 2, 3):
                order = machine.rng.permutation(list(members)).tolist()
                for turn, name in enumerate(order, 1):
                    framework, precision, size = members[name]
                    latency = truth(framework, precision, size) * levels[name]
                    latency, anchor = machine.burst(latency, FRAMEWORKS[framework][1])
                    place = {"group": group, "session": number, "round": round_, "turn": turn, "configuration": name}
                    figures = {"batch_size": size, "latency_p50_ms": latency, "anchor_ms": anchor}
                    figures["anchor_threads"] = 1
                    rows.append({**base, **place, **figures, "started_at": started})
    return rows
