# What the other files use: the checked config, the registries, the plan, and how a stage is run.

import json
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.settings.types import DeploymentMethod

sys.path.insert(0, str(Path(workflow.basedir) / "workflow"))

from dliflow import config as configuration
from dliflow import dataset as datasets
from dliflow import environments, frameworks, modules, paths, plan, preprocess, sources
from dliflow.errors import DliflowError
from dliflow.files import digest, payload, write_json

CONDA = DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method


def checked(function, *arguments):
    """Call, and turn a user's error into a message of the workflow without a traceback."""
    try:
        return function(*arguments)
    except DliflowError as error:
        raise WorkflowError(str(error)) from None


CONFIG_FILES = ", ".join(map(str, workflow.configfiles)) or "--config"
STUDY = checked(configuration.study, config, CONFIG_FILES)
MODELS = {
    name: checked(configuration.model, Path("config/models"), name, CONFIG_FILES, f"models[{index}]")
    for index, name in enumerate(STUDY["models"])
}
DATASETS = {
    name: checked(configuration.registered, Path("config/datasets"), "dataset", name, CONFIG_FILES, key)
    for key, name in [("dataset", STUDY["dataset"]), ("calibration.dataset", STUDY["calibration"]["dataset"])]
}
CLASSES = {name: checked(configuration.class_names, Path(model["classes"]), name) for name, model in MODELS.items()}
# The preprocessed images are shared by all models that take the same input.
SPECS = {name: f"{model['input']['width']}px-{digest(model['input'], 8)}" for name, model in MODELS.items()}
INPUTS = {SPECS[name]: model["input"] for name, model in MODELS.items()}


wildcard_constraints:
    model="[a-z0-9_]+",
    dataset="[a-z0-9_]+",
    spec="[a-z0-9-]+",
    framework="[a-z0-9_]+",
    variant="[a-z0-9_]+",
    precision="fp32|fp16|bf16|int8",
    device="cpu|gpu",
    node="[a-z0-9_]+",
    parameters="default",
    batch_size=r"\d+",
    repetition=r"\d+",
    digest="[0-9a-f]{12}",


def environment_of(framework):
    """The file that the job which makes a framework's environment writes last."""
    folder = checked(environments.folder, Path(f"envs/{framework}.yaml"), STUDY["environments"]["folder"])
    return f"{folder}/environment.json"


def needs_environment(framework):
    """That file as a job's input, or none with conda. Its path holds the digest of the pins, so its date need not count."""
    return [] if CONDA else ancient(environment_of(framework))


def python_of(framework):
    """The Python that runs a framework's stages."""
    return "python" if CONDA else f"{Path(environment_of(framework)).parent}/bin/python"


# What must not re-run anything stays out of `params`: the place of the orchestrator's Python, and the time bounds, which
# are resources.
os.environ.update(DLIFLOW_PYTHON="python" if CONDA else sys.executable)


def supervised(python, stage, *options):
    """A job's command: run a stage in a fresh process, within a time, with a log."""
    alone = " --exclusive" if stage == "latency" else ""
    supervisor = f"-m dliflow supervise --timeout {{resources.timeout_s}}{alone} --log {{log:q}}"
    return " ".join([f"PYTHONPATH=workflow {python} {supervisor} -- {stage}", *options])


def here(stage, *options):
    """The command of a stage that runs in the orchestrator's environment."""
    return supervised('"$DLIFLOW_PYTHON"', stage, *options)


def there(stage, *options):
    """The command of a stage that runs in a framework's environment."""
    return supervised("{params.python:q}", stage, *options)


PLAN = checked(plan.build, STUDY, SPECS, environment_of)


# Inputs.


def dataset_folder(wildcards):
    """Where a dataset's images lie: the user's folder, or that of the unpacked packages."""
    location = DATASETS[wildcards.dataset]["source"]["from"][0]
    return location.get("path") or str(payload(paths.DATASET_FILES.format(dataset=wildcards.dataset)))


def dataset_manifest(wildcards):
    """The manifest of what was fetched; none for a user's folder."""
    fetched = "packages" in DATASETS[wildcards.dataset]["source"]["from"][0]
    return paths.DATASET_FILES.format(dataset=wildcards.dataset) if fetched else []


# For a user's folder what is in it, so that a new or replaced image is seen; a missing or empty one is told at once.
LISTINGS = {
    name: checked(datasets.listing, Path(entry["source"]["from"][0]["path"]), entry["images"])
    for name, entry in DATASETS.items()
    if "path" in entry["source"]["from"][0] and name == STUDY["dataset"]
}


# Models.


def source_of(model):
    """The module of a model's source format."""
    return sources.load(MODELS[model]["source"]["format"])


def source_folder(wildcards):
    """Where a model's source file lies: the user's folder, or that of the unpacked package."""
    location = MODELS[wildcards.model]["source"]["from"][0]
    return location.get("path") or str(payload(paths.MODEL_FILES.format(model=wildcards.model)))


def source_file(wildcards):
    """What changes when the source does: the manifest of the unpacked package, or the user's file."""
    source = MODELS[wildcards.model]["source"]
    if "path" in source["from"][0]:
        return str(Path(source["from"][0]["path"]) / source["file"])
    return paths.MODEL_FILES.format(model=wildcards.model)


def source_code(stage):
    """Input function: the code that decides a stage's result for a model, its source format's among it."""

    def code(wildcards):
        source = MODELS[wildcards.model]["source"]
        return modules.sources(
            f"stages.{stage}", f"sources.{source['format']}", f"architectures.{source['architecture']}"
        )

    return code


def calibration_array(wildcards):
    """The calibration images, for the precisions that need them."""
    if wildcards.precision != "int8":
        return []
    return paths.CALIBRATION_ARRAY.format(spec=SPECS[wildcards.model])


def calibration_options(wildcards, input):
    """The calibration images, and how they were chosen, for the manifest of the converted model."""
    if not input.calibration:
        return ""
    return f"--calibration {input.calibration} --calibration-set {shlex.quote(json.dumps(STUDY['calibration']))}"


def array_of(wildcards):
    """The preprocessed evaluation images of a model."""
    return paths.ARRAY.format(dataset=STUDY["dataset"], spec=SPECS[wildcards.model])


SOURCE_OPTIONS = (
    "--folder {params.folder:q} --file {params.source[file]:q} --format {params.source[format]:q}"
    " --architecture {params.source[architecture]:q}"
)


# Sessions.


def scores_of(model):
    """How many scores a model gives: its classes, and what stands before class 0."""
    return len(CLASSES[model]) + MODELS[model]["label_offset"]


def session_code(stage):
    """Input function: the code that decides what a stage finds for a framework."""
    return lambda w: modules.sources(f"stages.{stage}", f"frameworks.{w.framework}")


def session_options(wildcards):
    """The framework's launch options as JSON."""
    return json.dumps(STUDY["options"].get(wildcards.framework, {}))


def tolerance_of(wildcards):
    """The largest relative difference of scores that is accepted for a precision."""
    tolerance = STUDY["parity"]["tolerance"][wildcards.precision]
    return "none" if tolerance is None else tolerance


SESSION_OPTIONS = (
    "--model {wildcards.model} --framework {wildcards.framework} --variant {wildcards.variant}"
    " --precision {wildcards.precision} --device {wildcards.device} --threads {params.threads}"
    " --options {params.options:q} --converted {input.converted:q} --array {input.array:q}"
    " --scores {params.scores}"
)


# Order of measurements.


def turn(wildcards):
    """Priority of a measurement."""
    latency = STUDY["latency"]
    record = paths.LATENCY.format(**wildcards)
    return plan.turn(record, int(wildcards.repetition), latency["repetitions"], latency["seed"])


# What the tables are made from beside the records.


def used_frameworks():
    """The study's frameworks and those in whose environments something is converted for them."""
    names = {frameworks.converter(f, p) for f in STUDY["frameworks"] for p in STUDY["precisions"]}
    return sorted(names | set(STUDY["frameworks"]))


TABLES_DATA = {
    "study": json.dumps(plan.deciding(STUDY)),
    "specs": json.dumps(SPECS),
    "environments": json.dumps({name: environment_of(name) for name in used_frameworks()}),
    "references": json.dumps({name: source_of(name).FRAMEWORK for name in MODELS}),
    "classes": json.dumps({name: len(classes) for name, classes in CLASSES.items()}),
}
TABLES_ARGUMENTS = [part for name, value in TABLES_DATA.items() for part in (f"--{name}", value)]
STAGE_ENVIRONMENT = {**os.environ, "PYTHONPATH": "workflow"}
