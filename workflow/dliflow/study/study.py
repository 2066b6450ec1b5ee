"""A study as one object: its checked config and the registries' entries, read once and asked by the rules."""

from __future__ import annotations

import itertools
import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any, Optional

from dliflow import conversion, frameworks, sources
from dliflow.configuration import PYTHON, Configuration
from dliflow.errors import DliflowError
from dliflow.fetching import locations
from dliflow.files import digest, not_whole, payload, sha256
from dliflow.images import dataset as datasets
from dliflow.images import inputs, label_files
from dliflow.machine import launch, variables
from dliflow.study import config as configuration
from dliflow.study import containers, environments, nodes, paths, plan
from dliflow.study.nodes import Entry

MODELS, DATASETS, NODES = Path("config/models"), Path("config/datasets"), Path("config/nodes")
DEPLOYED = re.sub(r"\{\w+\}", "*", paths.DEPLOYED)  # of whatever rows


@dataclass(frozen=True)
class Study:
    """What a study's config says, and what follows from it.

    Attributes:
        config: as `config.study` checks it, defaults filled in.
        models: the registry entry of each model, completed.
        datasets: those of the dataset, of the calibration images and of those without labels.
        classes: the class names of each model.
        listings: for each dataset that is a folder of the user's a digest of what is in it, so that a new or replaced
            image is seen.
        nodes: the entry of each machine that measures.
        conda: whether Snakemake makes the environments, by conda.
        container: whether jobs run in an image that has them (`study.containers`).
    """

    config: dict[str, Any]
    models: dict[str, dict[str, Any]]
    datasets: dict[str, dict[str, Any]]
    classes: dict[str, list[str]]
    listings: dict[str, str]
    nodes: dict[str, Entry]
    conda: bool = False
    container: bool = False

    @classmethod
    def read(cls, given: dict[str, Any], origin: str, conda: bool = False, container: bool = False) -> Study:
        """Check a config and everything that it names, before anything runs.

        Args:
            given: the config as it was read.

        Raises:
            DliflowError: naming the file, the key, the value and what would be right.
        """
        config = configuration.study(given, origin)
        config["launch"] = launch.normal(config["launch"], origin)
        models = configuration.models(MODELS, config["models"], origin)
        config["models"] = list(models)
        calibration = config["calibration"]["dataset"]
        named = {"dataset": config["dataset"], "calibration.dataset": calibration}
        if config["agreement"]["dataset"] is not None:
            named["agreement.dataset"] = config["agreement"]["dataset"]
        entries = configuration.datasets(DATASETS, named, origin)
        classes = {
            name: configuration.class_names(Path(entry["classes"]), entry["file"]) for name, entry in models.items()
        }
        needed = {*plan.evaluated(config), *([calibration] if "int8" in config["precisions"] else [])}
        configuration.together(_checks(models, {name: entries[name] for name in needed}))
        listings = {
            name: datasets.listing(folder, entries[name]["images"])
            for name in needed
            if (folder := locations.in_place(entries[name]["source"])) is not None
        }
        machines = nodes.entries(NODES, config["nodes"], origin)
        study = cls(config, models, entries, classes, listings, machines, conda, container)
        variables.check(config["launch"]["environment"], study.set_by_frameworks, origin)
        plan.check(study.plan, config, study.described, origin)
        return study

    def check_results(self) -> None:
        """Refuse to build on results that are not whole: Snakemake would take them for finished.

        Raises:
            DliflowError: naming the files, and what to type.
        """
        rows = [row for stage in self.plan.values() for row in stage]
        outputs = {output for row in rows for output in (row["record"], *row["needs"])}
        broken = not_whole([*outputs, *paths.LAST, *map(str, Path().glob(DEPLOYED))])
        lost = [marker for output in outputs if (marker := self._lost_environment(output))]
        if lost:
            raise DliflowError(
                f"{len(lost)} environments have lost the Python that they were made with. Delete them, and they are "
                f"made again:\n  rm -r {shlex.join(sorted(lost))}"
            )
        if broken:
            raise DliflowError(
                f"{len(broken)} files are empty or cut off, as a crash or a full disk leaves them. Delete them, and "
                f"they are made again:\n  rm {shlex.join(broken)}"
            )

    @staticmethod
    def _lost_environment(output: str) -> Optional[str]:
        """The folder of an environment that is marked as made and cannot run; None for everything else."""
        marker = Path(output)
        made = marker.name == "environment.json" and marker.exists()
        return str(marker.parent) if made and not (marker.parent / "bin/python").exists() else None

    @cached_property
    def set_by_frameworks(self) -> dict[str, list[str]]:
        """The variables that each framework's file sets by itself."""
        threads = self.threads
        modules = {name: frameworks.load(name) for name in self.config["frameworks"]}
        return {
            name: list(module.environment(threads, self.options(name))) if hasattr(module, "environment") else []
            for name, module in modules.items()
        }

    @property
    def threads(self) -> Optional[int]:
        """Compute threads; None for each framework's own choice."""
        return None if self.config["threads"] == "default" else self.config["threads"]

    def options(self, framework: str) -> dict[str, Any]:
        """A framework's launch options, as the config has them: those of its name, or else of all its versions."""
        given = self.config["options"]
        return given.get(framework, given.get(frameworks.family(framework), {}))

    # Models.

    @cached_property
    def specs(self) -> dict[str, str]:
        """What the pixels for each model are called: models whose inputs have the same geometry share them."""
        return {
            name: f"{entry['input']['width']}px-{digest(inputs.geometry(entry['input']), 8)}"
            for name, entry in self.models.items()
        }

    @cached_property
    def geometries(self) -> dict[str, dict[str, Any]]:
        """What decides the pixels, by what they are called."""
        return {self.specs[name]: inputs.geometry(entry["input"]) for name, entry in self.models.items()}

    def scores(self, model: str) -> int:
        """How many scores a model gives: its classes, and what stands before class 0."""
        return len(self.classes[model]) + self.models[model]["label_offset"]

    def as_it_is(self, model: str) -> bool:
        """Whether a model's file is run without a conversion."""
        return "precision" in self.models[model]["source"]

    def source_format(self, model: str) -> str:
        """The format of a model's file, which is the name of its module in `sources`."""
        return self.models[model]["source"]["format"]

    def exporter(self, model: str) -> str:
        """The environment in which a model is exported."""
        return sources.exporter(self.source_format(model))

    def home(self, model: str) -> str:
        """The environment in which a model's file gives the scores that all others must agree with."""
        return sources.home(self.source_format(model))

    def batch_size(self, model: str) -> Optional[int]:
        """The only batch size that a model's file takes; None for any."""
        return self.models[model]["source"].get("batch_size")

    def converter(self, model: str, framework: str, precision: str) -> str:
        """The framework in whose environment a model is converted."""
        return framework if self.as_it_is(model) else conversion.converter(framework, precision)

    def calibrated(self, model: str, precision: str) -> bool:
        """Whether a conversion needs calibration images."""
        return precision == "int8" and not self.as_it_is(model)

    def array(self, model: str, dataset: Optional[str] = None) -> str:
        """The manifest of the pixels that a model's quality is measured on: of the study's dataset, or another."""
        return paths.ARRAY.format(dataset=dataset or self.config["dataset"], spec=self.specs[model])

    def performance_array(self, model: str) -> str:
        """The manifest of the pixels that a model's requests are made of."""
        return paths.PERFORMANCE_ARRAY.format(dataset=self.config["dataset"], spec=self.specs[model])

    def calibration_array(self, model: str) -> str:
        """The manifest of the pixels that a model is calibrated with."""
        return paths.CALIBRATION_ARRAY.format(spec=self.specs[model])

    @cached_property
    def origin(self) -> Callable[[str], str]:
        """Of a model: digest of what its file is, in whatever version of a framework it runs. Each is read once."""

        def of(model: str) -> str:
            source = self.models[model]["source"]
            return digest([source, contents(source)])

        return cache(of)

    def model_path(self, model: str) -> str:
        """Where a model's file (or its folder of files) lies: the user's own, or what was fetched."""
        fetched = payload(paths.MODEL_FILES.format(model=model))
        return str(locations.path_of(self.models[model]["source"], fetched))

    # Machines.

    @cached_property
    def elsewhere(self) -> list[str]:
        """The nodes that a scheduler gives; whatever the others are called, they are the machine that this runs on."""
        return [name for name, entry in self.nodes.items() if not nodes.here(entry)]

    @cached_property
    def reached(self) -> dict[str, dict[str, Any]]:
        """For each node what its jobs have to know of it."""
        return {name: nodes.reached(entry) for name, entry in self.nodes.items()}

    def resources(self, node: str) -> dict[str, Any]:
        """What Snakemake's executor has to know to run a job on a node, or on a machine like it."""
        return nodes.resources(self.nodes[node])

    def home_of(self, device: str) -> str:
        """The node on whose kind of machine quality is looked at: the first that has the device."""
        fitting = (name for name, entry in self.nodes.items() if not nodes.lacking(name, entry, device))
        return next(fitting, next(iter(self.nodes)))

    # Images.

    def labels_contents(self, dataset: str) -> str:
        """Digest of the user's file of labels; '' where there is none."""
        beside = self.labels_beside(dataset)
        return "" if beside is None else sha256(Path(beside))

    def label_source(self, dataset: str) -> Optional[dict[str, Any]]:
        """Where a dataset's file of labels comes from; None when it lies in the dataset's folder, or there is none."""
        file = self.datasets[dataset]["labels"].get("file")
        return file if isinstance(file, dict) else None

    def labels_beside(self, dataset: str) -> Optional[str]:
        """The file of labels in a user's folder of images; None where there is none."""
        return _labels_beside(self.datasets[dataset])

    def labels_input(self, dataset: str) -> list[str]:
        """What changes when a dataset's labels do: the manifest of what was fetched, or the user's file."""
        beside = self.labels_beside(dataset)
        if self.label_source(dataset):
            return [paths.LABEL_FILES.format(dataset=dataset)]
        return [] if beside is None else [beside]

    def archives(self, dataset: str) -> list[str]:
        """The user's archives of images whose change must be noticed; for a folder of images `listings` does that."""
        source = self.datasets[dataset]["source"]
        return [] if locations.in_place(source) else locations.inputs_of(source)

    def dataset_folder(self, dataset: str) -> str:
        """Where a dataset's images lie: the user's folder, or that of what was fetched."""
        fetched = payload(paths.DATASET_FILES.format(dataset=dataset))
        return str(locations.path_of(self.datasets[dataset]["source"], fetched))

    def labels_path(self, dataset: str) -> Optional[str]:
        """Where a dataset's labels lie; None when its rule needs no file."""
        file = self.datasets[dataset]["labels"].get("file")
        if file is None:
            return None
        if isinstance(file, dict):
            return str(locations.path_of(file, payload(paths.LABEL_FILES.format(dataset=dataset))))
        return str(Path(self.dataset_folder(dataset), file))

    def names_file(self, dataset: str) -> Optional[str]:
        """The file with what a dataset's labels may call the classes: its own, or the models' when they all agree."""
        labels = self.datasets[dataset]["labels"]
        if labels["from"] in ("none", "devkit"):
            return None
        if "classes" in labels:
            return labels["classes"]
        first, *others = self.classes.values()
        return next(iter(self.models.values()))["classes"] if all(other == first for other in others) else None

    # Environments and plan.

    @cached_property
    def environment(self) -> Callable[[str], Optional[str]]:
        """Of a framework: the file that the job which makes its environment writes last; None where no job does, with
        conda and in a container.
        """
        base = self.config["environments"]["folder"]

        def of(framework: str) -> Optional[str]:
            folder = environments.folder(Path(f"envs/{framework}.yaml"), base)
            return None if self.conda or self.container else f"{folder}/environment.json"

        return cache(of)

    @cached_property
    def digest(self) -> Callable[[str], str]:
        """Of a framework: that of its environment, as it stands in paths. Each file is read once."""
        return cache(lambda framework: environments.digest(Path(f"envs/{framework}.yaml")))

    @cached_property
    def digests(self) -> list[str]:
        """Those of all environments in which models are converted or run, each once."""
        return sorted({self.digest(name) for name in self.used_frameworks})

    def converted(self, configuration: Configuration) -> str:
        """The manifest of a converted model."""
        converter = self.converter(configuration.model, configuration.framework, configuration.precision)
        mark = conversion.mark(configuration.framework, configuration.variant, self.digest(converter))
        return configuration.path(paths.CONVERTED, converter=mark)

    def built(self, configuration: Configuration) -> Optional[str]:
        """The manifest of the program in C++ that runs a configuration; None where it is run in Python."""
        if configuration.api == PYTHON:
            return None
        return configuration.path(paths.BUILT, environment=self.digest(configuration.framework))

    def library(self, framework: str) -> Optional[str]:
        """What a framework's program in C++ is linked with beside its package: the manifest of a library that a job
        compiles, or the folder of an installed one; None for nothing.
        """
        return plan.library(self.config, framework, self.digest) or self.config["cpp"].get(frameworks.family(framework))

    def python(self, framework: str) -> str:
        """The Python that runs a framework's stages."""
        if self.container:
            return containers.python(Path(f"envs/{framework}.yaml"))
        marker = self.environment(framework)
        return "python" if marker is None else str(Path(marker).with_name("bin") / "python")

    @cached_property
    def used_frameworks(self) -> list[str]:
        """The study's frameworks and those in whose environments something is exported or converted; sorted."""
        homes = {home for model in self.models for home in (self.exporter(model), self.home(model))}
        return sorted({*self.converting_frameworks, *homes})

    @cached_property
    def converting_frameworks(self) -> list[str]:
        """The study's frameworks and those in whose environments something is converted; sorted."""
        named, precisions = self.config["frameworks"], self.config["precisions"]
        return sorted({*named, *(conversion.converter(name, kind) for name in named for kind in precisions)})

    @cached_property
    def anchors(self) -> list[str]:
        """The environments in which the anchor is made, and runs beside the study's configurations; sorted."""
        points = itertools.product(self.config["frameworks"], self.config["devices"])
        return sorted({plan.ANCHOR, *(plan.anchor(*point) for point in points)})

    @cached_property
    def described(self) -> dict[str, dict[str, Any]]:
        """For each model what the plan and the tables know of it."""
        return {
            name: plan.described(entry, self.specs[name], len(self.classes[name]))
            for name, entry in self.models.items()
        }

    @cached_property
    def deciding(self) -> dict[str, Any]:
        """The part of the config that the plan is built from."""
        fetched_labels = [name for name in self.datasets if self.label_source(name)]
        machines = {name: nodes.deciding(entry) for name, entry in self.nodes.items()}
        return plan.deciding(self.config, fetched_labels, machines, self.unmakeable)

    @cached_property
    def unmakeable(self) -> dict[str, str]:
        """For each framework, or converter, whose environment this machine cannot have the reason; none with conda."""
        folder = self.config["environments"]["folder"]
        files = {name: Path(f"envs/{name}.yaml") for name in self.converting_frameworks}
        reasons = {name: environments.lacking(file, folder) for name, file in files.items() if not self.conda}
        return {name: reason for name, reason in reasons.items() if reason is not None}

    @cached_property
    def plan(self) -> dict[str, Any]:
        """Every row that the tables will have."""
        return plan.build(self.deciding, self.described, self.environment, self.digest)

    @cached_property
    def plan_of(self) -> dict[str, dict[str, Any]]:
        """The same of each model by itself, for what needs a few of its rows."""
        return plan.by_model(self.plan)

    @cached_property
    def candidates(self) -> Callable[..., list[dict[str, Any]]]:
        """Of a comparison, by keys of its row: the configurations that it chooses from. They are looked for once."""
        return cache(lambda **point: plan.candidates(self.plan_of[point["model"]], **point))


def contents(source: dict[str, Any]) -> str:
    """Digest of the user's own files of a source. Their dates would not tell when an older file comes back."""
    return digest([[file, sha256(Path(file))] for file in locations.inputs_of(source)])


def _checks(models: dict[str, dict[str, Any]], entries: dict[str, dict[str, Any]]) -> Iterator[partial[None]]:
    """What is to be asked of the files that a study names, before anything runs."""
    for entry in models.values():
        for check in (locations.check, locations.check_file):
            yield partial(check, entry["source"], f"{entry['file']}: source")
    for name, entry in entries.items():
        origin, labels = f"{DATASETS}/{name}.yaml", entry["labels"]
        yield partial(locations.check, entry["source"], f"{origin}: source")
        yield partial(locations.check_folder, entry["source"], f"{origin}: source")
        if isinstance(labels.get("file"), dict):
            yield partial(locations.check, labels["file"], f"{origin}: labels.file")
        yield partial(_check_labels, entry, f"{origin}: labels")
        yield partial(_check_patterns, entry, origin)


def _check_patterns(entry: dict[str, Any], origin: str) -> None:
    try:
        datasets.check(entry["images"])
    except DliflowError as error:
        raise DliflowError(f"{origin}: {error}") from error


def _check_labels(entry: dict[str, Any], key: str) -> None:
    beside = _labels_beside(entry)
    if beside is not None and not Path(beside).exists():
        raise DliflowError(f"{key}.file: there is no {beside}")
    try:
        label_files.check(entry["labels"])
    except DliflowError as error:
        raise DliflowError(f"{key.removesuffix('labels')}{error}") from error
    if "classes" in entry["labels"]:
        configuration.lines(entry["labels"]["classes"], f"{key}.classes")


def _labels_beside(entry: dict[str, Any]) -> Optional[str]:
    folder, file = locations.in_place(entry["source"]), entry["labels"].get("file")
    return str(folder / file) if folder and isinstance(file, str) else None
