"""Conversion is general: networks of several kinds, with random weights, through every framework, agree with torch."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess

import numpy as np
import pytest
import yaml
from PIL import Image
from project import ROOT, copy_of_the_repository, python_of

from dliflow import frameworks

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
    return [name.id for name in table.value.generators[0].iter.elts]


def records(name: str) -> dict[tuple[str, str], str]:
    """Where the parity records of a network lie."""
    return {
        (framework, variant): f"results/parity/{name}/{framework}-{variant}-fp32-cpu.json"
        for framework in CONFIG["frameworks"]
        for variant in frameworks.variants(framework)
    }


@pytest.fixture(scope="module")
def networks(tmp_path_factory, environments):
    """A project whose models are these networks, converted to and compared in every framework."""
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
    wanted = [path for name in names() for path in records(name).values()]
    result = project.snakemake(*wanted, "--cores", "2")
    return project, result.stdout


@pytest.mark.parametrize("framework", CONFIG["frameworks"])
@pytest.mark.parametrize("name", names())
def test_scores_agree_with_torch(networks, name, framework):
    project, output = networks
    for (which, _), path in records(name).items():
        if which == framework:
            assert (project.folder / path).exists(), output
            record = json.loads((project.folder / path).read_text())
            if record["status"] == "skipped":
                pytest.skip(record["reason"])
            assert record["figures"]["max_abs_score_diff"] < 1e-3
            assert record["figures"]["agreement"] == 1


@pytest.mark.parametrize("switch", ["0", "1"])
def test_tensorflow_agrees_with_and_without_onednn(networks, switch):
    """The processor decides whether TensorFlow uses oneDNN, so each kind must be right on every machine."""
    project, _ = networks
    wanted = [path for name in names() for (which, _), path in records(name).items() if which == "tensorflow"]
    project.run(*wanted, "--cores", "2", "--force", TF_ENABLE_ONEDNN_OPTS=switch)
