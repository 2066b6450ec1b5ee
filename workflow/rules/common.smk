# What every rule file uses: the checked config, the registries, the plan, and how a stage is run.

import json
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.settings.types import DeploymentMethod

sys.path.insert(0, str(Path(workflow.basedir) / "workflow"))

from dliflow import config as configuration
from dliflow import dataset as datasets
from dliflow import environments, frameworks, modules, paths, plan, preprocess, sources
from dliflow.errors import DliflowError
from dliflow.files import digest

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
    name: checked(configuration.registered, Path("config/models"), "model", name, CONFIG_FILES, f"models[{index}]")
    for index, name in enumerate(STUDY["models"])
}
DATASETS = {
    name: checked(configuration.registered, Path("config/datasets"), "dataset", name, CONFIG_FILES, key)
    for key, name in [("dataset", STUDY["dataset"]), ("calibration.dataset", STUDY["calibration"]["dataset"])]
}
CLASSES = {name: checked(configuration.class_names, Path(model["classes"]), name) for name, model in MODELS.items()}
# The preprocessed images are shared by all models that take the same input.
INPUTS = {f"{model['input']['width']}px-{digest(model['input'], 8)}": model["input"] for model in MODELS.values()}
SPECS = {name: f"{model['input']['width']}px-{digest(model['input'], 8)}" for name, model in MODELS.items()}


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


# The first half of every job's command: run a stage in a fresh process, within a time, with a log. In the shell part
# and not in `params` stands what must not re-run anything: the place of the orchestrator's Python, the time bounds.
ORCHESTRATOR = sys.executable
HERE = "PYTHONPATH=workflow {ORCHESTRATOR:q} -m dliflow supervise --log {log:q}"
THERE = "PYTHONPATH=workflow {params.python:q} -m dliflow supervise --log {log:q}"


PLAN = checked(plan.build, STUDY, SPECS, environment_of)
