"""The files of frameworks work with every version that `envs/` has a file of: the contract, on the real model."""

from __future__ import annotations

from pathlib import Path

import pytest
from cases import answer
from project import ROOT

from dliflow import conversion, files, frameworks
from dliflow.study import config, environments, paths

SCRIPT = Path(__file__).with_name("older.py")
NAMES = sorted(path.stem for path in (ROOT / "envs").glob("*@*.yaml"))
VERSIONS = [name for name in NAMES if frameworks.family(name) in frameworks.names()]  # the anchor's is none
# Its environment is made for these tests. Those of the others, gigabytes, are taken where they are there already:
# `python -m dliflow environment --file envs/NAME.yaml --out $DLIFLOW_TEST_ENVIRONMENTS/NAME-DIGEST/environment.json`
LIGHT = ("onnxruntime@1.15",)
CASES = [
    (name, precision)
    for name in VERSIONS
    for precision in ("fp32", "int8")
    if frameworks.load(name).supports(precision, "cpu") is None
]
# Largest distance of all scores from the reference's, as a share of their standard deviation.
FAR = {"fp32": 1e-3, "int8": 0.4}


@pytest.fixture(scope="module")
def told(study, outcomes, tmp_path_factory, environments):
    """What the script tells of a case. A version is converted, and tried, once for all its precisions."""
    known, folder = {}, tmp_path_factory.mktemp("older")
    (array,) = (study.folder / "results/data/imagenet_samples").glob("*px-*.json")
    (calibration,) = (study.folder / "results/calibration").glob("*px-*.json")
    model = {"model": "efficientnet_lite0"}
    source = files.payload(study.folder / paths.INTERCHANGE.format(**model))
    reference = files.payload(study.folder / paths.REFERENCE.format(**model), ".npy")
    entry = config.model(ROOT / "config/models", "efficientnet_lite0", "test", "test")["input"]
    given = {"array": str(array), "entry": entry}

    def ask(name, precision):
        converter = conversion.converter(name, precision, ROOT / "envs")
        for needed in (name, converter):
            able(needed, environments)
        if name not in known:
            asked = [kind for version, kind in CASES if version == name]
            cases = {kind: {"framework": name, "precision": kind, "model": str(folder / name / kind)} for kind in asked}
            making = {kind: {**case, **given, "source": str(source), "calibration": str(calibration)}
                      for kind, case in cases.items()}  # fmt: skip
            made = outcomes(converter, SCRIPT, making)
            trying = {kind: {**case, **given, "reference": str(reference)}
                      for kind, case in cases.items() if made[kind] == {}}  # fmt: skip
            known[name] = {**made, **outcomes(name, SCRIPT, trying)}
        outcome = answer(known[name][precision])
        if "skip" in outcome:
            pytest.skip(outcome["skip"])
        return outcome

    return ask


def able(name, folder):
    """Skip where an environment cannot be made, or is too large to be made for a test."""
    file = ROOT / f"envs/{name}.yaml"
    reason = environments.lacking(file, str(folder))
    made = Path(environments.folder(file, str(folder)), "environment.json").exists()
    if not reason and not made and name in VERSIONS and name not in LIGHT:
        reason = f"the environment {name} is not made for tests; where it is there ({folder}), it is looked at"
    if reason:
        pytest.skip(reason)


@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_an_older_version_keeps_the_contract(told, case):
    name, precision = case
    result = told(*case)
    if frameworks.line(name) != name:  # else another build
        assert result["version"].startswith(name.partition("@")[2])
    assert result["score_distance"] < FAR[precision]
    assert result["shape"] == [8, 1000]
    assert result["dtype"] == "float32"
    assert result["deterministic"]
    assert result["input_untouched"]
    assert result["threads"] == 1
    assert f"options.{frameworks.family(name)}.no_such_option: unknown option" in result["refused"]
    if frameworks.concurrency(name) != "processes":
        assert result["concurrent_effect"] < 1e-4
