"""The plan of a study: every configuration that its tables will have a row for.

A pure function of the config and of what the frameworks declare. Snakemake asks it for targets, the tables
stage for rows, so that a configuration without a record is seen and explained.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from typing import Any, Optional

from dliflow import frameworks, paths, sources

# Columns that tell configurations apart, in the order of the tables.
IDENTITY = ("model", "framework", "variant", "precision", "device")
# What tells the configurations of one comparison apart.
CANDIDATE = ("framework", "variant", "precision", "parameters")


def deciding(config: dict[str, Any]) -> dict[str, Any]:
    """The part of a checked config that a plan is built from; nothing else may outdate the tables."""
    keys = ("models", "dataset", "frameworks", "precisions", "devices", "node")
    latency = {key: config["latency"][key] for key in ("batch_sizes", "repetitions")}
    return {
        **{key: config[key] for key in keys},
        "latency": latency,
        "compare": {"leaders": config["compare"]["leaders"]},
    }


def described(entry: dict[str, Any], spec: str, classes: int) -> dict[str, Any]:
    """What a plan and the tables have to know of a model.

    Args:
        entry: the model's checked registry entry.
        spec: the name of its input spec.
        classes: how many it tells apart.
    """
    source = {key: entry["source"].get(key) for key in ("format", "precision", "batch_size")}
    return {"spec": spec, "classes": classes, "published": entry.get("published"), **source}


def elsewhere(model: dict[str, Any], framework: str, precision: str) -> Optional[str]:
    """Why a model whose file runs as it is does not run here; None where it does, and for all other models."""
    if model["precision"] is None:
        return None
    home = sources.load(model["format"]).FRAMEWORK
    if (framework, precision) == (home, model["precision"]):
        return None
    return f"the model's {model['format']} file is {model['precision']} already: it runs as it is, in {home}"


def configurations(config: dict[str, Any], models: dict[str, dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Every model × framework × variant × precision × device, with the declared reason where it is skipped."""
    for model in config["models"]:
        for framework in config["frameworks"]:
            for precision in config["precisions"]:
                for device in config["devices"]:
                    reason = elsewhere(models[model], framework, precision)
                    reason = reason or frameworks.load(framework).supports(precision, device)
                    for variant in frameworks.variants(framework):
                        values = (model, framework, variant, precision, device)
                        yield {**dict(zip(IDENTITY, values)), "reason": reason}


def build(
    config: dict[str, Any], models: dict[str, dict[str, Any]], environment: Callable[[str], str]
) -> dict[str, Any]:
    """The plan as plain data, ready for JSON.

    `parity`, `accuracy`, `latency` and `compare` each hold rows with the identity, the declared reason (or None), the
    `record` that answers for it and the outputs that it `needs`, in the order in which they are made.

    Args:
        config: a checked config, or the deciding part of one.
        models: for each model what `described` tells.
        environment: for a framework the output of the job that makes its environment.
    """
    dataset = config["dataset"]
    parity, accuracy, latency = [], [], []
    for row in configurations(config, models):
        model, framework = row["model"], row["framework"]
        inputs = [
            paths.MODEL_FILES.format(model=model),
            *(path.format(dataset=dataset) for path in (paths.DATASET_FILES, paths.LABEL_FILES, paths.IMAGES)),
        ]
        evaluation, performance = (
            [listed.format(dataset=dataset), array.format(dataset=dataset, spec=models[model]["spec"])]
            for listed, array in (
                (paths.EVALUATION_IMAGES, paths.ARRAY),
                (paths.PERFORMANCE_IMAGES, paths.PERFORMANCE_ARRAY),
            )
        )
        interchange = [
            environment(frameworks.converter(framework, row["precision"])),
            paths.INTERCHANGE.format(model=model),
        ]
        as_it_is = models[model]["precision"] is not None
        converted = [
            *([] if as_it_is else interchange),
            environment(framework),
            paths.CONVERTED.format(**row),
        ]
        fixed = models[model]["batch_size"]
        quality, speed = [*inputs, *evaluation, *converted], [*inputs, *performance, *converted]
        record = paths.PARITY.format(**row)
        reference = paths.REFERENCE.format(model=model)
        parity.append({**row, "record": record, "needs": [*quality, reference, record]})
        record = paths.ACCURACY.format(**row, dataset=dataset)
        accuracy.append({**row, "dataset": dataset, "record": record, "needs": [*quality, record]})
        for batch_size in config["latency"]["batch_sizes"]:
            other = fixed is not None and batch_size != fixed
            unfit = f"the model's file takes batches of {fixed} only (source.batch_size)" if other else None
            for repetition in range(1, config["latency"]["repetitions"] + 1):
                point = {
                    **row,
                    "reason": row["reason"] or unfit,
                    "node": config["node"],
                    "scenario": "latency",
                    "parameters": "default",
                    "batch_size": batch_size,
                    "repetition": repetition,
                }
                record = paths.LATENCY.format(**point)
                latency.append({**point, "record": record, "needs": [*speed, record]})
    compare = list(comparisons(latency, parity)) if config["compare"]["leaders"] else []
    return {"parity": parity, "accuracy": accuracy, "latency": latency, "compare": compare}


def comparisons(latency: list[dict[str, Any]], parity: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """A row for each model × device × node × batch size: what is measured together, in rounds.

    Args:
        latency: the plan's rows.
        parity: likewise; who may take part rests on them.
    """
    agreeing = {tuple(row[key] for key in IDENTITY): row["needs"] for row in parity}
    keys = ("model", "device", "node", "scenario", "batch_size")
    points: dict[tuple, list[dict[str, Any]]] = {}
    for row in latency:
        points.setdefault(tuple(row[key] for key in keys), []).append(row)
    for values, rows in points.items():
        point = dict(zip(keys, values))
        record = paths.COMPARE.format(**point)
        able = [row for row in rows if row["reason"] is None]
        few = len({tuple(row[key] for key in CANDIDATE) for row in able}) < 2
        yield {
            **point,
            "reason": "fewer than two configurations can run: there is nothing to compare" if few else None,
            "record": record,
            "needs": [
                *dict.fromkeys(
                    output for row in able for output in (*row["needs"], *agreeing[tuple(row[key] for key in IDENTITY)])
                ),
                record,
            ],
        }


def candidates(plan: dict[str, Any], **point: Any) -> list[dict[str, Any]]:
    """The configurations that a comparison chooses from: framework, variant, precision and parameters of each."""
    return [
        {key: row[key] for key in CANDIDATE}
        for row in plan["latency"]
        if row["repetition"] == 1 and row["reason"] is None and all(row[key] == point[key] for key in point)
    ]


def needs(plan: dict[str, Any], **candidate: Any) -> set[str]:
    """All outputs without which a candidate (its `candidates` keys and those of its point) cannot be compared."""
    rows = [*plan["latency"], *plan["parity"]]
    mine = [row for row in rows if all(row[key] == value for key, value in candidate.items() if key in row)]
    return {output for row in mine for output in row["needs"]}


def records(plan: dict[str, Any], stage: str) -> list[str]:
    """Records that jobs are to make: those of the rows that no framework declared it cannot do."""
    return [row["record"] for row in plan[stage] if row["reason"] is None]


def turn(record: str, repetition: int, repetitions: int, seed: int) -> int:
    """Priority of a measurement: whole rounds one after the other, a seeded random order inside each round.

    It depends on nothing but the measurement's own identity, so that adding others does not change it.
    """
    shuffled = int(hashlib.sha256(f"{seed}:{record}".encode()).hexdigest()[:6], 16)
    return (repetitions - repetition) * 16**6 + shuffled
