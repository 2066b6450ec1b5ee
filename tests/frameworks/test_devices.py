"""A GPU runs a model as the CPU does, or says why it cannot; it never passes the work on to the CPU."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
import yaml
from cases import answer
from project import ROOT, python_of

from dliflow import conversion, files, frameworks
from dliflow.errors import Skip
from dliflow.measuring import anchor, workers
from dliflow.study import config, paths

SCRIPT = Path(__file__).with_name("devices.py")
CONFIG = yaml.safe_load((ROOT / "config/config.yaml").read_text())
WITHOUT = {
    "openvino": "OpenVINO sees no GPU on this machine, only CPU",
    "onnxruntime": "name 'onnxruntime@cuda' in the config's `frameworks`",
    "pytorch": "name 'pytorch@cuda' in the config's `frameworks`",
    "tensorflow": "name 'tensorflow@cuda' in the config's `frameworks`",
}


def test_every_framework_with_a_gpu_is_tried_here():
    assert {name for name in CONFIG["frameworks"] if frameworks.load(name).supports("fp32", "gpu") is None} == {
        *WITHOUT
    }


@pytest.fixture
def tried(study, outcomes):
    """What comes of running the study's model on both devices."""
    (array,) = (study.folder / "results/data" / CONFIG["dataset"]).glob("*px-*.json")
    entry = config.model(ROOT / "config/models", "efficientnet_lite0", "test", "test")["input"]

    def run(framework, **options):
        converter = study.digest(conversion.converter(framework, "fp32"))
        known = {"model": "efficientnet_lite0", "precision": "fp32", "converter": converter}
        model = files.payload(study.folder / study.path(paths.CONVERTED, framework, **known))
        case = {"framework": framework, "model": str(model), "array": str(array), "entry": entry, "options": options}
        return answer(outcomes(framework, SCRIPT, {framework: case})[framework])

    return run


@pytest.mark.parametrize("framework", WITHOUT)
def test_a_gpu_s_scores_are_the_cpu_s_or_there_is_a_reason(tried, framework):
    outcome = tried(framework)
    if "skip" in outcome:
        assert WITHOUT[framework] in outcome["skip"]
    else:
        assert outcome["apart"] < CONFIG["parity"]["tolerance"]["fp32"]


def test_tensorrt_is_no_other_provider_where_it_is_missing(tried):
    outcome = tried("onnxruntime", gpu_provider="TensorRT")
    assert "the installed onnxruntime package has no TensorRT provider" in outcome["skip"]
    with pytest.raises(Skip, match=r"options\.onnxruntime\.gpu_provider: TensorRT is for rows on a GPU"):
        frameworks.take_options("onnxruntime", {"gpu_provider": "TensorRT"}, "cpu")


def test_an_anchor_that_is_to_run_on_a_gpu_takes_no_cpu_instead(environments, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "workflow"))
    python, manifest = python_of("anchor", environments), tmp_path / "network.json"
    subprocess.run([python, "-m", "dliflow", "anchor", "--out", str(manifest)], env=os.environ, check=True)
    command = anchor.command(python, anchor.file(manifest), anchor.GPU)
    with workers.started({anchor.NAME: command}, limit_s=600) as (running, ready):
        assert ready[anchor.NAME]["device"] == "gpu"
        answer = running[anchor.NAME].ask({"threads": 0, **anchor.BURST}, 600)
    assert "cannot run on the GPU" in answer["skip"] and "without the CUDA provider" in answer["skip"]
