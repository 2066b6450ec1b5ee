"""The plan of a study: every configuration that its tables will have a row for.

A pure function of the config and of what the frameworks declare. Snakemake asks it for targets, the tables
stage for rows, so that a configuration without a record is seen and explained.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Optional

from dliflow import building, conversion, frameworks, sources
from dliflow.configuration import CPP, PYTHON
from dliflow.errors import DliflowError
from dliflow.files import digest as digest_of
from dliflow.study import nodes, paths

# Columns that tell configurations apart, in the order of the tables.
IDENTITY = ("model", "framework", "api", "variant", "precision", "device")
# What the configurations of comparisons have in common, and what tells those of one apart.
SETTING = ("model", "device", "node", "scenario")
CANDIDATE = ("framework", "api", "variant", "precision", "parameters")
ANCHOR = "anchor"  # the name of its environment
# Of those in which it runs on a GPU, by what stands behind the `@` of the frameworks that run there.
ANCHORS_ON_GPU = {"cuda": "anchor@cuda"}
DIGESTS = ("environment", "converter")  # of the environments that run and convert it (`conversion.mark`); in paths only
PRECISIONS = ("fp32", "fp16", "bf16", "int8")
DEVICES = ("cpu", "gpu")
MEASURING = ("sweep", "throughput", "tune", "compare", "profile")  # what is measured, alone on the machine
STAGES = ("parity", "accuracy", "agreement", *MEASURING)
PERFORMANCE = (paths.PERFORMANCE_IMAGES, paths.PERFORMANCE_ARRAY)
# Priority of the jobs that measuring waits for; those of measurements stay below it.
READY = 10**9
ALONE_IN_CPP = "a program in C++ makes one request at a time; several in flight are measured in Python"
UNFIT = "the model's file takes batches of {} only (source.batch_size)"

Environment = Callable[[str], Optional[str]]
"""For a framework the output of the job that makes its environment; None where no job does."""


def deciding(
    config: dict[str, Any],
    fetched_labels: Iterable[str] = (),
    machines: Optional[dict[str, dict[str, Any]]] = None,
    unmakeable: Optional[dict[str, str]] = None,
) -> dict[str, Any]:
    """The part of a checked config that a plan is built from; nothing else may outdate the tables.

    Args:
        fetched_labels: the datasets whose labels are fetched by a job of their own.
        machines: for each node what `nodes.deciding` tells.
        unmakeable: for each framework whose environment this machine cannot have the reason.
    """
    keys = ("models", "dataset", "frameworks", "apis", "variants", "cpp", "precisions", "devices", "nodes")
    latency = {key: config["latency"][key] for key in ("batch_sizes", "groups")}
    throughput = {key: config["throughput"][key] for key in ("in_flight", "batch_sizes", "groups", "p99_ms")}
    return {
        **{key: config[key] for key in keys},
        "latency": latency,
        "throughput": throughput,
        "tune": config["tune"] and {key: config["tune"][key] for key in ("frameworks", "precisions", "batch_sizes")},
        "compare": {"leaders": config["compare"]["leaders"]},
        "calibration": {"dataset": config["calibration"]["dataset"]},
        "agreement": {"dataset": config["agreement"]["dataset"]},
        "profile": config["profile"],
        "fetched_labels": sorted(fetched_labels),
        "unmakeable": unmakeable or {},
        "machines": machines or {},
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
    if (frameworks.family(framework), precision) == (home, model["precision"]):
        return None
    return f"the model's {model['format']} file is {model['precision']} already: it runs as it is, in {home}"


def anchor(framework: str, device: str) -> str:
    """The environment of the anchor beside a configuration: on a GPU of its own kind where there is one for it."""
    version = framework.partition("@")[2]
    return ANCHORS_ON_GPU.get(version, ANCHOR) if device == "gpu" else ANCHOR


def _unmakeable(config: dict[str, Any], framework: str, precision: str) -> Optional[str]:
    """Why there is no environment for a configuration; None where there is."""
    needed = (framework, conversion.converter(framework, precision))
    return next((config["unmakeable"][name] for name in needed if name in config.get("unmakeable", {})), None)


def _unvaried(model: dict[str, Any], row: dict[str, Any]) -> Optional[str]:
    """Why a framework's variant does not run a model; None where it does."""
    precisions = frameworks.more_variants(row["framework"]).get(row["variant"])
    if precisions is None:
        return None
    if row["precision"] not in precisions or row["device"] != "cpu":
        return f"the variant {row['variant']} of {row['framework']} is there for {', '.join(precisions)} on CPUs"
    if model["precision"] is not None:
        return f"the variant {row['variant']} runs converted models; this model's file runs as it is"
    return None


def unbuilt(config: dict[str, Any], model: dict[str, Any], row: dict[str, Any]) -> Optional[str]:
    """Why a model has no program in C++ that runs it; None where it has, and for Python."""
    if row["api"] == PYTHON:
        return None
    if row["device"] != "cpu":
        return "programs in C++ run on CPUs only"
    if model["precision"] is not None:
        return "programs in C++ run converted models, whose inputs are float32; this model's file runs as it is"
    return building.lacking(row["framework"], row["variant"], row["precision"], config.get("cpp", {}))


def configurations(config: dict[str, Any], models: dict[str, dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Every model × framework × API × variant × precision × device, with the declared reason where it is skipped."""
    for model in config["models"]:
        for framework in config["frameworks"]:
            module, variants = frameworks.load(framework), frameworks.variants(framework, config.get("variants"))
            points = itertools.product(config["apis"], config["precisions"], config["devices"])
            for api, precision, device in points:
                reason = elsewhere(models[model], framework, precision)
                reason = reason or module.supports(precision, device)
                for variant in variants:
                    row = dict(zip(IDENTITY, (model, framework, api, variant, precision, device)))
                    lacking = reason or _unvaried(models[model], row) or unbuilt(config, models[model], row)
                    yield {**row, "reason": lacking or _unmakeable(config, framework, precision)}


def build(
    config: dict[str, Any],
    models: dict[str, dict[str, Any]],
    environment: Environment,
    digest: Callable[[str], str],
) -> dict[str, Any]:
    """The plan as plain data, ready for JSON.

    `parity`, `accuracy`, `agreement`, `sweep`, `throughput`, `tune`, `compare` and `profile` each hold rows with the
    identity, the declared reason (or None), the `record` that answers for it and the outputs that it `needs`, in the
    order in which they are made: exactly those that jobs make for it, since the failure of another one must not count.
    The rows of one configuration's batch sizes share the record of each group, in `throughput` with those of its
    numbers of requests in flight. `agreement` is empty where no dataset is named for it, `throughput` where no such
    number is, `tune` where nothing is tuned, `profile` where no row is.

    Args:
        config: what `deciding` tells of a checked config.
        models: for each model what `described` tells.
        digest: for a framework the digest of its environment, which stands in paths.
    """
    plan: dict[str, list[dict[str, Any]]] = {stage: [] for stage in STAGES}
    for configuration in configurations(config, models):
        model, framework = models[configuration["model"]], configuration["framework"]
        as_it_is = model["precision"] is not None
        converter = framework if as_it_is else conversion.converter(framework, configuration["precision"])
        mark = conversion.mark(framework, configuration["variant"], digest(converter))
        row = {**configuration, "environment": digest(framework), "converter": mark}
        converted = _converted(config, model, row, environment, converter)
        converted += _programs(config, row, environment, digest)
        for stage, answered in _quality(config, model, row, converted, environment):
            plan[stage].append(answered)
        agreeing, speed = plan["parity"][-1]["needs"], _speed(config, model, row, converted)
        anchored = _made([environment(ANCHOR), paths.ANCHOR, environment(anchor(framework, row["device"]))])
        for there in on_nodes(config, row):
            for stage, answered in _measured(config, model, there, speed, anchored, agreeing):
                plan[stage].append(answered)
    if config["compare"]["leaders"]:
        plan["compare"] = list(comparisons(plan["sweep"], plan["tune"], plan["parity"]))
    return plan


def _converted(
    config: dict[str, Any], model: dict[str, Any], row: dict[str, Any], environment: Environment, converter: str
) -> list[Optional[str]]:
    """What a configuration needs to be run beside its model's own files, in the order in which it is made."""
    runnable = [environment(row["framework"]), paths.CONVERTED.format(**row)]
    if model["precision"] is not None:  # its file runs as it is
        return runnable
    interchange = [environment(sources.exporter(model["format"])), paths.INTERCHANGE.format(**row)]
    calibration = _calibration(config, model["spec"]) if row["precision"] == "int8" else []
    return [*interchange, environment(converter), *calibration, *runnable]


def library(config: dict[str, Any], framework: str, digest: Callable[[str], str]) -> Optional[str]:
    """The manifest of the library that is compiled for a framework's program in C++; None where none is.

    As an environment it is named after what decides it, so that other code of dliflow's does not compile it again.
    """
    source = building.source_of(framework, config.get("cpp", {}))
    if source is None:
        return None
    decided = digest_of([digest(framework), digest(building.TOOLS), source])
    return paths.LIBRARY.format(framework=framework, digest=decided)


def _programs(
    config: dict[str, Any], row: dict[str, Any], environment: Environment, digest: Callable[[str], str]
) -> list[Optional[str]]:
    """What a configuration needs in C++, in the order in which it is made; nothing in Python."""
    if row["api"] == PYTHON:
        return []
    compiled = library(config, row["framework"], digest)
    tools = environment(building.TOOLS) if compiled else None
    return [tools, compiled, paths.BUILT.format(**row)]


def _answered(row: dict[str, Any], pattern: str, needs: list[str]) -> dict[str, Any]:
    """A row with the record that answers for it, and with all that this needs."""
    record = pattern.format(**row)
    return {**row, "record": record, "needs": [*needs, record]}


def _quality(
    config: dict[str, Any],
    model: dict[str, Any],
    row: dict[str, Any],
    converted: list[Optional[str]],
    environment: Environment,
) -> Iterator[tuple[str, dict[str, Any]]]:
    """A configuration's rows of quality, each with its stage."""
    files, spec = paths.MODEL_FILES.format(**row), model["spec"]
    needs = {name: _made([files, *_evaluated(config, name, spec), *converted]) for name in evaluated(config)}
    dataset, *unlabelled = needs
    reference = [environment(sources.home(model["format"])), paths.REFERENCE.format(**row)]
    yield "parity", _answered(row, paths.PARITY, _made([*needs[dataset], *reference]))
    yield "accuracy", _answered({**row, "dataset": dataset}, paths.ACCURACY, needs[dataset])
    for name in unlabelled:
        yield "agreement", _answered({**row, "dataset": name}, paths.ACCURACY, needs[name])


def _speed(
    config: dict[str, Any], model: dict[str, Any], row: dict[str, Any], converted: list[Optional[str]]
) -> list[str]:
    """What a configuration needs so that requests can be made."""
    dataset = config["dataset"]
    performance = [listed.format(dataset=dataset, spec=model["spec"]) for listed in PERFORMANCE]
    return _made([paths.MODEL_FILES.format(**row), *_listed(config, dataset), *performance, *converted])


def _measured(
    config: dict[str, Any],
    model: dict[str, Any],
    row: dict[str, Any],
    speed: list[str],
    anchored: list[str],
    agreeing: list[str],
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The rows of what is measured of a configuration on a node, each with its stage.

    Args:
        row: of the configuration on that node.
        speed: what it needs so that requests can be made.
        anchored: what the anchor needs.
        agreeing: what parity needs, and its record, on which the settings that change scores rest.
    """
    fixed, beside = model["batch_size"], [*speed, *anchored]
    for point in _points(config, row, fixed, "latency"):
        yield "sweep", _answered(point, paths.SWEEP, beside)
    for batch_size in raced(config, row):
        tuned = {**_at(row, fixed, batch_size), "scenario": "latency", "parameters": "tuned"}
        yield "tune", _answered(tuned, paths.TUNE, _made([*beside, *agreeing]))
    for point in _points(config, row, fixed, "throughput"):
        answered = {**_answered(point, paths.THROUGHPUT, beside), "p99_budget_ms": config["throughput"]["p99_ms"]}
        for number in config["throughput"]["in_flight"]:
            yield "throughput", {**answered, "in_flight": number}
    for batch_size in profiled(config, row):
        yield "profile", _answered(_at(row, fixed, batch_size), paths.PROFILE, speed)


def on_nodes(config: dict[str, Any], row: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The row of a configuration for each node that measures it, with the reason where that node cannot."""
    for node in config["nodes"]:
        known = config.get("machines", {}).get(node, {})
        if nodes.measures(known, row):
            yield {**row, "reason": row["reason"] or nodes.lacking(node, known, row["device"]), "node": node}


def raced(config: dict[str, Any], configuration: dict[str, Any]) -> list[int]:
    """The batch sizes at which launch parameters are looked for, in Python: where tuning is on, those that it names, or
    all.
    """
    asked, every = config["tune"], config["latency"]["batch_sizes"]
    named = {"frameworks": configuration["framework"], "precisions": configuration["precision"]}
    if not asked or configuration["api"] != PYTHON:
        return []
    if any(asked[key] is not None and value not in asked[key] for key, value in named.items()):
        return []
    return [size for size in every if asked["batch_sizes"] is None or size in asked["batch_sizes"]]


def profiled(config: dict[str, Any], configuration: dict[str, Any]) -> list[int]:
    """The batch sizes at which a configuration is to be profiled, in Python.

    Args:
        config: its `profile` names rows: what an entry does not name is all that the study has.
    """
    if configuration["api"] != PYTHON:
        return []
    asking = (
        entry
        for entry in config["profile"]
        if all(entry[key] in (None, configuration[key]) for key in entry.keys() & configuration.keys())
    )
    return list(dict.fromkeys(entry["batch_size"] for entry in asking))


def _points(
    config: dict[str, Any], row: dict[str, Any], fixed: Optional[int], scenario: str
) -> Iterator[dict[str, Any]]:
    """A row for each batch size and group of a scenario, which is a key of the config.

    Args:
        row: of the configuration on a node.
        fixed: the only batch size that the model takes, if there is one.
    """
    for batch_size in config[scenario]["batch_sizes"]:
        point = {**_at(row, fixed, batch_size), "scenario": scenario, "parameters": "default"}
        if scenario == "throughput" and row["api"] == CPP:
            point["reason"] = row["reason"] or ALONE_IN_CPP
        for group in range(1, config[scenario]["groups"] + 1):
            yield {**point, "group": group}


def _at(row: dict[str, Any], fixed: Optional[int], batch_size: int) -> dict[str, Any]:
    """A configuration's row at a batch size, with the reason where its model's file takes another one only."""
    unfit = None if fixed in (None, batch_size) else UNFIT.format(fixed)
    return {**row, "reason": row["reason"] or unfit, "batch_size": batch_size}


def batch_sizes(config: dict[str, Any], model: dict[str, Any], scenario: str = "latency") -> list[int]:
    """Those of the study that a model takes.

    Args:
        model: what `described` tells.
    """
    fixed = model["batch_size"]
    return [size for size in config[scenario]["batch_sizes"] if fixed in (None, size)]


def _made(outputs: list[Optional[str]]) -> list[str]:
    """Each output once, without those that no job makes."""
    return list(dict.fromkeys(output for output in outputs if output is not None))


def _listed(config: dict[str, Any], dataset: str) -> list[str]:
    """What the list of a dataset's images needs, and the list."""
    labels = [paths.LABEL_FILES] if dataset in config.get("fetched_labels", ()) else []
    return [path.format(dataset=dataset) for path in (paths.DATASET_FILES, *labels, paths.IMAGES)]


def _evaluated(config: dict[str, Any], dataset: str, spec: str) -> list[str]:
    """What the pixels of a dataset's evaluation images need, and they."""
    patterns = (paths.EVALUATION_IMAGES, paths.ARRAY)
    return [*_listed(config, dataset), *(output.format(dataset=dataset, spec=spec) for output in patterns)]


def evaluated(config: dict[str, Any]) -> list[str]:
    """The datasets on which quality is looked at, none of whose images may be a calibration image."""
    return [name for name in (config["dataset"], config["agreement"]["dataset"]) if name is not None]


def _calibration(config: dict[str, Any], spec: str) -> list[str]:
    """What the calibration images of an input spec need, and their pixels."""
    lists = [[*_listed(config, name), paths.EVALUATION_IMAGES.format(dataset=name)] for name in evaluated(config)]
    return [
        *(output for needed in lists for output in needed),
        *_listed(config, config["calibration"]["dataset"]),
        paths.CALIBRATION_IMAGES,
        paths.CALIBRATION_ARRAY.format(spec=spec),
    ]


def needed(plan: dict[str, Any]) -> list[str]:
    """Every output that jobs make for the plan, records included."""
    rows = (row for stage in plan.values() for row in stage if row["reason"] is None)
    return list(dict.fromkeys(output for row in rows for output in row["needs"]))


def check(plan: dict[str, Any], config: dict[str, Any], models: dict[str, dict[str, Any]], origin: str) -> None:
    """Refuse a study of which nothing can run, since all of it would be skipped.

    Args:
        config: the checked config that the plan was built from.
        models: for each model what `described` tells.
        origin: where the config stands, for the message.

    Raises:
        DliflowError: naming the keys that decide it, every declared reason and what could run.
    """
    rows = plan["parity"]
    if any(row["reason"] is None for row in rows):
        return
    by_reason: dict[str, list[str]] = {}
    for row in rows:
        by_reason.setdefault(row["reason"], []).append(row["framework"])
    reasons = [f"  {', '.join(dict.fromkeys(names))}: {reason}" for reason, names in by_reason.items()]
    keys = "; ".join(f"{key}: [{', '.join(config[key])}]" for key in ("devices", "precisions", "frameworks"))
    hints = "; ".join(_able(config, models)) or "other frameworks"
    raise DliflowError(
        "\n".join([f"{origin}: nothing of this study can run ({keys}):", *reasons, f"Right would be: {hints}"])
    )


def _able(config: dict[str, Any], models: dict[str, dict[str, Any]]) -> list[str]:
    """What the study's models and frameworks can do on some machine, in words."""
    able: dict[str, list[str]] = {}
    for model in models.values():
        fixed = model["precision"]
        names = [sources.load(model["format"]).FRAMEWORK] if fixed else config["frameworks"]
        for name in names:
            for device in DEVICES:
                known = [p for p in PRECISIONS if fixed in (None, p) and not frameworks.load(name).supports(p, device)]
                if known:
                    able.setdefault(f"{', '.join(known)} on {device}", []).append(name)
    return [f"{', '.join(dict.fromkeys(names))}: {what}" for what, names in able.items()]


def comparisons(
    sweep: list[dict[str, Any]], tune: list[dict[str, Any]], parity: list[dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    """A row for each model × device × node × batch size, and where there are several sizes one for all of them.

    What is measured together, in rounds: the leaders of a batch size, then those of all sizes.

    Args:
        sweep: the plan's rows.
        tune: likewise, of settings that take part where they are shown to be faster than the default ones.
        parity: likewise; who may take part rests on them.
    """
    tuned: dict[tuple, list[dict[str, Any]]] = {}
    for row in tune:
        if row["reason"] is None:
            tuned.setdefault(tuple(row[key] for key in (*SETTING, "batch_size")), []).append(row)
    agreeing = {tuple(row[key] for key in IDENTITY): row["needs"] for row in parity}
    settings: dict[tuple, dict[int, list[dict[str, Any]]]] = {}
    for row in sweep:
        of_setting = settings.setdefault(tuple(row[key] for key in SETTING), {})
        able = of_setting.setdefault(row["batch_size"], [])
        if row["reason"] is None:
            able.append(row)
    for values, sizes in settings.items():
        setting = dict(zip(SETTING, values))
        before: list[str] = []
        for size, able in sizes.items():
            needs = []
            for row in (*able, *tuned.get((*values, size), [])):
                needs += [*row["needs"], *agreeing[tuple(row[key] for key in IDENTITY)]]
            many = len({tuple(row[key] for key in CANDIDATE) for row in able})
            compared = _compared(setting, size, many, "configurations", needs)
            before += compared["needs"] if compared["reason"] is None else needs
            yield compared
        if len(sizes) > 1:
            yield _compared(setting, None, sum(bool(able) for able in sizes.values()), "batch sizes", before)


def _compared(
    setting: dict[str, Any], batch_size: Optional[int], many: int, what: str, needs: list[str]
) -> dict[str, Any]:
    """The row of a comparison, with the reason where fewer than two can run.

    Args:
        batch_size: None for the comparison of all of them.
        many: how many can run, and `what` they are.
        needs: of all of them.
    """
    reason = f"fewer than two {what} can run: there is nothing to compare" if many < 2 else None
    record = paths.COMPARE.format(**setting, batch_size=paths.SIZES if batch_size is None else batch_size)
    row = {**setting, "batch_size": batch_size, "reason": reason, "record": record}
    return {**row, "needs": list(dict.fromkeys([*needs, record]))}


def by_model(plan: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The plan of each model: to look through all rows for each job takes time like the square of their number."""
    parts: dict[str, dict[str, Any]] = {}
    for stage, rows in plan.items():
        for row in rows:
            parts.setdefault(row["model"], {name: [] for name in plan})[stage].append(row)
    return parts


def candidates(plan: dict[str, Any], **point: Any) -> list[dict[str, Any]]:
    """The configurations that a comparison chooses from: what tells them apart, and the digests in their paths.

    Args:
        point: keys of the comparison's row; without a `batch_size` those of all of them.
    """
    rows = [
        {key: row[key] for key in (*CANDIDATE, *DIGESTS)}
        for row in (*plan["sweep"], *plan["tune"])
        if row.get("group", 1) == 1 and row["reason"] is None and all(row[key] == value for key, value in point.items())
    ]
    return list({tuple(row.values()): row for row in rows}.values())


def tuned(plan: dict[str, Any], **point: Any) -> list[str]:
    """The records of tuning whose settings may take part in a comparison.

    Args:
        point: keys of the comparison's row; without a `batch_size` those of all of them.
    """
    rows = (row for row in plan["tune"] if row["reason"] is None)
    return [row["record"] for row in rows if all(row[key] == value for key, value in point.items())]


def compared_before(plan: dict[str, Any], **setting: Any) -> list[str]:
    """Records of a setting's comparisons at each batch size, which that of all of them rests on."""
    return [
        row["record"]
        for row in plan["compare"]
        if row["batch_size"] is not None
        and row["reason"] is None
        and all(row[key] == value for key, value in setting.items())
    ]


def needs(plan: dict[str, Any], **candidate: Any) -> set[str]:
    """All outputs without which a candidate (its `candidates` keys and those of its point) cannot be compared."""
    rows = [*plan["sweep"], *plan["tune"], *plan["parity"]]
    mine = [row for row in rows if all(row[key] == value for key, value in candidate.items() if key in row)]
    return {output for row in mine for output in row["needs"]}


def records(plan: dict[str, Any], stage: str) -> list[str]:
    """Records that jobs are to make: those of the rows that no framework declared it cannot do."""
    return list(dict.fromkeys(row["record"] for row in plan[stage] if row["reason"] is None))


def turn(record: str, group: int, settings: dict[str, Any]) -> int:
    """Priority of a measurement: the first group of every configuration, then the second, in seeded random order each.

    That order depends on nothing but the measurement's own identity, so that adding others does not change it. However
    many groups there are, it stays below `READY`.

    Args:
        settings: the config's `latency` or `throughput`.
    """
    groups = settings["groups"]
    shuffled = int(hashlib.sha256(f"{settings['seed']}:{record}".encode()).hexdigest()[:6], 16)
    places = min(16**6, READY // groups)  # of the same group of all configurations
    return (groups - group) * places + shuffled * places // 16**6
