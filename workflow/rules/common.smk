# What the other files use: the checked study, its wildcards, and how a stage is run.

import dataclasses
import json
import os
from pathlib import Path

from snakemake.settings.types import DeploymentMethod

from dliflow import building, conversion, frameworks
from dliflow.configuration import CPP, Configuration
from dliflow.fetching import locations
from dliflow.files import read_json
from dliflow.machine import children, compiler, node
from dliflow.runs import known, pythons
from dliflow.study import containers, options, paths, plan
from dliflow.study.source_code import digest as code
from dliflow.study.study import Study, contents

CONDA, CONTAINER = (
    method in workflow.deployment_settings.deployment_method
    for method in (DeploymentMethod.CONDA, DeploymentMethod.APPTAINER)
)
# Where a value may come from, for messages: the command line changes what the files say.
ORIGIN = ", ".join([*map(str, workflow.configfiles), *(["--config"] if workflow.config_settings.config else [])])
if workflow.is_main_process:
    checked(known.ensure, config, ORIGIN)  # the plan needs the models' entries
    if not CONDA and not CONTAINER:
        checked(pythons.fetch, config, ORIGIN)  # without which it skips rows
STUDY = checked(Study.read, config, ORIGIN, CONDA, CONTAINER)
CONFIG, PLAN = STUDY.config, STUDY.plan
if workflow.is_main_process:
    checked(STUDY.check_results)
# Jobs of nodes that SLURM gives run from here, as steps of allocations; with `resources` whatever executes jobs runs them.
HANDED_OVER = any(entry["resources"] for entry in STUDY.nodes.values())
ALONE = 1000  # shares of a machine, of which a measurement takes all and any other job one
for name in STUDY.elsewhere:
    workflow.global_resources[f"node_{name}"] = ALONE


# With `--sdm apptainer` every job runs in the image that has all environments.
container: paths.IMAGE


wildcard_constraints:
    model="[A-Za-z0-9_.-]+",
    dataset="[a-z0-9_]+",
    subset="evaluation|performance",
    spec="[a-z0-9-]+",
    framework=frameworks.NAME,
    api="python|cpp",
    variant="[a-z0-9_]+",
    precision="fp32|fp16|bf16|int8",
    device="cpu|gpu",
    node="[a-z0-9_]+",
    parameters="default",
    batch_size=rf"\d+|{paths.SIZES}",
    group=r"\d+",
    digest="[0-9a-f]{12}",
    environment="|".join(STUDY.digests),  # of today: what others have made stays, and cannot be made again
    converter=f"(?:[a-z0-9_]+-)?(?:{'|'.join(STUDY.digests)})",


# What must not re-run anything stays out of `params`: the place of the orchestrator's Python, and the time bounds, which
# are resources.
os.environ.update(DLIFLOW_PYTHON="python" if CONDA else containers.PYTHON if CONTAINER else sys.executable)
if CONDA:  # pip installs what an environment's file lists and nothing else, as uv does
    os.environ.update(PIP_NO_DEPS="1")
# Jobs end when this process does. On a cluster it is the Snakemake that the batch system has started for the job.
os.environ[children.WORKFLOW] = children.written(os.getpid())
os.environ[node.KNOWN] = json.dumps(STUDY.reached, sort_keys=True)
# What programs in C++, and PyTorch's compiled models, are made with. With conda and in a container it is the
# environment's, and Snakemake notices its change.
COMPILER = "the environment's" if CONDA or CONTAINER else compiler.version()
NO_COMPILER = "no compiler"
# The stages that measure a configuration, and what tells them of the anchor.
MEASURED_BY = ("stages.sweep", "stages.worker", "stages.anchor")
WITH_ANCHOR = "--anchor {input.anchor:q} --anchor-python {params.anchor_python:q}"
# Stages that are alone on the machine.
EXCLUSIVE = ("sweep", "tune", "rounds", "profile")
# Those that run a model's file from outside for the first time, and write beside their output only.
FIRST_TO_RUN = ("export", "reference")
VARIABLES = json.dumps(CONFIG["launch"]["environment"], sort_keys=True)


def supervised(python, stage, *more):
    """A job's command: run a stage in a fresh process, within a time, with a log."""
    alone = " --exclusive --node {wildcards.node}" if stage in EXCLUSIVE else ""
    alone += " --beside {output:q}" if stage in FIRST_TO_RUN else ""
    # Variables that choose kernels change scores as well as times, so quality is that of what is measured.
    asked = " --environment {params.environment:q}" if stage in ("parity", "accuracy", *EXCLUSIVE) else ""
    supervisor = f"-m dliflow supervise --timeout {{resources.timeout_s}}{alone}{asked} --log {{log:q}}"
    return " ".join([f"PYTHONPATH=workflow {python} {supervisor} -- {stage} {{params.options}}", *more])


def here(stage, *more):
    """The command of a stage that runs in the orchestrator's environment."""
    return supervised('"$DLIFLOW_PYTHON"', stage, *more)


def there(stage, *more):
    """The command of a stage that runs in a framework's environment."""
    return supervised("{params.python:q}", stage, *more)


def cores_here(wildcards):
    """How many cores of `--cores` a measurement takes. One that is a step on its node only waits for that here: whatever
    their number, nodes measure at the same time.
    """
    return 1 if HANDED_OVER or wildcards.node not in STUDY.elsewhere else 0


def whole_node():
    """Resources of a measurement: all shares of the machine that it runs on, and what an executor must know of its node."""
    shares = {f"node_{name}": lambda w, name=name: ALONE if w.node == name else 0 for name in STUDY.elsewhere}
    placed = {key: lambda w, key=key: STUDY.resources(w.node).get(key) for key in placing()}
    return {"machine": lambda w: 0 if w.node in STUDY.elsewhere else ALONE, **shares, **placed}


def like_a_node():
    """Resources of a job that looks at quality: it runs on a machine of the kind that is measured, beside others."""
    return {key: lambda w, key=key: STUDY.resources(STUDY.home_of(w.device)).get(key) for key in placing()}


def placing():
    """The names of what executors have to know of any of the study's nodes."""
    return sorted({key for name in STUDY.nodes for key in STUDY.resources(name)})


def needs_environment(framework):
    """A framework's environment as a job's input, or none where no job makes it. Its path holds the digest of the pins, so
    its date need not count.
    """
    marker = STUDY.environment(framework)
    return [] if marker is None else ancient(marker)


def needs_interpreter(framework):
    """The same for a stage that starts processes of a framework: with conda the file that tells where its Python is."""
    return paths.INTERPRETER.format(framework=framework) if CONDA else needs_environment(framework)


def needs_interpreters(frameworks):
    """The same for a stage that starts processes of several."""
    return [marker for marker in map(needs_interpreter, frameworks) if marker]


def converter_of(wildcards):
    """The framework in whose environment a model is converted."""
    return STUDY.converter(wildcards.model, wildcards.framework, wildcards.precision)


def made(manifest):
    """What the manifest of files tells that a job has made; nothing where it skipped them, or did not run."""
    told = read_json(manifest) if Path(manifest).exists() else {"status": "missing"}
    return told if told["status"] == "ok" else {}


def code_of_conversion(wildcards):
    """Input function: the code of a conversion, as a parameter. What was skipped since there was no compiler is tried
    again when there is one; what was made stays when there is none any more.
    """
    digest, mark = code("stages.convert", f"conversion.{wildcards.framework}"), wildcards.converter
    lacking = COMPILER is None and conversion.compiles(
        wildcards.framework, conversion.variant(mark), wildcards.precision
    )
    return f"{digest}, {NO_COMPILER}" if lacking and not made(paths.CONVERTED.format(**wildcards)) else digest


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
    keys = ("model", "framework", "api", "variant", "precision", "device", "parameters")
    return Configuration(**{key: wildcards[key] for key in keys if key in wildcards.keys()})


def anchor_of(wildcards):
    """The environment of the anchor beside it."""
    return plan.anchor(wildcards.framework, wildcards.device)


def anchors_of_candidates(wildcards):
    """Input function: those of the anchors that may run beside a comparison."""
    names = {plan.anchor(row["framework"], wildcards.device) for row in candidates(wildcards)}
    return needs_interpreters(sorted({plan.ANCHOR, *names}))


def tuned_configuration_of(wildcards):
    """The same of a record of tuning, whose path tells the rest."""
    return dataclasses.replace(configuration_of(wildcards), parameters="tuned")


def size_of(wildcards):
    """The batch size of a comparison; None where it is of all of them."""
    return None if wildcards.batch_size == paths.SIZES else int(wildcards.batch_size)


def setting_of(wildcards):
    """What all configurations of a comparison have in common, but the batch size."""
    return {key: wildcards[key] for key in ("node", "model", "device")}


def converted_of(wildcards):
    """Input function: the converted model of the configuration that a record's path names."""
    return STUDY.converted(configuration_of(wildcards))


def built_of(wildcards):
    """Input function: the program in C++ that runs that configuration; none where it is run in Python."""
    return STUDY.built(configuration_of(wildcards)) or []


def point_of(wildcards):
    """What all configurations of a comparison have in common."""
    size = size_of(wildcards)
    return {**setting_of(wildcards), **({} if size is None else {"batch_size": size})}


def candidates(wildcards, *parameters):
    """The configurations that a comparison chooses from; all, or those with these launch parameters."""
    every = STUDY.candidates(**point_of(wildcards))
    return [row for row in every if not parameters or row["parameters"] in parameters]


def tuned_of(wildcards):
    """Input function: the records of tuning in which candidates of a comparison stand."""
    return plan.tuned(STUDY.plan_of[wildcards.model], **point_of(wildcards))


def compared_before(wildcards):
    """Input function: of a comparison of all batch sizes the records of those at each of them."""
    if wildcards.batch_size != paths.SIZES:
        return []
    return plan.compared_before(STUDY.plan_of[wildcards.model], **setting_of(wildcards))


def of_candidates(pattern):
    """Input function: the files of this pattern of all candidates and groups, each once."""

    def files(wildcards):
        groups = range(1, CONFIG["latency"]["groups"] + 1)
        rows = [{**row, "group": group} for row in candidates(wildcards, "default") for group in groups]
        return list(dict.fromkeys(pattern.format(**{**wildcards, **row}) for row in rows))

    return files


def built_of_candidates(wildcards):
    """Input function: the programs in C++ of those that are run by one."""
    return sorted({paths.BUILT.format(**row) for row in candidates(wildcards) if row["api"] == CPP})


def frameworks_of_candidates(wildcards):
    """The frameworks in whose environments they run."""
    return sorted({row["framework"] for row in candidates(wildcards)})


def recommended(wildcards):
    """Input function: the manifests of the recommended rows' folders."""
    return list(json.loads(Path(checkpoints.recommend.get().output[0]).read_text(encoding="utf-8")))


def in_the_plan(wildcards):
    """Input function without files: refuse a row that the study does not have, or that its plan skips."""
    row = {**wildcards, "batch_size": int(wildcards.batch_size)}
    of_model = STUDY.plan_of.get(wildcards.model, {})
    measured = (*of_model.get("sweep", ()), *of_model.get("tune", ()))
    rows = [one for one in measured if all(one[key] == row[key] for key in row)]
    name = paths.DEPLOYED.format(**wildcards)
    if not rows:
        raise refused(f"{name}: the study has no such row: look at its config, or in results/tables/performance.csv")
    if rows[0]["reason"] is not None:
        raise refused(f"{name}: the study skips this row: {rows[0]['reason']}")
    return []


def figures_of_rows(wildcards):
    """Input function: the tables that a row's figures stand in. None where the end of a failed run wrote them: they are
    there, and making them anew would need what failed.
    """
    unfinished_ones = all(map(os.path.exists, paths.TABLES.values())) and not Path(paths.MARKS["tables"]).exists()
    return [] if unfinished_ones else list(paths.TABLES.values())


def templates_of(wildcards):
    """Input function: what its texts are made of."""
    folder = Path("workflow/dliflow/deployment")
    own = f"{frameworks.family(wildcards.framework)}.py.j2"
    templates = [folder / name for name in ("README.md.j2", "predict.py.j2", own)]
    if wildcards.api == CPP:
        templates = [
            folder / "README.md.j2",
            folder / "predict.cpp.j2",
            *map(Path, building.sources(wildcards.framework)),
        ]
    return [str(template) for template in templates if template.exists()]


def reported(path, category, caption):
    """A result that `snakemake --report` shows, with what a file in `workflow/report` says of it."""
    return report(
        path, caption=f"../report/{caption}.rst", category=category, labels={"file": Path(path).name}
    )  # fmt: skip


def reported_plots():
    """The drawings among the plots likewise, and the pictures as they are."""
    return [
        reported(path, "Plots", f"plots/{Path(path).stem}") if path.endswith(".svg") else path
        for path in paths.PLOT_FILES
    ]


def named_profiles(wildcards):
    """Input function: the records of all rows that `profile` names."""
    records = plan.records(PLAN, "profile")
    if not records:
        reasons = dict.fromkeys(row["reason"] for row in PLAN["profile"])
        example = "profile=[{framework: openvino, precision: int8, batch_size: 1}]"
        why = f"all that it names is skipped: {'; '.join(reasons)}" if reasons else "no row is named to be profiled"
        raise refused(f"{ORIGIN}: profile: {why}. Name rows there, or type --config '{example}'")
    return records
