# What the other files use: the checked config, the registries, the plan, and how a stage is run.

import json
import os
import shlex
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

from snakemake.settings.types import DeploymentMethod

from dliflow.machine import children
from dliflow.study import config as configuration
from dliflow.images import dataset as datasets
from dliflow import frameworks
from dliflow.fetching import locations
from dliflow.images import inputs
from dliflow.machine import launch
from dliflow.records import marks
from dliflow.runs import ending
from dliflow.study import environments, source_code, paths, plan
from dliflow import sources
from dliflow.machine import variables
from dliflow.runs import remaining, terminal, unfinished
from dliflow.errors import DliflowError
from dliflow.files import digest, not_whole, payload, write_json

CONDA = DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method


CONFIG_FILES = ", ".join(map(str, workflow.configfiles)) or "--config"
STUDY = checked(configuration.study, config, CONFIG_FILES)
STUDY["launch"] = checked(launch.normal, STUDY["launch"], CONFIG_FILES)
MODELS = checked(configuration.models, Path("config/models"), STUDY["models"], CONFIG_FILES)
DATASETS = checked(
    configuration.datasets,
    Path("config/datasets"),
    {"dataset": STUDY["dataset"], "calibration.dataset": STUDY["calibration"]["dataset"]},
    CONFIG_FILES,
)
CLASSES = {name: checked(configuration.class_names, Path(model["classes"]), name) for name, model in MODELS.items()}
# Pixels are shared by all models whose inputs have the same geometry.
SPECS = {
    name: f"{model['input']['width']}px-{digest(inputs.geometry(model['input']), 8)}" for name, model in MODELS.items()
}
GEOMETRIES = {SPECS[name]: inputs.geometry(model["input"]) for name, model in MODELS.items()}


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
# Jobs end when this process does. On a cluster it is the Snakemake that the batch system has started for the job.
os.environ[children.WORKFLOW] = children.written(os.getpid())


def supervised(python, stage, *options):
    """A job's command: run a stage in a fresh process, within a time, with a log."""
    alone = " --exclusive" if stage in ("latency", "compare") else ""
    # Variables that choose kernels change scores as well as times, so quality is that of what is measured.
    asked = " --environment {params.environment:q}" if stage in ("parity", "accuracy", "latency", "compare") else ""
    supervisor = f"-m dliflow supervise --timeout {{resources.timeout_s}}{alone}{asked} --log {{log:q}}"
    return " ".join([f"PYTHONPATH=workflow {python} {supervisor} -- {stage}", *options])


def here(stage, *options):
    """The command of a stage that runs in the orchestrator's environment."""
    return supervised('"$DLIFLOW_PYTHON"', stage, *options)


def there(stage, *options):
    """The command of a stage that runs in a framework's environment."""
    return supervised("{params.python:q}", stage, *options)


PLANNED = {name: plan.described(model, SPECS[name], len(CLASSES[name])) for name, model in MODELS.items()}


def environment_job(framework):
    """The output of the job that makes a framework's environment; None with conda, where no job does."""
    marker = environment_of(framework)
    return None if CONDA else marker


def label_source(name):
    """Where a dataset's file of labels comes from; None when it lies in the dataset's folder, or there is none."""
    file = DATASETS[name]["labels"].get("file")
    return file if isinstance(file, dict) else None


DECIDING = plan.deciding(STUDY, [name for name in DATASETS if label_source(name)])
PLAN = checked(plan.build, DECIDING, PLANNED, environment_job)
checked(plan.check, PLAN, STUDY, PLANNED, CONFIG_FILES)


def check_results():
    """Refuse, before anything runs, to build on results that are not whole: Snakemake would take them for finished."""
    outputs = (output for rows in PLAN.values() for row in rows for output in (row["record"], *row["needs"]))
    broken = not_whole(output for output in outputs if output.endswith(".json"))
    if broken:
        raise refused(
            f"{len(broken)} files are empty or cut off, as a crash or a full disk leaves them. Delete them, and they are made "
            f"again:\n  rm {shlex.join(broken)}"
        )


if workflow.is_main_process:
    check_results()

# Inputs.


def needed_datasets():
    """The study's dataset, and that of the calibration images when something is quantized."""
    return {STUDY["dataset"], *([STUDY["calibration"]["dataset"]] if "int8" in STUDY["precisions"] else [])}


def check_sources():
    """Refuse, before anything runs, files that cannot be had."""
    for name, model in MODELS.items():
        checked(locations.check, model["source"], f"config/models/{name}.yaml: source")
        checked(locations.check_file, model["source"], f"config/models/{name}.yaml: source")
    for name in needed_datasets():
        checked(locations.check, DATASETS[name]["source"], f"config/datasets/{name}.yaml: source")
        checked(locations.check_folder, DATASETS[name]["source"], f"config/datasets/{name}.yaml: source")
        if label_source(name):
            checked(locations.check, label_source(name), f"config/datasets/{name}.yaml: labels.file")
        for path in labels_beside(name):
            if not Path(path).exists():
                raise refused(f"config/datasets/{name}.yaml: labels.file: there is no {path}")
        if "classes" in DATASETS[name]["labels"]:
            checked(
                configuration.lines, DATASETS[name]["labels"]["classes"], f"config/datasets/{name}.yaml: labels.classes"
            )


def dataset_folder(wildcards):
    """Where a dataset's images lie: the user's folder, or that of what was fetched."""
    return str(
        locations.path_of(DATASETS[wildcards.dataset]["source"], payload(paths.DATASET_FILES.format(**wildcards)))
    )


def fetched_part(source):
    """The part of a source that decides what is fetched, as JSON."""
    return json.dumps({key: source[key] for key in ("from", "file", "sha256") if key in source})


def archives_of(source):
    """The user's archives of images whose change must be noticed; for a folder of images LISTINGS does that."""
    return [] if locations.in_place(source) else locations.inputs_of(source)


def labels_input(wildcards):
    """What changes when a dataset's labels do: the manifest of what was fetched, or the user's file beside the images."""
    if label_source(wildcards.dataset):
        return paths.LABEL_FILES.format(**wildcards)
    return labels_beside(wildcards.dataset)


def labels_beside(name):
    """The file of labels in a user's folder of images, as a list."""
    folder = locations.in_place(DATASETS[name]["source"])
    file = DATASETS[name]["labels"].get("file")
    return [str(folder / file)] if folder and isinstance(file, str) else []


def labels_option(wildcards):
    """The option that names the file of labels, or nothing."""
    file = DATASETS[wildcards.dataset]["labels"].get("file")
    if file is None:
        return ""
    fetched = payload(paths.LABEL_FILES.format(**wildcards))
    path = locations.path_of(file, fetched) if isinstance(file, dict) else Path(dataset_folder(wildcards), file)
    return f"--labels-path {shlex.quote(str(path))}"


def class_names_file(wildcards):
    """The file with what a dataset's labels may call the classes: its own, or the models' when they all agree."""
    labels = DATASETS[wildcards.dataset]["labels"]
    if labels["from"] not in ("file_name", "folder", "csv", "list"):
        return []
    if "classes" in labels:
        return labels["classes"]
    first, *others = CLASSES.values()
    return next(iter(MODELS.values()))["classes"] if all(other == first for other in others) else []


def names_option(wildcards, input):
    """The option that names it, or nothing."""
    return f"--names {shlex.quote(str(input.names))}" if input.names else ""


check_sources()

# For a user's folder what is in it, so that a new or replaced image is seen; a missing or empty one is told at once.
LISTINGS = {
    name: checked(datasets.listing, folder, DATASETS[name]["images"])
    for name in needed_datasets()
    if (folder := locations.in_place(DATASETS[name]["source"])) is not None
}
SUBSET_OPTIONS = {
    "evaluation": "" if STUDY["accuracy"]["images"] is None else f"--exactly {STUDY['accuracy']['images']}",
    "performance": f"--at-most {STUDY['latency']['images']}",
}


# Variables.


def variables_of(framework):
    """Those that a framework's file sets by itself."""
    loaded, count = frameworks.load(framework), STUDY["threads"]
    if not hasattr(loaded, "environment"):
        return []
    return list(loaded.environment(None if count == "default" else count, STUDY["options"].get(framework, {})))


checked(
    variables.check,
    STUDY["launch"]["environment"],
    {name: variables_of(name) for name in STUDY["frameworks"]},
    CONFIG_FILES,
)
VARIABLES = json.dumps(STUDY["launch"]["environment"])


# Models.


def source_of(model):
    """The module of a model's source format."""
    return sources.load(MODELS[model]["source"]["format"])


def source_path(wildcards):
    """Where a model's file (or its folder of files) lies: the user's own, or what was fetched."""
    return str(locations.path_of(MODELS[wildcards.model]["source"], payload(paths.MODEL_FILES.format(**wildcards))))


def source_of_file(wildcards):
    """What a model's entry says of its file, wherever that comes from, as JSON."""
    source = MODELS[wildcards.model]["source"]
    return json.dumps({key: value for key, value in source.items() if key not in ("from", "file", "sha256")})


def code_of_source(stage):
    """Input function: the code that decides a stage's result for a model, its source format's among it."""

    def code(wildcards):
        source = MODELS[wildcards.model]["source"]
        architecture = [f"architectures.{source['architecture']}"] if "architecture" in source else []
        return source_code.digest(f"stages.{stage}", f"sources.{source['format']}", *architecture)

    return code


def exporter_of(model):
    """The framework in whose environment a model is exported."""
    return sources.exporter(MODELS[model]["source"]["format"])


def as_it_is(model):
    """Whether a model's file is run without a conversion."""
    return "precision" in MODELS[model]["source"]


def batch_size_of(model):
    """The only batch size that a model's file takes; None for any."""
    return MODELS[model]["source"].get("batch_size")


def converter_of(wildcards):
    """The framework in whose environment a model is converted."""
    if as_it_is(wildcards.model):
        return wildcards.framework
    return frameworks.converter(wildcards.framework, wildcards.precision)


def converted_from(wildcards):
    """What a model is converted from: the interchange files, or its own file."""
    return (paths.MODEL_FILES if as_it_is(wildcards.model) else paths.INTERCHANGE).format(**wildcards)


def convert_source(wildcards, input):
    """The option that names it."""
    if as_it_is(wildcards.model):
        return f"--adopt {shlex.quote(source_path(wildcards))} --fetched {shlex.quote(str(input.source))}"
    return f"--source {shlex.quote(str(input.source))}"


def calibration_array(wildcards):
    """The calibration images, for the precisions that need them."""
    if wildcards.precision != "int8" or as_it_is(wildcards.model):
        return []
    return paths.CALIBRATION_ARRAY.format(spec=SPECS[wildcards.model])


def calibration_options(wildcards, input):
    """The calibration images, and how they were chosen, for the manifest of the converted model."""
    if not input.calibration:
        return ""
    chosen, entry = json.dumps(STUDY["calibration"]), input_of(wildcards)
    return f"--calibration {input.calibration} --calibration-set {shlex.quote(chosen)} --input {shlex.quote(entry)}"


def input_of(wildcards):
    """A model's input entry as JSON: what its inputs are made of pixels by."""
    return json.dumps(MODELS[wildcards.model]["input"])


def array_of(wildcards):
    """The pixels of the evaluation images for a model."""
    return paths.ARRAY.format(dataset=STUDY["dataset"], spec=SPECS[wildcards.model])


def performance_array_of(wildcards):
    """The preprocessed images that requests are made of."""
    return paths.PERFORMANCE_ARRAY.format(dataset=STUDY["dataset"], spec=SPECS[wildcards.model])


SOURCE_OPTIONS = (
    "--path {params.path:q} --fetched {input.source:q} --source {params.source:q} --input {params.input:q}"
    " --scores {params.scores} --label-offset {params.label_offset}"
)


# Sessions.


def scores_of(model):
    """How many scores a model gives: its classes, and what stands before class 0."""
    return len(CLASSES[model]) + MODELS[model]["label_offset"]


def session_code(stage):
    """Input function: the code that decides what a stage finds for a framework."""
    return lambda w: source_code.digest(f"stages.{stage}", f"frameworks.{w.framework}")


def session_options(wildcards):
    """The framework's launch options as JSON."""
    return json.dumps(STUDY["options"].get(wildcards.framework, {}))


def bounds_of(wildcards):
    """How far scores of a precision may be from the reference's, as JSON."""
    return json.dumps(
        {name: STUDY["parity"][name][wildcards.precision] for name in ("tolerance", "distance", "agreement")}
    )


SESSION_OPTIONS = (
    "--model {wildcards.model} --framework {wildcards.framework} --variant {wildcards.variant}"
    " --precision {wildcards.precision} --device {wildcards.device} --threads {params.threads}"
    " --options {params.options:q} --converted {input.converted:q} --array {input.array:q}"
    " --input {params.input:q} --scores {params.scores}"
)


# Order of measurements.


def turn(wildcards):
    """Priority of a measurement."""
    latency = STUDY["latency"]
    record = paths.LATENCY.format(**wildcards)
    return plan.turn(record, int(wildcards.repetition), latency["repetitions"], latency["seed"])


# Each is one text: Snakemake compares the values of `params` as a set, in which a 0 that becomes a 1 can hide among others.
WARMUP_OPTIONS = (
    f"--warmup-requests {STUDY['latency']['warmup_requests']} --warmup-limit {STUDY['latency']['warmup_limit_s']}"
)


def request_options(latency):
    """What ends a measurement: without a width all requests are made; `none` stands for no bound."""
    adaptive = latency["mode"] == "adaptive"
    limit = "none" if latency["limit_s"] is None else latency["limit_s"]
    width = latency["width"] if adaptive else "none"
    return (
        f"--requests {latency['requests']} --limit {limit} --width {width} --least {latency['least']} {WARMUP_OPTIONS}"
    )


REQUEST_OPTIONS = request_options(STUDY["latency"])
FEED_OPTIONS = (
    f"--random-images {STUDY['latency']['images'] if STUDY['latency']['inputs'] == 'random' else 0}"
    f" --distinct {STUDY['latency']['distinct'] or 0}"
)


def check_launch():
    """Refuse, before anything runs, to measure in a way that this machine does not allow, where it is the one to measure."""
    measures = any(job.rule.name in ("latency", "compare") for job in workflow.dag.needrun_jobs())
    if workflow.local_exec and measures:
        checked(launch.check, STUDY["launch"])


# Comparisons.


def compare_options(compare):
    """What is measured in rounds and what ends it."""
    previous = "" if compare["previous"] is None else f" --previous {shlex.quote(compare['previous'])}"
    named = {"budget_s": "budget", "burst_s": "burst"}
    keys = ("leaders", "width", "budget_s", "groups", "rounds", "burst_s", "seed")
    return " ".join(f"--{named.get(key, key)} {compare[key]}" for key in keys) + f" {WARMUP_OPTIONS}{previous}"


COMPARE_OPTIONS = compare_options(STUDY["compare"])


def check_previous():
    """Refuse a previous checkout in which nothing was measured."""
    previous = STUDY["compare"]["previous"]
    if previous is not None and not Path(previous, paths.RESULTS, "latency").is_dir():
        raise refused(
            f"{CONFIG_FILES}: compare.previous: '{previous}': no results/latency is in it. Right would be: the folder of "
            "another checkout of dliflow in which the study has run, or null"
        )


check_previous()


def compared(wildcards):
    """The configurations that a comparison chooses from, each with its row of the plan."""
    point = {key: wildcards[key] for key in ("node", "model", "device")}
    return plan.candidates(PLAN, **point, batch_size=int(wildcards.batch_size))


def compared_records(wildcards):
    """The latency records by which it chooses."""
    repetitions = range(1, STUDY["latency"]["repetitions"] + 1)
    return [paths.LATENCY.format(**wildcards, **row, repetition=r) for row in compared(wildcards) for r in repetitions]


def compared_parity(wildcards):
    """The records that tell who is the same network as the reference, and so may take part."""
    return sorted(
        {paths.PARITY.format(model=wildcards.model, device=wildcards.device, **row) for row in compared(wildcards)}
    )


def compared_models(wildcards):
    """The converted models."""
    return sorted({paths.CONVERTED.format(model=wildcards.model, **row) for row in compared(wildcards)})


def compared_environments(wildcards):
    """The outputs of the jobs that make or find the environments."""
    names = sorted({row["framework"] for row in compared(wildcards)})
    return [paths.INTERPRETER.format(framework=name) if CONDA else needs_environment(name) for name in names]


def candidates(wildcards):
    """The configurations as JSON, with the Python that runs each, or the file that tells it, and its launch options."""
    return json.dumps(
        [
            {
                **row,
                "options": STUDY["options"].get(row["framework"], {}),
                "python": paths.INTERPRETER.format(**row) if CONDA else python_of(row["framework"]),
            }
            for row in compared(wildcards)
        ]
    )


# What the tables are made from beside the records.


def used_frameworks():
    """The study's frameworks and those in whose environments something is exported or converted for them."""
    names = {frameworks.converter(f, p) for f in STUDY["frameworks"] for p in STUDY["precisions"]}
    homes = {name for model in MODELS for name in (exporter_of(model), source_of(model).FRAMEWORK)}
    return sorted(names | homes | set(STUDY["frameworks"]))


TABLES_DATA = {
    "study": json.dumps(DECIDING),
    "models": json.dumps(PLANNED),
    "environments": json.dumps({name: environment_job(name) for name in used_frameworks()}),
}
TABLES_ARGUMENTS = [part for name, value in TABLES_DATA.items() for part in (f"--{name}", value)]
STAGE_ENVIRONMENT = {**os.environ, "PYTHONPATH": "workflow"}


# The end of a run.


def records():
    """Every record of the study."""
    return [record for stage in PLAN for record in plan.records(PLAN, stage)]


def lost():
    """Outputs that the study needs and that are gone since their jobs failed or were stopped."""
    return unfinished.missing(plan.needed(PLAN), unfinished.read(Path(paths.UNFINISHED)))


def whole(rule):
    """Input function without files: refuse to call a page finished that the end of a failed run wrote.

    Snakemake looks for the mark beside it only where the rule, or `all`, is the target.
    """

    def check(wildcards):
        asked = {str(target) for target in workflow.dag_settings.targets}
        pages = [page for page in asked.intersection(paths.PAGES[rule]) if Path(page).exists()]
        if pages and not Path(paths.MARKS[rule]).exists():
            raise refused(f"{pages[0]}: is of a study that is not finished; ask for {rule}, or for all of it: all")
        return []

    return check


def in_this_run(rule):
    """Whether the targets of this run ask for what a rule makes, though it may be there already."""
    return any(job.rule.name == rule for job in workflow.dag.jobs)


def begin():
    """Once it is clear that jobs will run: until the tables are made anew, what people read is not complete."""
    if not workflow.touch and any(job.rule.name == "tables" for job in workflow.dag.needrun_jobs()):
        marks.remove(paths.MARKS.values())


def succeed():
    """Show the summary, last."""
    if in_this_run("report"):
        terminal.last(f"\n{Path(paths.SUMMARY).read_text(encoding='utf-8').rstrip()}")


def compare_the_rest():
    """After failures: compare those that are well where something that failed kept a comparison from starting."""
    if not (workflow.local_exec and Path(paths.RUN).exists()):
        return  # this is not the machine to measure on, or the run ended before it began
    left = [
        remaining.Job(
            outputs=[str(path) for path in job.output],
            inputs=[str(path) for path in job.input],
            log=str(job.log[0]) if job.log else "",
            command=(lambda job=job: job.shellcmd) if job.rule.name == "compare" else None,
        )
        for job in workflow.dag.needrun_jobs()
    ]
    remaining.make(PLAN, left, json.loads(Path(paths.RUN).read_text(encoding="utf-8"))["started"])


def fail():
    """After failures, or when it was stopped: make tables, plots and report of what there is, and say what happened.

    The marks go first, so that whatever becomes of the rest the study is not finished. A run for single files that has no
    tables among them knows nothing of the other rows, and leaves tables and report alone.
    """
    marks.remove(paths.MARKS.values())
    compare_the_rest()
    failed = workflow.scheduler.failed
    left = unfinished.outputs(workflow.dag, failed)
    before = unfinished.read(Path(paths.UNFINISHED))
    write_json(Path(paths.UNFINISHED), {**{name: before[name] for name in before if not Path(name).exists()}, **left})
    logs = [str(job.log[0]) for job in failed]
    waiting = sum(
        job not in failed and job.rule.name not in ("all", *paths.MARKS) for job in workflow.dag.needrun_jobs()
    )
    end = partial(ending.failed, logs, waiting, command=ending.again(sys.orig_argv))
    terminal.last(end(summary=None))
    if in_this_run("tables"):
        command = [sys.executable, "-m", "dliflow", "finish", "--unfinished", paths.UNFINISHED, "--", *TABLES_ARGUMENTS]
        try:
            made = subprocess.run(command, env=STAGE_ENVIRONMENT).returncode == 0
        except KeyboardInterrupt:
            return  # pressed again: without pages, then
        if made:
            terminal.last(end(summary=Path(paths.SUMMARY).read_text(encoding="utf-8")))
