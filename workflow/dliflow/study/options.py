"""The options of each stage's command line, as one text, which Snakemake compares to see whether a job must run again.

One text, since Snakemake compares the values of `params` as a set, in which a 0 that becomes a 1 can hide among others.
What must not re-run anything (time bounds, the place of a Python) is not in here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Optional

from dliflow import building
from dliflow.configuration import Configuration
from dliflow.fetching import locations
from dliflow.files import digest
from dliflow.images import inputs
from dliflow.study import paths, plan
from dliflow.study.arguments import text
from dliflow.study.study import Study

# With the profiler and without: a median of some dozens of requests each, of few where one takes seconds.
PROFILE = {"rounds": 5, "burst_requests": 10, "burst_limit": 0.5}
LANE_REQUESTS = 20_000  # of each lane of one with several requests in flight
BURST_REQUESTS, BURST_REQUESTS_PER_S = 1_000, 20_000  # of a burst that ends by time: the larger one is its bound


def _fetched_part(source: dict[str, Any]) -> dict[str, Any]:
    """The part of a source that decides what is fetched."""
    return {key: source[key] for key in ("from", "file", "sha256") if key in source}


def fetch_model(study: Study, model: str) -> str:
    """Of `fetch`, for a model's files."""
    return text(source=_fetched_part(study.models[model]["source"]), contents=True)


def fetch_dataset(study: Study, dataset: str) -> str:
    """Of `fetch`, for a dataset's images."""
    return text(source=_fetched_part(study.datasets[dataset]["source"]))


def fetch_labels(study: Study, dataset: str) -> str:
    """Of `fetch`, for labels that lie elsewhere than their images."""
    source = study.label_source(dataset)
    assert source is not None
    return text(source=_fetched_part(source), contents=True)


def images(study: Study, dataset: str) -> str:
    """Of `images`."""
    entry = study.datasets[dataset]
    return text(
        folder=study.dataset_folder(dataset),
        patterns=entry["images"],
        labels=entry["labels"],
        labels_path=study.labels_path(dataset),
        names=study.names_file(dataset),
        crops=entry["crops"],
        classes=min(map(len, study.classes.values())),
    )


def subset(study: Study, dataset: str, subset: str) -> str:
    """Of `subset`: `evaluation` or `performance`."""
    accuracy, agreement, latency = (study.config[key] for key in ("accuracy", "agreement", "latency"))
    if dataset == agreement["dataset"]:
        return text(at_most=agreement["images"], seed=agreement["seed"])
    size = {"exactly": accuracy["images"]} if subset == "evaluation" else {"at_most": latency["images"]}
    return text(**size, seed=accuracy["seed"])


def calibration(study: Study) -> str:
    """Of `calibration`."""
    chosen = study.config["calibration"]
    return text(
        candidates=paths.IMAGES.format(dataset=chosen["dataset"]),
        evaluation=[paths.EVALUATION_IMAGES.format(dataset=name) for name in plan.evaluated(study.config)],
        count=chosen["images"],
        seed=chosen["seed"],
    )


def prepare(study: Study, spec: str) -> str:
    """Of `prepare`."""
    return text(geometry=study.geometries[spec])


def _taken(study: Study, model: str) -> dict[str, Any]:
    """The `input` entry by which inputs of a model are made where it is measured."""
    entry: dict[str, Any] = study.models[model]["input"]
    return entry if study.as_it_is(model) else inputs.converted(entry)


def _source(study: Study, model: str) -> dict[str, Any]:
    """What names a model's file in its own format."""
    entry = study.models[model]
    described = {key: value for key, value in entry["source"].items() if key not in ("from", "file", "sha256")}
    return {
        "path": study.model_path(model),
        "fetched": paths.MODEL_FILES.format(model=model),
        "source": described,
        "input": entry["input"],
        "scores": study.scores(model),
        "label_offset": entry["label_offset"],
    }


def export(study: Study, model: str) -> str:
    """Of `export`."""
    return text(**_source(study, model))


def reference(study: Study, model: str) -> str:
    """Of `reference`."""
    evaluation = paths.EVALUATION_IMAGES.format(dataset=study.config["dataset"])
    count = study.config["parity"]["images"]
    return text(**_source(study, model), array=study.array(model), images=evaluation, count=count)


def convert(study: Study, model: str, framework: str, precision: str, variant: Optional[str] = None) -> str:
    """Of `convert`.

    Args:
        variant: of the framework, where it runs files of its own.
    """
    origin: dict[str, Any]
    if study.as_it_is(model):
        source = study.models[model]["source"]
        ends = {key: source[key] for key in ("input", "output") if key in source}
        origin = {"adopt": study.model_path(model), "fetched": paths.MODEL_FILES.format(model=model), "ends": ends}
    else:
        origin = {"source": paths.INTERCHANGE.format(model=model)}
    calibration: dict[str, Any] = {}
    if study.calibrated(model, precision):
        calibration = {"calibration": study.calibration_array(model), "calibration_set": study.config["calibration"]}
        calibration["input"] = _taken(study, model)
    return text(framework=framework, precision=precision, variant=variant, **origin, **calibration)


def library(study: Study, framework: str) -> str:
    """Of `library`."""
    source = building.source_of(framework, study.config["cpp"])
    assert source is not None
    return text(framework=framework, file=f"envs/{framework}.yaml", source=source._asdict())


def build(study: Study, framework: str) -> str:
    """Of `build`."""
    return text(framework=framework, library=study.library(framework))


def _session(study: Study, configuration: Configuration) -> dict[str, Any]:
    """What describes a session."""
    model, framework = configuration.model, configuration.framework
    return {
        **configuration.identity,
        "parameters": None if configuration.parameters == "default" else configuration.parameters,
        "threads": study.threads,
        "options": study.options(framework) or None,
        "converted": study.converted(configuration),
        "built": study.built(configuration),
        "scores": study.scores(model),
    }


def _images(study: Study, model: str, array: str) -> dict[str, Any]:
    """What names pixels and tells what a model takes of them."""
    return {"array": array, "input": _taken(study, model)}


def parity(study: Study, configuration: Configuration) -> str:
    """Of `parity`."""
    settings, model = study.config["parity"], configuration.model
    return text(
        **_session(study, configuration),
        **_images(study, model, study.array(model)),
        reference=paths.REFERENCE.format(model=model),
        bounds={name: settings[name][configuration.precision] for name in ("tolerance", "distance", "agreement")},
        batch_size=study.batch_size(model) or settings["images"],
    )


def accuracy(study: Study, configuration: Configuration, dataset: str) -> str:
    """Of `accuracy`, on the study's labelled images or on those of `agreement`."""
    model = configuration.model
    return text(
        **_session(study, configuration),
        **_images(study, model, study.array(model, dataset)),
        dataset=dataset,
        unlabelled=dataset != study.config["dataset"],
        images=paths.EVALUATION_IMAGES.format(dataset=dataset),
        label_offset=study.models[model]["label_offset"],
        batch_size=study.batch_size(model) or study.config["accuracy"]["batch_size"],
    )


def _feed(study: Study, model: str) -> dict[str, Any]:
    """What requests are made of."""
    latency = study.config["latency"]
    return {
        **_images(study, model, study.performance_array(model)),
        "random_images": latency["images"] if latency["inputs"] == "random" else None,
        "distinct": latency["distinct"],
    }


def bursts(settings: Mapping[str, Any]) -> tuple[int, int, float]:
    """How many of a session, how many requests each of them has at most, and after how many seconds it ends."""
    limit_s = settings["burst_s"]
    return settings["rounds"], max(BURST_REQUESTS, int(BURST_REQUESTS_PER_S * limit_s)), limit_s


def _pace(study: Study, rounds: int, burst_requests: int, burst_limit_s: Optional[float]) -> dict[str, Any]:
    """How sessions are measured."""
    latency = study.config["latency"]
    return {
        "rounds": rounds,
        "burst_requests": burst_requests,
        "burst_limit": burst_limit_s,
        "warmup_requests": latency["warmup_requests"],
        "warmup_limit": latency["warmup_limit_s"],
        "hang": latency["hang_s"],
        "launch": study.config["launch"],
    }


def _anchor_device(configuration: Configuration) -> Optional[str]:
    """What the anchor beside a configuration runs on; None for the CPU."""
    beside = plan.anchor(configuration.framework, configuration.device)
    return None if beside == plan.ANCHOR else configuration.device


def sweep(study: Study, configuration: Configuration, node: str, group: int) -> str:
    """Of `sweep`. Fixed: one session of all requests in a row for each batch size."""
    settings, fixed = study.config["latency"], study.config["latency"]["mode"] == "fixed"
    sizes = plan.batch_sizes(study.deciding, study.described[configuration.model])
    burst = (1, settings["requests"], None) if fixed else bursts(settings)
    return text(
        **_session(study, configuration),
        node=node,
        scenario="latency",
        group=group,
        origin=study.origin(configuration.model),
        sessions=1 if fixed else settings["sessions"],
        budget=None if fixed else settings["budget_s"],
        **_pace(study, *burst),
        **_feed(study, configuration.model),
        seed=settings["seed"],
        batch_sizes=list(sizes),
        anchor_device=_anchor_device(configuration),
    )


def throughput(study: Study, configuration: Configuration, node: str, group: int) -> str:
    """Of `sweep`, with several requests in flight at a time."""
    settings = study.config["throughput"]
    sizes = plan.batch_sizes(study.deciding, study.described[configuration.model], "throughput")
    return text(
        **_session(study, configuration),
        node=node,
        scenario="throughput",
        group=group,
        origin=study.origin(configuration.model),
        budget=settings["budget_s"],
        **_pace(study, settings["rounds"], LANE_REQUESTS, settings["burst_s"]),
        **_feed(study, configuration.model),
        batch_sizes=sizes,
        anchor_device=_anchor_device(configuration),
        **{key: settings[key] for key in ("in_flight", "sessions", "seed")},
    )


def tune(study: Study, configuration: Configuration, node: str, batch_size: int) -> str:
    """Of `tune`."""
    settings, parity = study.config["tune"], study.config["parity"]
    return text(
        **_session(study, configuration),
        node=node,
        batch_size=batch_size,
        **_pace(study, *bursts(settings)),
        **_feed(study, configuration.model),
        budget=settings["budget_s"],
        confirm_budget=settings["confirm_budget_s"],
        **{key: settings[key] for key in ("candidates", "groups", "sessions", "confirm_groups", "width", "seed")},
        score_images=parity["images"],
        bounds={name: parity[name][configuration.precision] for name in ("tolerance", "distance", "agreement")},
        anchor_device=_anchor_device(configuration),
    )


def compare(study: Study, node: str, model: str, device: str, batch_size: Optional[int]) -> str:
    """Of `compare`.

    Args:
        batch_size: None to compare all of them.
    """
    settings, setting = study.config["compare"], {"node": node, "model": model, "device": device}
    every, of_model = plan.batch_sizes(study.deciding, study.described[model]), study.plan_of[model]
    point = setting if batch_size is None else {**setting, "batch_size": batch_size}
    return text(
        **setting,
        batch_sizes=every if batch_size is None else [batch_size],
        candidates=[
            {
                **candidate,
                "options": study.options(candidate["framework"]),
                "python": interpreter(study, candidate["framework"]),
                **_anchor_of_its_own(study, candidate["framework"], device),
            }
            for candidate in study.candidates(**point)
        ],
        tuned=plan.tuned(of_model, **point) or None,
        groups_of_sweep=study.config["latency"]["groups"],
        scores=study.scores(model),
        threads=study.threads,
        **_pace(study, *bursts(settings)),
        **_feed(study, model),
        budget=settings["budget_s"],
        **{key: settings[key] for key in ("leaders", "width", "groups", "sessions", "seed")},
    )


def _anchor_of_its_own(study: Study, framework: str, device: str) -> dict[str, str]:
    """The Python of the anchor that runs on a candidate's GPU, where there is one."""
    beside = plan.anchor(framework, device)
    return {} if beside == plan.ANCHOR else {"anchor": interpreter(study, beside)}


def profile(study: Study, configuration: Configuration, node: str, batch_size: int) -> str:
    """Of `profile`."""
    latency = study.config["latency"]
    return text(
        **_session(study, configuration),
        **_feed(study, configuration.model),
        **PROFILE,
        node=node,
        batch_size=batch_size,
        launch=study.config["launch"],
        warmup_requests=latency["warmup_requests"],
        warmup_limit=latency["warmup_limit_s"],
    )


def deploy(study: Study, configuration: Configuration, node: str, batch_size: int) -> str:
    """Of `deploy`."""
    model, config = configuration.model, study.config
    entry = study.models[model]
    met = {
        "images of requests and of accuracy": config["dataset"],
        "images of agreement": config["agreement"]["dataset"],
    }
    if study.calibrated(model, configuration.precision):
        met["images that INT8 was calibrated with"] = config["calibration"]["dataset"]
    return text(
        **_session(study, configuration),
        node=node,
        batch_size=batch_size,
        input=_taken(study, model),
        title=entry["title"],
        layout=entry["input"]["layout"],
        classes=entry["classes"],
        label_offset=entry["label_offset"],
        licences=[
            _licence("the model", entry),
            *(_licence(role, study.datasets[name]) for role, name in met.items() if name is not None),
        ],
        launch=config["launch"],
        goal=_goal(study),
        file=f"envs/{configuration.framework}.yaml",
    )


def _licence(role: str, entry: dict[str, Any]) -> str:
    """The licence of a model or a dataset as its entry tells it. Paths of the user's are nobody else's business."""
    public = [location for location in entry["source"]["from"] if "path" not in location]
    place = f" ({locations.shown(public[0])})" if public else ""
    return f"{role}, {entry['title']}{place}: {entry['licence']}"


def interpreter(study: Study, framework: str) -> str:
    """The Python of a framework's environment; with conda the file that tells it."""
    return paths.INTERPRETER.format(framework=framework) if study.conda else study.python(framework)


def report(study: Study) -> str:
    """Of `report`."""
    return text(goal=_goal(study))


def _goal(study: Study) -> Optional[dict[str, Any]]:
    """What of the config's goal is set; None for nothing."""
    return {key: value for key, value in study.config["goal"].items() if value is not None} or None


def tables(study: Study) -> str:
    """Of `tables`: a file that holds `of_tables`. A command line has no room for what is to be told of 300 models."""
    return text(study=paths.STUDY.format(digest=digest(of_tables(study))))


def of_tables(study: Study) -> dict[str, Any]:
    """All that rows are made from beside the records."""
    names = (*study.used_frameworks, *study.anchors)
    markers = {name: [study.environment(name), study.digest(name)] for name in names}
    return {"study": study.deciding, "models": study.described, "environments": markers, "about": _about(study)}


def _about(study: Study) -> dict[str, Any]:
    """What the page tells of a study, beside what was measured: its config, and where models and images come from.

    Time bounds and the place of the environments are left out: what decides no result must not make anything anew. The
    goal is an option of the report's own.
    """

    def part(settings: dict[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in settings.items() if key not in ("timeout_s", "hang_s")}

    config = {key: part(value) if isinstance(value, dict) else value for key, value in study.config.items()}
    del config["environments"], config["goal"]
    registered = {"models": study.models, "datasets": study.datasets}
    return {"config": config} | {
        kind: {
            name: {
                "title": entry.get("title", name),
                "licence": entry.get("licence", "not stated"),
                "from": entry["source"]["from"],
            }
            for name, entry in entries.items()
        }
        for kind, entries in registered.items()
    }
