"""A GPU runs a model as the CPU does, or says why it cannot; it never passes the work on to the CPU."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from cases import answer
from project import ROOT

from dliflow import conversion, files, frameworks
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


@pytest.mark.parametrize("framework", WITHOUT)
def test_a_gpu_s_scores_are_the_cpu_s_or_there_is_a_reason(study, outcomes, framework):
    (array,) = (study.folder / "results/data" / CONFIG["dataset"]).glob("*px-*.json")
    entry = config.model(ROOT / "config/models", "efficientnet_lite0", "test", "test")["input"]
    converter = study.digest(conversion.converter(framework, "fp32"))
    known = {"model": "efficientnet_lite0", "precision": "fp32", "converter": converter}
    model = files.payload(study.folder / study.path(paths.CONVERTED, framework, **known))
    case = {"framework": framework, "model": str(model), "array": str(array), "entry": entry}
    outcome = answer(outcomes(framework, SCRIPT, {framework: case})[framework])
    if "skip" in outcome:
        assert WITHOUT[framework] in outcome["skip"]
    else:
        assert outcome["apart"] < 1e-2  # NVIDIA's GPUs may round inputs of products to TF32, 10 bits
