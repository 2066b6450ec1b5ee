"""Each construct that the interchange form spells for importers gives the file's scores in every back end."""

from __future__ import annotations

import functools

import constructs
import pytest
from cases import answer
from project import ROOT

from dliflow import conversion

SCRIPT = ROOT / "tests/frameworks/constructs.py"
FRAMEWORKS = ("onnxruntime", "openvino", "opencv", "mnn", "ncnn", "pytorch", "mxnet", "tensorflow", "tflite")
SKIPPED = {
    ("ncnn", "average_over_padding"): "ncnn: operation AveragePool is not taken",
    ("ncnn", "ReduceLogSumExp"): "ncnn: operation ReduceMax is not taken",
    ("ncnn", "resize_by_default"): "ncnn: operation Resize is not taken",
}


@pytest.fixture(scope="module")
def exported(outcomes, tmp_path_factory):
    """The outcomes of export, and the folder with a folder for each construct."""
    folder = tmp_path_factory.mktemp("constructs")
    cases = {name: {"step": "export", "name": name, "out": str(folder / name)} for name in constructs.CONSTRUCTS}
    return outcomes("onnxruntime", SCRIPT, cases), folder


@pytest.fixture(scope="module")
def compared(outcomes, exported):
    """The outcome of each construct in a framework."""
    written, folder = exported

    @functools.cache
    def run(framework):
        cases = {name: {"framework": framework, "out": str(folder / name)} for name in written}
        converter = getattr(conversion.load(framework), "CONVERTER", {}).get("fp32", framework)
        told = outcomes(converter, SCRIPT, {name: {"step": "convert", **case} for name, case in cases.items()})
        ready = {name: {"step": "compare", **cases[name]} for name, outcome in told.items() if outcome == {}}
        return {**told, **outcomes(framework, SCRIPT, ready)}

    return run


@pytest.mark.parametrize("name", constructs.CONSTRUCTS)
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_scores_are_those_of_the_file(exported, compared, framework, name):
    if (framework, name) == ("ncnn", "response_norm"):
        pytest.skip("ncnn's means over the channels are wrong")
    answer(exported[0][name])
    outcome = answer(compared(framework)[name])
    if (framework, name) in SKIPPED:
        assert SKIPPED[framework, name] in outcome["skip"]
    else:
        assert outcome["distance"] < 1e-3
