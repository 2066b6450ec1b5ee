# What the other files use: the checked study, its wildcards, and how a stage is run.

import json
import os
from pathlib import Path

from snakemake.settings.types import DeploymentMethod

from dliflow.configuration import Configuration
from dliflow.fetching import locations
from dliflow.machine import children
from dliflow.study import options, paths, plan
from dliflow.study.source_code import digest as code
from dliflow.study.study import Study, contents

CONDA = DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method
STUDY = checked(Study.read, config, ", ".join(map(str, workflow.configfiles)) or "--config", CONDA)
CONFIG, PLAN = STUDY.config, STUDY.plan
if workflow.is_main_process:
    checked(STUDY.check_results)


wildcard_constraints:
    model="[a-z0-9_]+",
    dataset="[a-z0-9_]+",
    subset="evaluation|performance",
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


# What must not re-run anything stays out of `params`: the place of the orchestrator's Python, and the time bounds, which
# are resources.
os.environ.update(DLIFLOW_PYTHON="python" if CONDA else sys.executable)
# Jobs end when this process does. On a cluster it is the Snakemake that the batch system has started for the job.
os.environ[children.WORKFLOW] = children.written(os.getpid())
VARIABLES = json.dumps(CONFIG["launch"]["environment"], sort_keys=True)


def supervised(python, stage, *more):
    """A job's command: run a stage in a fresh process, within a time, with a log."""
    alone = " --exclusive" if stage in ("latency", "compare") else ""
    # Variables that choose kernels change scores as well as times, so quality is that of what is measured.
    asked = " --environment {params.environment:q}" if stage in ("parity", "accuracy", "latency", "compare") else ""
    supervisor = f"-m dliflow supervise --timeout {{resources.timeout_s}}{alone}{asked} --log {{log:q}}"
    return " ".join([f"PYTHONPATH=workflow {python} {supervisor} -- {stage} {{params.options}}", *more])


def here(stage, *more):
    """The command of a stage that runs in the orchestrator's environment."""
    return supervised('"$DLIFLOW_PYTHON"', stage, *more)


def there(stage, *more):
    """The command of a stage that runs in a framework's environment."""
    return supervised("{params.python:q}", stage, *more)


def needs_environment(framework):
    """A framework's environment as a job's input, or none with conda. Its path holds the digest of the pins, so its date
    need not count.
    """
    return [] if CONDA else ancient(STUDY.environment(framework))


def code_of_source(stage):
    """Input function: what the code of a stage does for a model, its source format's among it, as a parameter: another
    behaviour runs the job again.
    """

    def digest(wildcards):
        source = STUDY.models[wildcards.model]["source"]
        architecture = [f"architectures.{source['architecture']}"] if "architecture" in source else []
        return code(f"stages.{stage}", f"sources.{source['format']}", *architecture)

    return digest


def code_of_session(stage):
    """Input function: the same of a stage for a framework."""
    return lambda wildcards: code(f"stages.{stage}", f"frameworks.{wildcards.framework}")


def configuration_of(wildcards):
    """The configuration that a record's path names."""
    keys = ("model", "framework", "variant", "precision", "device", "parameters")
    return Configuration(**{key: wildcards[key] for key in keys if key in wildcards.keys()})


def candidates(wildcards):
    """The configurations that a comparison chooses from."""
    point = {key: wildcards[key] for key in ("node", "model", "device")}
    return plan.candidates(PLAN, **point, batch_size=int(wildcards.batch_size))


def of_candidates(pattern):
    """Input function: the files of this pattern of all candidates and repetitions, each once."""

    def files(wildcards):
        repetitions = range(1, CONFIG["latency"]["repetitions"] + 1)
        rows = [{**wildcards, **row, "repetition": r} for row in candidates(wildcards) for r in repetitions]
        return list(dict.fromkeys(pattern.format(**row) for row in rows))

    return files


def environments_of_candidates(wildcards):
    """The outputs of the jobs that make or find their environments."""
    names = sorted({row["framework"] for row in candidates(wildcards)})
    return [paths.INTERPRETER.format(framework=name) if CONDA else needs_environment(name) for name in names]
