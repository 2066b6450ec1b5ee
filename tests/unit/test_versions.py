"""A framework's name with a version: what it shares with its family, and what it has of its own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from project import ROOT

from dliflow import conversion, files, frameworks, profiling
from dliflow.analysis import comparison
from dliflow.analysis.tables import changes
from dliflow.commands import prune
from dliflow.deployment import program
from dliflow.errors import DliflowError
from dliflow.report import names
from dliflow.study import config, environments, plan, source_code
from dliflow.study.study import Study

STUDY = {"models": ["m"], "dataset": "few", "frameworks": ["openvino", "openvino@1.0"], "precisions": ["fp32", "int8"]}
MODEL = {"spec": "1px", "format": "onnx", "precision": None, "batch_size": None, "classes": 10, "published": None}
VERSIONED = sorted(path.stem for path in (ROOT / "envs").glob("*@*.yaml"))


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A folder with environment files."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "envs").mkdir()
    text = (ROOT / "envs/openvino.yaml").read_text()
    for name in ("openvino", "openvino@1.0", "openvino@1.10", "tensorflow", "tensorflow@2.9.3"):
        (tmp_path / f"envs/{name}.yaml").write_text(text.replace("joblib==", f"joblib=={len(name)}."))
    conversion.converter.cache_clear()  # which remembers what lay in `envs`, wherever that was
    yield tmp_path
    conversion.converter.cache_clear()


def test_all_versions_share_the_code_of_their_family():
    assert frameworks.load("openvino@1.0") is frameworks.load("openvino")
    assert conversion.load("openvino@1.0") is conversion.load("openvino")
    assert profiling.load("openvino@1.0") is profiling.load("openvino")
    assert program.template("openvino@1.0") == program.template("openvino")
    assert frameworks.take_options("openvino@1.0", {"streams": 2})["streams"] == 2
    for room in ("frameworks", "conversion", "profiling"):
        reached = source_code.files(f"{room}.openvino@1.0")
        assert reached == source_code.files(f"{room}.openvino")
        assert source_code.PACKAGE / room / "openvino.py" in reached


@pytest.mark.parametrize("load", [frameworks.load, conversion.load])
def test_a_version_of_no_framework_is_refused(load):
    with pytest.raises(DliflowError, match=r"'caffe@1\.0'.*there are .*openvino"):
        load("caffe@1.0")


def test_a_converter_is_that_of_the_same_version_where_there_is_one(checkout):
    assert conversion.converter("openvino@1.0", "int8") == "openvino@1.0"
    assert conversion.converter("tflite@2.9.3", "fp32") == "tensorflow@2.9.3"
    assert conversion.converter("tflite@2.12", "fp32") == "tensorflow"
    assert conversion.converter("tflite", "fp32") == "tensorflow"


def test_names_are_told_from_other_parts_of_paths():
    for name in ("openvino", "openvino@1.0", "a_b@2025.3.rc1", *VERSIONED):
        assert re.fullmatch(frameworks.NAME, name)
    for name in ("openvino-1.0", "openvino@", "@1.0", "openvino@1-0", "openvino@1/0", "openvino@1@0"):
        assert not re.fullmatch(frameworks.NAME, name)


def test_versions_are_ordered_by_their_numbers_and_today_s_is_the_newest(checkout):
    assert environments.names("openvino") == ["openvino@1.0", "openvino@1.10", "openvino"]
    assert environments.names("open") == []


def test_each_version_has_an_environment_of_its_own(checkout):
    folders = {environments.folder(Path(f"envs/{name}.yaml"), "e") for name in ("openvino", "openvino@1.0")}
    assert len({folder.rpartition("-")[2] for folder in folders}) == 2
    assert {folder.rpartition("-")[0] for folder in folders} == {"e/openvino", "e/openvino@1.0"}


def misfits(**changes):
    with pytest.raises(DliflowError) as caught:
        config.study({**STUDY, **changes}, "mine.yaml")
    return str(caught.value)


def test_a_version_without_an_environment_file_is_told_with_those_that_there_are(checkout):
    told = misfits(frameworks=["openvino", "openvino@2.0"])
    assert told == (
        "mine.yaml: frameworks[1]: 'openvino@2.0' has no environment file envs/openvino@2.0.yaml; there are "
        "openvino@1.0, openvino@1.10, openvino. To add it: docs/upgrades.md"
    )


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("openvion@1.0", "frameworks[0]: 'openvion@1.0' is unknown; did you mean 'openvino'?"),
        ("openvino@1-0", "frameworks[0]: 'openvino@1-0' has no version behind its @, such as 1.2"),
        ("openvino@", "frameworks[0]: 'openvino@' has no version behind its @"),
    ],
)
def test_a_wrong_name_is_told(checkout, name, told):
    assert told in misfits(frameworks=[name])


def test_options_of_a_version_are_checked_and_those_of_its_name_come_first(checkout):
    assert "options.openvino@1.0.stream: unknown option" in misfits(options={"openvino@1.0": {"stream": 1}})
    given = {"openvino": {"streams": 2}, "openvino@1.0": {"streams": 1}}
    study = Study(config.study({**STUDY, "options": given}, "mine.yaml"), {}, {}, {}, {}, {})
    asked = {name: study.options(name) for name in ("openvino", "openvino@1.0", "openvino@1.10", "tensorflow")}
    assert [one.get("streams") for one in asked.values()] == [2, 1, 2, None]


def planned(**more):
    checked = config.study(STUDY, "test") | more
    return plan.build(checked, {"m": MODEL}, lambda name: f"envs/{name}", files.digest)


def test_both_versions_are_rows_that_meet(checkout):
    rows = planned()["sweep"]
    assert {row["framework"] for row in rows} == {"openvino", "openvino@1.0"}
    record = next(row["record"] for row in rows if row["framework"] == "openvino@1.0")
    assert record.startswith("results/sweep/local/m/openvino@1.0-python-default-fp32-cpu-default-")
    candidates = plan.candidates(planned(), model="m", device="cpu", node="local", batch_size=1)
    assert {one["framework"] for one in candidates} == {"openvino", "openvino@1.0"}


def test_what_has_no_python_here_is_skipped_with_the_reason(checkout):
    rows = planned(unmakeable={"openvino@1.0": "no Python 2.7"})["sweep"]
    assert {(row["framework"], row["reason"]) for row in rows} == {
        ("openvino", None),
        ("openvino@1.0", "no Python 2.7"),
    }


def test_an_environment_that_needs_a_python_that_is_not_there_says_so(checkout, monkeypatch):
    path = checkout / "envs/openvino@1.0.yaml"
    path.write_text(path.read_text().replace("python=3.11", "python=2.7"))
    asked = []
    monkeypatch.setattr(environments.uv, "has_python", lambda version: bool(asked.append(version)))
    assert environments.lacking(Path("envs/openvino.yaml"), "e") is None
    assert "envs/openvino@1.0.yaml needs Python 2.7" in environments.lacking(Path("envs/openvino@1.0.yaml"), "e")
    assert asked == ["2.7"]
    made = Path(environments.folder(Path("envs/openvino@1.0.yaml"), "e"), "environment.json")
    made.parent.mkdir(parents=True)
    made.write_text("{}")
    assert environments.lacking(Path("envs/openvino@1.0.yaml"), "e") is None


def member(framework, precision="fp32"):
    same = {"api": "python", "variant": "default", "parameters": "default"}
    return {**same, "framework": framework, "precision": precision}


def test_versions_beside_each_other_are_a_pair_with_the_newest_first():
    among = [member(name) for name in ("openvino@1.10", "openvino", "openvino@1.9", "tflite")]
    pairs = comparison.versions(among[2], [*among, member("openvino", "int8")])
    assert {(new["framework"], old["framework"]) for new, old in pairs} == {
        ("openvino@1.10", "openvino@1.9"),
        ("openvino", "openvino@1.9"),
    }
    assert comparison.versions(among[3], among) == []


def test_another_build_of_the_same_version_is_neither_older_nor_newer(checkout):
    """Seen: `onnxruntime@cuda` was told as what `onnxruntime` had been before an upgrade."""
    names_of_study = ("openvino", "openvino@cuda", "openvino@1.10")
    among = [member(name) for name in names_of_study]
    assert comparison.versions(among[1], among) == []
    assert comparison.versions(among[0], among) == [(among[0], among[2])]
    stages = dict.fromkeys(("sweep", "throughput", "tune", "accuracy", "agreement", "compare", "profile"), ())
    beside = changes.versions({**stages, "parity": [{**one, "reason": "skipped"} for one in among]}).beside
    assert beside == [{"openvino@1.10": "openvino"}]
    (checkout / "envs/openvino@cuda.yaml").write_text((checkout / "envs/openvino.yaml").read_text())
    assert environments.names("openvino") == ["openvino@1.0", "openvino@1.10", "openvino", "openvino@cuda"]


def test_a_member_of_a_comparison_keeps_its_version_apart_from_that_of_its_older_self():
    one = {**member("openvino@1.0", "int8"), "older": "1.0.1", "size": 4}
    assert comparison.name(one) == "openvino@1.0-python-default-int8-default@1.0.1:4"
    assert names.member(comparison.name(one)) == "openvino@1.0 int8 of 1.0.1 (batch size 4)"
    assert names.member("openvino@1.0-python-default-int8-default") == "openvino@1.0 int8"
    assert names.member("all-batch-sizes-of-some-thing") == "all-batch-sizes-of-some-thing"


def test_what_a_version_left_is_kept_while_it_is_in_the_study():
    kept = {Path("r/openvino@1.0-default-abc.json"), Path("s/openvino@1.0-default-abc/group1.json")}
    beside = ["r/openvino@1.0-default-abc.csv", "r/openvino@1.0-default-abc", "r/openvino@1.0-default-abc.partial/x"]
    beside += ["s/openvino@1.0-default-abc/group1.partial.json"]
    assert all(prune._belongs(Path(name), kept) for name in beside)
    assert not prune._belongs(Path("r/openvino@1.1-default-abc.json"), kept)


def test_a_program_is_for_the_versions_that_its_template_names():
    for family, package in (("openvino", "openvino==2023.0.1"), ("tflite", "tensorflow-cpu==2.12.1")):
        assert program.template(family) is not None
        assert program.template(f"{family}@1.0", [package]) is None
    assert program.template("openvino@2025.3", ["numpy==1.0", "openvino==2025.3.0"]) is not None
    assert program.template("pytorch@2.0", ["torch==2.0"]) == program.template("pytorch")


@pytest.mark.parametrize("name", VERSIONED)
def test_the_file_of_a_version_pins_that_version(name):
    described = environments.read(ROOT / f"envs/{name}.yaml")
    version = name.partition("@")[2]
    pins = [pin.partition("==") for pin in described["packages"]]
    if not version[0].isdigit():  # another build
        packages = [package for package, _, _ in pins if package.startswith({"cuda": "nvidia-"}.get(version, version))]
    else:
        packages = [package for package, _, pinned in pins if pinned.startswith(version)]
    assert packages, f"{name} pins no package of version {version}"
    assert "://" not in (ROOT / f"envs/{name}.yaml").read_text()
