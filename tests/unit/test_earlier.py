"""What an older environment left: which records are found, and what they say beside today's."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import records

from dliflow import files
from dliflow.analysis import changes
from dliflow.records import earlier
from dliflow.stages import tables
from dliflow.study import paths, plan

STUDY = {
    **{
        "models": ["m"],
        "dataset": "few",
        "frameworks": ["pytorch", "openvino"],
        "apis": ["python"],
        "precisions": ["fp32", "int8"],
    },
    **{"devices": ["cpu"], "nodes": ["local"], "latency": {"batch_sizes": [1], "groups": 2}, "tune": False},
    **{"compare": {"leaders": 2}, "calibration": {"dataset": "few"}, "agreement": {"dataset": None}, "profile": []},
    "throughput": {"in_flight": [], "batch_sizes": [1], "groups": 2, "p99_ms": None},
}
MODEL = {"spec": "1px", "format": "pytorch_state_dict", "precision": None, "batch_size": None, "classes": 4}
MODELS = {"m": {**MODEL, "published": None}}


def planned(config=STUDY, models=MODELS):
    return plan.build(config, models, lambda framework: None, files.digest)


@pytest.fixture
def upgraded(tmp_path, monkeypatch):
    """A study in the working directory in which OpenVINO was upgraded; its plan."""
    monkeypatch.chdir(tmp_path)
    records.before(STUDY, MODELS, ["openvino"])
    records.study(planned(), np.random.default_rng(0))
    return planned()


def edited(path, **changed):
    """A record with some keys of others."""
    known = json.loads(Path(path).read_text())
    for key, value in changed.items():
        known[key] = {**known[key], **value} if isinstance(value, dict) else value
    Path(path).write_text(json.dumps(known))


def changed(study_plan):
    """The rows of changes.csv."""
    pieces = tables.with_changes(tables.make(study_plan, MODELS), study_plan, MODELS)
    return [row for name, rows in pieces if name == "changes" for row in rows]


def swept(study_plan):
    """The records of the first groups of what OpenVINO left, FP32 first."""
    return [row["record"] for row in study_plan["sweep"] if row["framework"] == "openvino" and row["group"] == 1]


def test_only_what_was_upgraded_has_an_older_version(upgraded):
    before = earlier.plan(upgraded)
    assert {row["framework"] for rows in before.values() for row in rows} == {"openvino"}
    assert {row["environment"] for row in before["sweep"]} == {files.digest(["openvino", "0.9"])}
    assert len(before["sweep"]) == 4
    assert before["compare"] == []
    assert all(Path(row["record"]).exists() for rows in before.values() for row in rows)


def test_of_several_older_ones_the_one_that_measured_last_counts(upgraded):
    records.before(STUDY, MODELS, ["openvino"], "0.8")
    now = swept(upgraded)[0]
    for version, at in (("0.8", "2026-01-02"), ("0.9", "2026-01-01")):
        path = now.replace(files.digest("openvino"), files.digest(["openvino", version]))
        edited(path, finished_at=f"{at}T00:00:00+00:00")
    assert {row["environment"] for row in earlier.plan(upgraded)["sweep"]} == {files.digest(["openvino", "0.8"])}


def test_what_ran_another_model_does_not_count(upgraded):
    for path in swept(upgraded):
        edited(
            path.replace(files.digest("openvino"), files.digest(["openvino", "0.9"])), identity={"origin": "another"}
        )
    assert earlier.plan(upgraded)["sweep"] == []
    assert changed(upgraded) == []


def test_of_several_models_one_that_was_another_then_is_left_out(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config, models = {**STUDY, "models": ["m", "n"]}, dict.fromkeys(("m", "n"), MODELS["m"])
    records.before(config, models, ["openvino"])
    study_plan = planned(config, models)
    records.study(study_plan, np.random.default_rng(0))
    assert {row["model"] for row in earlier.plan(study_plan)["sweep"]} == {"m", "n"}
    for path in swept(study_plan):
        then = path.replace(files.digest("openvino"), files.digest(["openvino", "0.9"]))
        edited(then, identity={"origin": "another"} if "/n/" in then else {})
    before = earlier.plan(study_plan)
    assert {row["model"] for rows in before.values() for row in rows} == {"m"}


def test_where_nothing_was_upgraded_nothing_is_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    records.study(planned(), np.random.default_rng(0))
    assert changed(planned()) == []


def test_a_version_is_found_to_run_again_while_its_environment_and_model_are_there(upgraded):
    row = next(row for row in upgraded["sweep"] if row["framework"] == "openvino")
    member, point = {key: row[key] for key in (*plan.CANDIDATE, *plan.DIGESTS)}, {"node": "local", "model": "m"}
    then = swept(upgraded)[0].replace(files.digest("openvino"), files.digest(["openvino", "0.9"]))
    edited(then, figures={"python": "e/bin/python", "converted": "model.json"})
    assert earlier.version(member, point | {"device": "cpu"}) is None
    Path("e").mkdir()
    Path("e/environment.json").write_text("{}")
    Path("model.json").write_text(json.dumps({"status": "ok"}))
    found_one = earlier.version(member, point | {"device": "cpu"})
    assert found_one == {**member, "python": "e/bin/python", "converted": "model.json", "built": None, "older": "0.9"}


def test_the_table_sets_both_versions_against_each_other(upgraded):
    rows = changed(upgraded)
    assert {row["framework"] for row in rows} == {"openvino"}
    assert {(row["old_version"], row["new_version"]) for row in rows} == {("0.9", "1.0")}
    told = {row["quantity"] for row in rows}
    assert told == {"latency", "load", "first_request", "peak_rss", "model_bytes", "status", "top1", "same_class"}
    same = [row for row in rows if row["quantity"] == "same_class"]
    assert {(row["new"], row["images"], row["method"]) for row in same} == {(1.0, records.IMAGES, changes.IMAGES)}


def test_what_is_lost_of_the_older_version_is_left_out(upgraded):
    old = files.digest(["openvino", "0.9"])
    Path(paths.PARITY.format(**upgraded["parity"][-1] | {"environment": old})).unlink()
    before = earlier.plan(upgraded)
    assert {row["precision"] for rows in before.values() for row in rows} == {"fp32"}
    shutil.rmtree(Path(swept(upgraded)[0].replace(files.digest("openvino"), old)).parent)
    assert earlier.plan(upgraded)["sweep"] == []


def test_versions_side_by_side_are_told_like_an_upgrade(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    study_plan = planned({**STUDY, "frameworks": ["pytorch", "openvino", "openvino@1.0"]})
    records.study(study_plan, np.random.default_rng(0))
    rows = changed(study_plan)
    assert {(row["framework"], row["old_framework"]) for row in rows} == {("openvino", "openvino@1.0")}
    told = [row for row in rows if row["quantity"] == "same_class"]
    assert [row["new"] for row in told] == [1.0, 1.0]
    assert {row["method"] for row in rows if row["quantity"] == "latency"} == {changes.ANCHOR}
