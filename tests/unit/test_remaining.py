"""Comparisons without a member that failed: when they are made, of whom, and when they are kept."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import jsonschema
import pytest

from dliflow import files
from dliflow.files import read_json, write_json
from dliflow.records import record
from dliflow.runs import remaining
from dliflow.study import config, paths, plan

STUDY = {"models": ["m"], "dataset": "d", "frameworks": ["openvino", "opencv"], "precisions": ["fp32", "fp16"]}
MODEL = plan.described({"source": {"format": "onnx"}}, "spec", 10)
STARTED = time.time() - 5


@pytest.fixture
def study(tmp_path, monkeypatch):
    """A plan of one batch size, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(record, "_validator", lambda: jsonschema.Draft202012Validator({"required": ["command"]}))
    changes = {"latency": {"batch_sizes": [1], "groups": 2}}
    return plan.build(
        config.study({**STUDY, **changes}, "test"), {"m": MODEL}, lambda name: f"envs/{name}", files.digest
    )


def broken(output, inputs=(), fails=True):
    """A job that could start and, as asked, left why it failed in this run."""
    if fails:
        write_json(paths.failure(paths.log(output)), {"stage": "sweep", "reason": "it broke"})
    return remaining.Job([output], list(inputs), paths.log(output))


def comparing(study, inputs):
    """The comparison's job; its command writes what the stage would."""
    (row,) = study["compare"]
    stage = (
        "python3 -c 'import json, sys; from pathlib import Path; out = Path(sys.argv[-1]);"
        ' out.parent.mkdir(parents=True, exist_ok=True); command = ["", "", "", *sys.argv[2:]];'
        ' out.write_text(json.dumps({"command": command}))\' -- compare'
    )
    return remaining.Job([row["record"]], inputs, paths.log(row["record"]), lambda: stage)


def sweep(study, framework, precision):
    """One record of a configuration."""
    rows = (row for row in study["sweep"] if (row["framework"], row["precision"]) == (framework, precision))
    return next(rows)["record"]


def test_what_can_be_compared_is_and_the_same_is_not_measured_twice(study):
    lost = sweep(study, "opencv", "fp32")
    jobs = [broken(lost), comparing(study, [lost])]
    remaining.make(study, jobs, STARTED)
    (whole, part), *others = read_json(paths.PARTIALS).items()
    assert not others
    assert part == paths.partial(whole)
    assert not Path(whole).exists()
    command = read_json(part)["command"]
    assert command[3:] == ["compare", "--missing", "opencv-python-default-fp32-default", "--out", part]
    mtime_ns = Path(part).stat().st_mtime_ns
    remaining.make(study, jobs, STARTED)
    assert Path(part).stat().st_mtime_ns == mtime_ns
    assert read_json(paths.PARTIALS) == {whole: part}
    Path(part).write_text("")  # damaged
    remaining.make(study, jobs, STARTED)
    mtime_ns = Path(part).stat().st_mtime_ns
    assert read_json(part)["command"] == command
    Path("code.py").touch()
    os.utime("code.py", (time.time() + 9,) * 2)
    remaining.make(study, [jobs[0], comparing(study, [lost, "code.py"])], STARTED)
    assert Path(part).stat().st_mtime_ns > mtime_ns


def test_parity_that_failed_leaves_a_candidate_out(study):
    (row,) = study["compare"]
    lost = next(job["record"] for job in study["parity"] if job["framework"] == "opencv")
    assert lost in row["needs"]
    missing, well = remaining.absent(study, row["record"], {lost}, 0.0)
    assert missing == ["opencv-python-default-fp32-default"]
    assert well == [
        "openvino-python-default-fp32-default",
        "openvino-python-default-fp16-default",
    ]  # OpenCV has no fp16


def test_nothing_is_measured_after_a_run_that_was_cut_short(study):
    lost, waiting = sweep(study, "opencv", "fp32"), sweep(study, "openvino", "fp32")
    jobs = [broken(lost), broken(waiting, fails=False), comparing(study, [lost, waiting])]
    remaining.make(study, jobs, STARTED)
    assert read_json(paths.PARTIALS) == {}


def test_fewer_than_two_are_not_compared(study):
    lost = [sweep(study, name, "fp32") for name in ("opencv", "openvino")]
    remaining.make(study, [*map(broken, lost), comparing(study, lost)], STARTED)
    assert read_json(paths.PARTIALS) == {}


def test_what_a_comparison_left_that_failed_itself_holds_for_its_own_run_only(study):
    (row,) = study["compare"]
    write_json(paths.partial(row["record"]), {})
    jobs = [broken(row["record"]), comparing(study, [])]
    remaining.make(study, jobs, STARTED)
    assert read_json(paths.PARTIALS) == {row["record"]: paths.partial(row["record"])}
    remaining.make(study, jobs, time.time() + 9)
    assert read_json(paths.PARTIALS) == {}


def sweeping(output, inputs=()):
    """The job of a sweep."""
    return remaining.Job([output], list(inputs), paths.log(output), lambda: "false", compares=False)


def test_what_a_sweep_left_that_failed_holds_for_its_own_run_only(study):
    """Nothing is measured for it: what it left are the batch sizes that were well."""
    failed, never = sweep(study, "opencv", "fp32"), sweep(study, "openvino", "fp16")
    for output in (failed, never):
        write_json(paths.failure(paths.log(output)), {"stage": "sweep", "reason": "it broke"})
    write_json(paths.partial(failed), {})
    converted = "results/models/m/openvino-fp32.json"
    waiting = sweeping(sweep(study, "openvino", "fp32"), [converted])
    jobs = [sweeping(failed), sweeping(never), broken(converted), waiting]
    remaining.make(study, jobs, STARTED)
    assert read_json(paths.PARTIALS) == {failed: paths.partial(failed)}
    remaining.make(study, jobs, time.time() + 9)
    assert read_json(paths.PARTIALS) == {}


def test_of_all_batch_sizes_a_candidate_is_missing_that_failed_at_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    checked = config.study({**STUDY, "latency": {"batch_sizes": [1, 4], "groups": 2}}, "test")
    of_sizes = plan.build(checked, {"m": MODEL}, lambda name: f"envs/{name}", files.digest)
    (row,) = (row for row in of_sizes["compare"] if row["batch_size"] is None)
    missing, well = remaining.absent(of_sizes, row["record"], {sweep(of_sizes, "opencv", "fp32")}, 0.0)
    assert missing == ["opencv-python-default-fp32-default"]
    assert well == ["openvino-python-default-fp32-default", "openvino-python-default-fp16-default"]


def test_a_candidate_that_broke_at_another_batch_size_is_compared(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(record, "_validator", lambda: jsonschema.Draft202012Validator({}))
    checked = config.study({**STUDY, "latency": {"batch_sizes": [1, 4], "groups": 2}}, "test")
    of_sizes = plan.build(checked, {"m": MODEL}, lambda name: f"envs/{name}", files.digest)
    lost = sweep(of_sizes, "opencv", "fp32")
    part = Path(paths.partial(lost))
    part.parent.mkdir(parents=True)
    part.write_text(json.dumps({"figures": {"groups": [{}], "broken": [{"batch_size": 4}]}}))
    written = part.stat().st_mtime
    missing = {}
    for row in of_sizes["compare"]:
        missing[row["batch_size"]], _ = remaining.absent(of_sizes, row["record"], {lost}, written)
    assert missing == {1: [], 4: ["opencv-python-default-fp32-default"], None: []}
    assert remaining.absent(of_sizes, of_sizes["compare"][0]["record"], {lost}, written + 1)[0] == missing[4]
