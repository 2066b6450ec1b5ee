"""Records of a study that no framework ran: whole, as the schema wants them, with figures that are made up."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import nested
import numpy as np

from dliflow.analysis import comparison
from dliflow.files import digest, sha256
from dliflow.measuring import load
from dliflow.measuring.load import Times
from dliflow.measuring.session import SCHEMA_VERSION
from dliflow.study import plan as planning

MACHINE = {"hostname": "host", "cpu": "a CPU", "usable_cpus": 2, "kernel": "6.1", "microcode": "0x1"}
LAUNCH = {
    "asked": {"cpus": "0-1", "numa_node": None, "priority": None, "environment": {}},
    "in_effect": {"cpus": "0-1", "outside": "", "priority": 0, "session_priority": 0, "memory": ""},
}
COUNTERS = {"wall_s": 1.0, "own_cpu_s": 1.0, "involuntary_switches": 1, "major_faults": 0, "minor_faults": 2}
OPENED = {
    **{"threads_in_effect": 2, "load_ms": 50.0, "first_request_ms": 9.0, "peak_rss_mib": 150.0, "counters": COUNTERS},
    **{"warmup_ns": [6_000_000] * 5, "warmup_stopped_by": "steady", "launch": LAUNCH},
    **{"inputs_mib": 2.0, "distinct_batches": 4, "inputs_exceed_cache": True},
}
PROCESS = {"import_ms": 300.0, "model_bytes": 5_000_000, "packages": {}, "environment": {}, "command": []}
ANCHOR = {"runtime": "onnxruntime 1.32.0", "sha256": "0" * 64}
DISTURBANCE = {
    **{"wall_s": 1.0, "others_cpu_s": 0.01, "steal_s": 0.0},
    **{"frequencies_before_mhz": {}, "frequencies_after_mhz": {}},
}
FED = {"inputs": "images", "distinct_asked": None}
GONE = {"gone-python-default-fp32-default": "its process died"}
IMAGES = 40
REQUESTS = 70  # of a burst
SPREAD = (0.03, 0.02, 0.01)  # of groups, sessions and bursts


def write(path: str, stage: str, identity: dict[str, Any], figures: dict[str, Any], **more: Any) -> None:
    """A good record, where it belongs."""
    record = {"schema": SCHEMA_VERSION, "stage": stage, "status": "ok", "reason": None}
    record |= {"identity": identity, "machine": MACHINE, "packages": {}, "environment": {}, "command": []}
    record |= {"finished_at": "2026-01-01T00:00:00+00:00", "process_ms": 900.0, "figures": figures, **more}
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(json.dumps(record), encoding="utf-8")


def study(
    plan: dict[str, Any], rng: np.random.Generator, latency_ms: Callable[[dict[str, Any]], float] = lambda row: 5.0
) -> None:
    """Every record of a plan, below the working directory.

    Scores of all frameworks agree; a quantized model gets an image wrong that others get right.

    Args:
        latency_ms: of a row of the sweep, at batch size 1.
    """
    plan_of = planning.by_model(plan)
    for row in plan["parity"]:
        write(row["record"], "parity", identified(row), parity())
    for row in (*plan["accuracy"], *plan["agreement"]):
        write(row["record"], "accuracy", identified(row), accuracy(Path(row["record"]), row["precision"]))
    batch_sizes = list(dict.fromkeys(row["batch_size"] for row in plan["sweep"]))
    for row in plan["profile"]:
        write(row["record"], "profile", identified(row), profiled(row["precision"]))
    for row in {row["record"]: row for row in plan["sweep"]}.values():
        sweep(row, batch_sizes, rng, latency_ms=latency_ms(row))
    numbers = list(dict.fromkeys(row["in_flight"] for row in plan["throughput"]))
    for row in {row["record"]: row for row in plan["throughput"]}.values():
        throughput(row, list(dict.fromkeys(one["batch_size"] for one in plan["throughput"])), numbers, rng)
    for row in plan["tune"]:
        tune(row, rng)
    for row in plan["compare"]:
        able = {
            comparison.name(one): {**row, **one} for one in planning.candidates(plan_of[row["model"]], **point_of(row))
        }
        size = row["batch_size"]
        sizes = dict.fromkeys(able, size) if size else fastest_of_sizes(able, batch_sizes)
        members = {name: identified(able[name.partition(":")[0]]) for name in sizes}
        write(row["record"], "compare", compared_identity(row, batch_sizes), compared(members, sizes, rng))


def before(config: dict[str, Any], models: dict[str, Any], upgraded: list[str], version: str = "0.9") -> None:
    """What an older version of some frameworks left of a study, below the working directory.

    Args:
        config: a plan's.
        upgraded: the frameworks.
    """
    then = {**config, "frameworks": upgraded, "compare": {"leaders": 0}, "profile": []}
    if then["tune"]:
        then["tune"] = {**then["tune"], "frameworks": upgraded}
    plan = planning.build(then, models, lambda name: None, lambda name: digest([name, version]))
    rows = {stage: [{**row, "framework_version": version} for row in rows] for stage, rows in plan.items()}
    study(rows, np.random.default_rng(9))


def point_of(row: dict[str, Any]) -> dict[str, Any]:
    """What a comparison's candidates have in common with its row."""
    return {key: row[key] for key in ("model", "device", "node", "batch_size") if row[key] is not None}


def fastest_of_sizes(members: Mapping[str, Any], batch_sizes: list[int]) -> dict[str, int]:
    """The same configuration at each batch size, as a comparison of these calls it."""
    first = next(iter(members))
    return {f"{first}:{size}": size for size in batch_sizes}


def compared_identity(row: dict[str, Any], batch_sizes: list[int]) -> dict[str, Any]:
    """That of a comparison's record."""
    sizes = {"batch_sizes": batch_sizes} if row["batch_size"] is None else {"batch_size": row["batch_size"]}
    return {**{key: row[key] for key in planning.SETTING}, **sizes, "threads": "default"}


def point(row: dict[str, Any]) -> dict[str, Any]:
    """What identifies a row of a plan."""
    return {key: value for key, value in row.items() if key not in ("record", "needs", "reason", *planning.DIGESTS)}


def identified(row: dict[str, Any]) -> dict[str, Any]:
    """The identity of a configuration that ran."""
    known = {"framework_version": "1.0", "threads": "default", "options": {}}
    return {**known, **point(row)}


def parity() -> dict[str, Any]:
    """Figures of a parity record."""
    differences = {"max_abs_score_diff": 1e-4, "max_rel_score_diff": 1e-5, "score_distance": 1e-4, "agreement": 1.0}
    return {**differences, "images": 8, "tolerance": 1e-3, "distance_bound": 1e-2, "agreement_bound": 0.9}


def profiled(precision: str) -> dict[str, Any]:
    """Figures of a profile: two requests of 5 ms, in which a convolution takes 3 ms and an addition 1 ms."""
    numbers = {"kernel": precision, "int8": precision == "int8"}
    operators = [
        {"type": "Conv", "name": "first", **numbers, "calls": 1, "us": [2900.0, 3100.0]},
        {"type": "Add", "name": "last", **numbers, "calls": 2, "us": [1100.0, 900.0]},
    ]
    whole = {"latency_ns": [[4_900_000], [5_100_000]], "profiled_us": [5500.0, 5500.0], "profiler": "a profiler"}
    return {**whole, "operators": operators, **FED}


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


def sweep(
    row: dict[str, Any],
    batch_sizes: list[int],
    rng: np.random.Generator,
    broken: tuple[dict[str, Any], ...] = (),
    path: str = "",
    latency_ms: float = 5.0,
) -> None:
    """The record of a group of a configuration.

    Args:
        row: the plan's, of any of its batch sizes.
        broken: what is told of batch sizes that could not be measured.
        path: where it lies when it is not the row's own.
        latency_ms: of batch size 1.
    """
    lost = {one["batch_size"] for one in broken}
    identity = {key: value for key, value in identified(row).items() if key != "batch_size"}
    measured = [size for size in batch_sizes if size not in lost]
    of_group = groups({"measured": identity}, {"measured": touched(latency_ms)}, rng, 1, measured)
    figures = {"groups": of_group, "broken": list(broken), **FED, "key": "0" * 64, "python": "python", "converted": "m"}
    figures["built"] = None
    write(
        path or row["record"],
        "sweep",
        {**identity, "batch_sizes": batch_sizes, "list_sha256": "1", "origin": "0"},
        figures,
    )


IN_FLIGHT = {1: 1.0, 2: 1.2, 4: 2.4}  # what a request takes with so many in flight, over that of one alone


def throughput(
    row: dict[str, Any],
    batch_sizes: list[int],
    numbers: list[int],
    rng: np.random.Generator,
    broken: tuple[dict[str, Any], ...] = (),
) -> None:
    """The record of a group of a configuration with several requests in flight.

    Args:
        row: the plan's, of any of its points.
        numbers: of requests in flight, those of `IN_FLIGHT`.
        broken: what is told of points that could not be measured.
    """
    identity = {key: value for key, value in identified(row).items() if key not in ("batch_size", "in_flight")}
    (of_group,) = groups({"measured": identity}, {"measured": touched(5.0)}, rng, 1, batch_sizes)
    alone, of_group["sessions"] = of_group["sessions"], []
    lost = {(one["batch_size"], one["in_flight"]) for one in broken}
    for session in alone:
        size = session["opened"]["measured"]["batch_size"]
        of_group["sessions"] += [loaded(session, number) for number in numbers if (size, number) not in lost]
    figures = {"groups": [of_group], "broken": list(broken), **FED, "key": "0" * 64, "python": "p", "converted": "m"}
    figures["built"] = None
    write(row["record"], "sweep", {**identity, "batch_sizes": batch_sizes, "list_sha256": "1", "origin": "0"}, figures)


def loaded(session: dict[str, Any], in_flight: int) -> dict[str, Any]:
    """A session as it would be with so many requests in flight: each lane makes as many as one alone would."""
    opened = {**session["opened"]["measured"], "in_flight": in_flight, "mode": "threads"}
    rounds = []
    for round_ in session["rounds"]:
        takes = (np.array(round_["latency_ns"]["measured"]) * IN_FLIGHT[in_flight]).astype(int)
        ended = np.cumsum(takes)
        lane = Times((ended - takes).tolist(), ended.tolist())
        figures = {key: {"measured": value} for key, value in load.figures([lane] * in_flight).items()}
        rounds.append({"order": round_["order"], **figures})
    return {**session, "opened": {"measured": opened}, "rounds": rounds, "anchor_threads": min(in_flight, 2)}


def tune(row: dict[str, Any], rng: np.random.Generator, gain: float = 0.8) -> None:
    """The record of a race of two candidates, of which one was slower, and of the winner's confirmation.

    Args:
        row: the plan's.
        gain: latency of the winner over that of the default.
    """
    identity = identified(row)
    settings: dict[str, dict[str, Any]] = {"default": {}, "threads=1": {"threads": 1}, "threads=2": {"threads": 2}}
    latency = dict(zip(settings, (5.0, 5.0 * gain, 9.0)))
    members = {name: tuned_identity(identity, one) for name, one in settings.items()}
    of_race = groups(members, {name: touched(ms) for name, ms in latency.items()}, rng, count=3)
    pair = {"default": members["default"], "tuned": members["threads=1"]}
    confirm = groups(pair, {"default": touched(5.0), "tuned": touched(5.0 * gain)}, rng, count=4)
    for session in (one for group in (*of_race, *confirm) for one in group["sessions"]):
        for opened in session["opened"].values():
            opened["batch_size"] = row["batch_size"]
    scores = {"max_abs_score_diff": 0.1, "max_rel_score_diff": 1e-6, "score_distance": 1e-6, "agreement": 1.0}
    left = {"how": "slower", "why": "took 1.8 times as long as default in the race (p = 0.001)", "scores": None}
    candidates = [{"name": name, "settings": one, "how": None, "why": None, "scores": None}
                  for name, one in settings.items()]  # fmt: skip
    candidates[1] |= {"scores": scores}
    candidates[2] |= left
    figures = {
        **{"candidates": candidates, "valid": 30, "race": of_race, "race_stopped_by": "one left"},
        **{"winner": "threads=1", "confirm": confirm, "confirm_stopped_by": "decided", "ratio": gain},
        **{"chosen": {"threads": 1} if gain < 1 else {}, "width_asked": 0.02, "wall_s": 30.0},
        **FED,
    }
    write(row["record"], "tune", identity, figures)


def tuned_identity(identity: dict[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
    """That of a member with these settings, of which there are threads only."""
    return {**identity, "parameters": "tuned" if settings else "default", **settings}


def compared(
    members: dict[str, dict[str, Any]], sizes: dict[str, int], rng: np.random.Generator, missing: Any = None
) -> dict[str, Any]:
    """Figures of a comparison of all members with the first, in three groups.

    Args:
        sizes: each member's batch size.
        missing: names of those that are left out, with the reasons; one, when absent.
    """
    first, *others = sizes
    purpose = "leaders" if len(set(sizes.values())) == 1 else "batch size"
    latency = {name: touched(5.0 * size * (1 + 0.1 * place)) for place, (name, size) in enumerate(sizes.items())}
    made = groups(members, latency, rng, count=3, sizes=sizes)
    return {
        "members": members,
        "missing": GONE if missing is None else missing,
        "pairs": [{"first": first, "second": other, "purpose": purpose} for other in others],
        "groups": made,
        "stopped_by": "decided",
        "width_asked": 0.02,
        "wall_s": 9.0,
        **FED,
    }


def touched(latency_ms: float) -> Callable[[float], float]:
    """A member that takes so long at full speed, and that the machine's state slows down as much as the anchor."""
    return lambda excess: latency_ms * math.exp(excess)


def two_speeds(burst: int) -> float:
    """Every second pair of bursts is slow: logarithm of how much slower."""
    return 0.2 * (burst // 2 % 2)


def groups(
    members: Mapping[str, dict[str, Any]],
    latency_ms: Mapping[str, Callable[[float], float]],
    rng: np.random.Generator,
    count: int,
    batch_sizes: list[int] | None = None,
    sizes: Mapping[str, int] | None = None,
) -> list[dict[str, Any]]:
    """`figures.groups`, whole: two sessions of two rounds in each group.

    Args:
        members: for each its identity.
        latency_ms: for each its latency as a function of the state, of batch size 1 where there are `batch_sizes`.
        count: of groups.
        batch_sizes: of a sweep.
        sizes: of a comparison: that of each member.
    """
    made = nested.groups(
        latency_ms,
        count=count,
        sessions=2,
        batch_sizes=tuple(batch_sizes or [1]),
        state=two_speeds,
        sd=SPREAD,
        seed=int(rng.integers(2**32)),
    )
    for group in made:
        group |= {"members": {name: {"identity": identity, **PROCESS} for name, identity in members.items()}}
        group |= {"anchor": ANCHOR, "disturbance": DISTURBANCE, "wall_s": 3.0}
        for session in group["sessions"]:
            session |= {"started_at": "2026-01-01T00:00:00.000+00:00", "wall_ms": 400.0}
            for name, opened in session["opened"].items():
                opened |= {**OPENED, "batch_size": (sizes or {}).get(name, opened["batch_size"])}
            for round_ in session["rounds"]:
                round_["energy_uj"] = dict.fromkeys(round_["latency_ns"], 1000 * REQUESTS)
                for name, (level, *_) in round_["latency_ns"].items():
                    noise = np.exp(rng.normal(0, 0.02, REQUESTS))
                    round_["latency_ns"][name] = (level * noise).astype(int).tolist()
    return made
