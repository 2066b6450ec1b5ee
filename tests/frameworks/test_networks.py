"""Conversion is general: networks of several kinds, with random weights, through every framework, agree with torch."""

from __future__ import annotations

import ast
import itertools
import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import cases
import numpy as np
import pytest
import yaml
from PIL import Image
from project import ROOT, copy_of_the_repository, python_of

from dliflow import frameworks
from dliflow.study import paths

STAGES = Path(__file__).with_name("stages.py")
# Each waits for those before it.
ORDER = ("fetch", "images", "subset", "prepare", "export", "reference", "convert", "parity")
SCRIPT = ROOT / "tests/data/networks.py"
CONFIG = yaml.safe_load((ROOT / "config/config.yaml").read_text())
MODEL = """\
title: {name} with random weights
source: {{from: [{{path: data/models}}], file: {name}.pth, format: pytorch_state_dict, architecture: {name}}}
input: {{size: 64, mean: 127.5, scale: 63.75, resize: squash, interpolation: nearest}}
classes: data/classes.txt
"""
DATASET = """\
title: Noise
source: data/images
images: ["*.png"]
labels: {from: file_name, pattern: '\\d+_(?P<label>\\d+)\\.png'}
licence: CC0-1.0
"""


def names() -> list[str]:
    """The networks' names, without importing torch."""
    tree = ast.parse(SCRIPT.read_text())
    table = next(node for node in tree.body if isinstance(node, ast.Assign) and node.targets[0].id == "NETWORKS")
    rows = table.value.generators[0].iter.elts
    return [name.id for row in rows for name in row.value.elts]


def records(project, name: str) -> dict[tuple[str, str], str]:
    """Where the parity records of a network lie."""
    return {
        (framework, variant): project.path(paths.PARITY, framework, model=name, variant=variant)
        for framework in CONFIG["frameworks"]
        for variant in frameworks.variants(framework)
    }


def commands(project, wanted) -> list[tuple[str, list[str]]]:
    """(Python, stage with its options) of each job that Snakemake would run, in an order in which they can run."""
    listed = project.run(*wanted, "--dry-run", "--printshellcmds", "--quiet", "host", "progress")
    jobs = []
    for line in listed.splitlines():
        if line.startswith("Shell command: "):
            words = shlex.split(line.partition(": ")[2])
            python = sys.executable if words[1] == "$DLIFLOW_PYTHON" else words[1]
            jobs.append((python, words[words.index("--") + 1 :]))
    return sorted(jobs, key=lambda job: (ORDER.index(job[1][0]), job[0]))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Run jobs in a project, those of one Python after another in one process; returns what broke."""

    def run(project, jobs, **variables):
        environment = {**os.environ, "PYTHONPATH": str(project.folder / "workflow"), **variables}
        broken = {}
        for python, group in itertools.groupby(jobs, key=lambda job: job[0]):
            asked = {shlex.join(argv): {"argv": argv} for _, argv in group}
            folder = tmp_path_factory.mktemp("stages")
            told = cases.outcomes(python, STAGES, asked, folder, cwd=project.folder, env=environment)
            broken.update({job: outcome for job, outcome in told.items() if outcome.get("status") != 0})
        return broken

    return run


@pytest.fixture(scope="module")
def networks(tmp_path_factory, environments, run):
    """A project whose models are these networks, converted to and compared in every framework; what broke; the jobs.

    Snakemake tells the jobs' commands, and one process for each framework and stage runs them.
    """
    project = copy_of_the_repository(tmp_path_factory.mktemp("networks"), environments)
    package = project.folder / "workflow/dliflow/architectures"
    shutil.copy(SCRIPT, package / "random_networks.py")
    for name in names():
        (package / f"{name}.py").write_text(f"from dliflow.architectures.random_networks import {name} as build\n")
        (project.folder / f"config/models/{name}.yaml").write_text(MODEL.format(name=name))
    (project.folder / "config/datasets/noise.yaml").write_text(DATASET)
    (project.folder / "data/images").mkdir(parents=True)
    (project.folder / "data/models").mkdir()
    (project.folder / "data/classes.txt").write_text("".join(f"class {index}\n" for index in range(16)))
    rng = np.random.default_rng(0)
    for index in range(8):
        pixels = np.clip(rng.normal(127.5, 63.75, (64, 64, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(project.folder / f"data/images/{index}_{index}.png")
    project.configure(models=names(), dataset="noise", environments={"folder": str(environments)})
    subprocess.run([python_of("pytorch", environments), str(SCRIPT), str(project.folder / "data/models")], check=True)
    for framework in CONFIG["frameworks"]:
        python_of(framework, environments)
    jobs = commands(project, [path for name in names() for path in records(project, name).values()])
    return project, run(project, jobs), jobs


@pytest.mark.parametrize("framework", CONFIG["frameworks"])
@pytest.mark.parametrize("name", names())
def test_scores_agree_with_torch(networks, name, framework):
    project, broken, _ = networks
    for (which, _), path in records(project, name).items():
        if which == framework:
            assert (project.folder / path).exists(), broken
            record = json.loads((project.folder / path).read_text())
            if record["status"] == "skipped":
                pytest.skip(record["reason"])
            assert record["figures"]["max_abs_score_diff"] < 1e-3
            assert record["figures"]["agreement"] == 1


@pytest.mark.parametrize("switch", ["0", "1"])
def test_tensorflow_agrees_with_and_without_onednn(networks, run, switch):
    """The processor decides whether TensorFlow uses oneDNN, so each kind must be right on every machine."""
    project, _, jobs = networks
    parity = [job for job in jobs if job[1][0] == "parity" and "tensorflow" in job[1]]
    assert len(parity) == len(names())
    assert not run(project, parity, TF_ENABLE_ONEDNN_OPTS=switch)
