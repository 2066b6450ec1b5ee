"""Launch parameters in the real workflow, of a framework one of whose options really changes its speed."""

from __future__ import annotations

import csv
import datetime
import json
import os
import signal

import pytest
from eventually import eventually

from dliflow.study import paths

FRAMEWORK = "workflow/dliflow/frameworks/alpha.py"
SHORT = {"frameworks": ["alpha"], "batch_sizes": [1], "groups": 3, "rounds": 2, "burst_s": 0.004, "budget_s": 60}
SHORT |= {"confirm_groups": 3, "confirm_budget_s": 0}
NAP = '"nap": Option(float, 0.0, "seconds that each request sleeps")'
FAULT = '"fault": Option(str, "", "how it fails, and under which conditions: `segv at 2 of sweep`")'


def naps(project, default, tried, faults=()):
    """Let requests of alpha sleep for so many seconds, and others be worth trying; and faults."""
    words = f"tried=lambda machine: {tried}"
    project.edit(FRAMEWORK, NAP, f'"nap": Option(float, {default}, "seconds that each request sleeps", {words})')
    words = f"tried=lambda machine: {list(faults)}, arithmetic=True"
    project.edit(FRAMEWORK, FAULT, f'"fault": Option(str, "", "how it fails", {words})')


@pytest.fixture
def tuned(project):
    """Of a framework whose default sleeps 3 ms, without which it is much faster; what breaks is tried, too."""
    naps(project, 0.003, [0.0, 0.03], ["segv", "wrong"])
    project.configure(tune=SHORT, compare={"leaders": 2, "sessions": 2}, latency={"batch_sizes": [1, 2], "groups": 2})
    return project


def test_settings_that_are_faster_have_a_row_and_meet_the_default_in_the_comparison(tuned):
    told = tuned.run("all", "--dry-run")
    assert "1 races of launch parameters" in told
    tuned.run("all")
    assert not tuned.pending("all")
    by_name = {row["candidate"]: row for row in tuned.table("tuning")}
    assert {name: row["outcome"] for name, row in by_name.items()} == {
        "default": "default",
        "nap=0.0": "chosen",
        "nap=0.03": by_name["nap=0.03"]["outcome"],
        "fault=segv": "failed",
        "fault=wrong": "other scores",
    }
    assert by_name["nap=0.03"]["outcome"] in ("slower", "not the fastest")  # three noisy groups may not tell
    assert float(by_name["nap=0.03"]["race_ratio"]) > 1.5
    assert "killed by SIGSEGV" in by_name["fault=segv"]["why"]
    assert "parity.tolerance.fp32" in by_name["fault=wrong"]["why"]
    (row,) = (row for row in tuned.table("performance") if row["parameters"] == "tuned")
    assert (row["framework"], row["batch_size"], row["status"]) == ("alpha", "1", "ok")
    assert json.loads(row["settings"]) == {"nap": 0.0}
    assert float(row["tuned_ratio_ci_high"]) < 1
    assert row["tuned_ratio"] == by_name["nap=0.0"]["ratio"]
    record = tuned.read(paths.TUNE, batch_size=1)
    assert record["figures"]["chosen"] == {"nap": 0.0}
    tunings = {(row["first"], row["second"]) for row in tuned.table("comparison") if row["batch_size"] == "1"}
    assert any("alpha-python-default-fp32-tuned" in pair for pair in tunings)
    assert "nap=0.0" in (tuned.folder / paths.REPORT).read_text()
    assert not tuned.workers_left()
    # Off again, there is neither a job nor a row of it.
    tuned.configure(tune=False)
    assert not [path for path in tuned.pending("all") if "/tune/" in path]
    tuned.run(*paths.TABLES.values())
    assert {row["parameters"] for row in tuned.table("performance")} == {"default"}
    assert tuned.table("tuning") == []


@pytest.mark.dear
def test_settings_that_are_not_faster_have_no_row(project):
    naps(project, 0.0, [0.003, 0.006])
    project.configure(tune=SHORT, latency={"batch_sizes": [1], "groups": 1})
    project.run("all")
    assert {row["parameters"] for row in project.table("performance")} == {"default"}
    assert "chosen" not in {row["outcome"] for row in project.table("tuning")}
    with open(project.folder / paths.TABLES["tuning"], newline="") as stream:
        assert len(list(csv.DictReader(stream))) == 3


def test_a_killed_race_goes_on_with_its_next_group(project):
    naps(project, 0.01, [0.0, 0.02])
    project.configure(tune={**SHORT, "groups": 6, "confirm_groups": 4})
    record = project.path(paths.TUNE, batch_size=1)
    state = project.folder / record.replace(".json", ".partial/state.json")
    process = project.begin(record)
    assert eventually(lambda: state.exists() and json.loads(state.read_text())["records"], seconds=600)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert eventually(lambda: not project.processes())
    killed = datetime.datetime.now(datetime.timezone.utc).isoformat()
    assert state.exists() and not (project.folder / record).exists()
    project.run("--unlock")
    project.run(record)
    assert "goes on where it stopped" in (project.folder / paths.log(record)).read_text()
    figures = project.read(paths.TUNE, batch_size=1)["figures"]
    first, *_, last = (group["sessions"][0]["started_at"] for group in (*figures["race"], *figures["confirm"]))
    assert first < killed < last
    assert not state.parent.exists()
