"""Which machine a measurement runs on: how it gets to its node, and what refuses to run there."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from project import ROOT

from dliflow.errors import DliflowError
from dliflow.files import read_json
from dliflow.machine import facts, node, slurm
from dliflow.study import paths

MACHINE = {"hostname": "cn07", "cpu": "Intel(R) Xeon(R) Gold 6338", "logical_cpus": 64, "container": None}
STEP = {"allocation": ["--partition=bench"], "step": []}


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """This machine as the test says; the file that holds the first one."""

    def is_now(**changes):
        monkeypatch.setattr(facts, "describe", lambda: {**MACHINE, **changes})

    is_now()
    return is_now, tmp_path / "a.json"


# --- The right machine ------------------------------------------------------------------------------------------------


def test_the_first_machine_that_measures_is_the_node_from_then_on(machine, monkeypatch):
    is_now, first = machine
    monkeypatch.setenv(node.SLURM_NAME, "cpu7")
    node.check("a", {}, first)
    assert read_json(first) == {
        "hostname": "cn07",
        "cpu": MACHINE["cpu"],
        "logical_cpus": 64,
        "slurm_name": "cpu7",
    }
    assert node.slurm_name(first) == "cpu7"
    node.check("a", {}, first)
    is_now(kernel="another", memory_mib=1)  # updates change these; they stand in the records
    node.check("a", {}, first)


@pytest.mark.parametrize("change", [{"hostname": "cn08"}, {"cpu": "AMD EPYC"}, {"logical_cpus": 32}])
def test_another_machine_under_the_same_name_is_refused(machine, change):
    is_now, first = machine
    node.check("a", {}, first)
    is_now(**change)
    ((key, value),) = change.items()
    with pytest.raises(DliflowError) as error:
        node.check("a", {}, first)
    told = str(error.value)
    assert f"{key} '{MACHINE[key]}'; this one has {key} '{value}'" in told
    assert "--config node=NAME" in told and str(first) in told


def test_a_containers_name_says_nothing(machine):
    is_now, first = machine
    is_now(container="docker", hostname="4f2a")
    node.check("a", {}, first)
    is_now(container="docker", hostname="9c1b")
    node.check("a", {}, first)


@pytest.mark.parametrize(
    ("wanted", "refused"),
    [({"cpu": "*Xeon*"}, None), ({"cpu": "*EPYC*"}, "cpu"), ({"hostname": "cn*", "cpu": "AMD*"}, "cpu")],
)
def test_a_machine_that_is_not_what_the_file_says_is_refused(machine, wanted, refused):
    _, first = machine
    if refused is None:
        node.check("a", wanted, first)
        return
    with pytest.raises(DliflowError, match=rf"config/nodes/a\.yaml: machine\.{refused}: '.*' is not this machine"):
        node.check("a", wanted, first)
    assert not first.exists()


# --- On the way there -------------------------------------------------------------------------------------------------

# What stands for SLURM: an allocation runs while there is a file with its line; every call is written down. `srun` runs
# the command, unless a file says that the allocation is taken away meanwhile. Another file says that the reason of a
# failure is seen late, as on a file system that machines share.
FAKES = {
    "squeue": "test -e allocation && cat allocation; exit 0",
    "sbatch": 'echo "7 RUNNING None" > allocation; echo 7',
    "scancel": "rm -f allocation",
    "srun": (
        "env | grep ^SLURM > variables\n"
        'while [ "${1#--}" != "$1" ]; do shift; done\n'
        "if [ -e taken ]; then rm taken allocation; exit 143; fi\n"
        'SLURMD_NODENAME=cpu1 "$@"; status=$?; told=results/logs/x.failed.json\n'
        "if [ -e late ]; then mv $told late; (sleep 2; mv late $told) >/dev/null 2>&1 & fi\n"
        "exit $status"
    ),
}


@pytest.fixture
def scheduler(tmp_path, monkeypatch):
    """Commands in SLURM's place, in the working directory; reads what was called."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, body in FAKES.items():
        path = folder / name
        path.write_text(f'#!/bin/sh\necho "{name} $*" >> calls\n{body}\n')
        path.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setattr(slurm, "WAITS_S", (0.01,))

    def calls(name):
        lines = Path("calls").read_text().splitlines() if Path("calls").exists() else []
        return [line.removeprefix(f"{name} ") for line in lines if line.startswith(f"{name} ")]

    return calls


def supervised(stage="interpreter", known=STEP, machine=None):
    """Run a stage that writes which Python runs it, as a measurement of node `a`."""
    command = [sys.executable, "-m", "dliflow", "supervise", "--timeout", "60", "--exclusive", "--node", "a"]
    described = {"a": {"machine": machine or {}, "slurm": known}}
    environment = {**os.environ, node.KNOWN: json.dumps(described), "PYTHONPATH": str(ROOT / "workflow")}
    environment["DLIFLOW_TEST_LOCK_FOLDER"] = str(Path.cwd())
    return subprocess.run(
        [*command, "--log", "results/logs/x.log", "--", stage, "--out", "out.json"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )


def test_a_measurement_runs_in_the_allocation_of_its_node(scheduler):
    for _ in range(2):
        ended = supervised()
        assert ended.returncode == 0, ended.stderr
    assert Path("out.json").exists()
    (asked,) = scheduler("sbatch")  # the second one found it
    assert "--exclusive" in asked and "--partition=bench" in asked and f"--job-name={slurm.job_name('a')}" in asked
    first, second = scheduler("srun")
    assert first == second and first.startswith("--jobid=7 ") and "supervise --timeout 60" in first
    assert read_json(Path(paths.NODE.format(node="a")))["slurm_name"] == "cpu1"
    timing = read_json(Path("results/logs/x.time.json"))
    assert timing["stage"] == "interpreter" and timing["status"] == 0


def test_an_allocation_that_the_workflow_runs_in_says_nothing_of_the_nodes(scheduler, monkeypatch):
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "1")
    monkeypatch.setenv("SLURM_CONF", "here.conf")
    assert supervised().returncode == 0
    assert Path("variables").read_text().splitlines() == ["SLURM_CONF=here.conf"]


def test_a_measurement_whose_allocation_ended_goes_on_in_the_next_on_the_same_machine(scheduler):
    assert supervised().returncode == 0
    Path("taken").touch()
    ended = supervised()
    assert ended.returncode == 0, ended.stderr
    assert "its allocation, SLURM job 7, has ended; again" in ended.stderr
    assert len(scheduler("srun")) == 3
    first, second = scheduler("sbatch")
    assert "--nodelist" not in first and "--nodelist=cpu1" in second
    assert not Path("results/logs/x.failed.json").exists()


@pytest.mark.parametrize("late", [False, True])
def test_a_stage_that_fails_on_its_node_is_not_tried_again(scheduler, late):
    if late:
        Path("late").touch()
    ended = supervised(stage="subset")
    assert ended.returncode != 0
    assert len(scheduler("srun")) == 1
    assert "the following arguments are required" in read_json(Path("results/logs/x.failed.json"))["reason"]


def test_the_wrong_machine_is_refused_before_anything_is_measured(scheduler):
    ended = supervised(machine={"cpu": "no such CPU"})
    assert ended.returncode == 1 and not Path("out.json").exists()
    reason = read_json(Path("results/logs/x.failed.json"))["reason"]
    assert reason.startswith("config/nodes/a.yaml: machine.cpu: 'no such CPU' is not this machine")
    assert reason in ended.stderr and reason in Path("results/logs/x.log").read_text()


def test_without_slurm_the_reason_is_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    ended = supervised()
    assert ended.returncode == 1
    assert "squeue: not found" in read_json(Path("results/logs/x.failed.json"))["reason"]


def test_an_allocation_that_waits_is_waited_for_and_the_reason_told(scheduler, capsys, monkeypatch):
    states = iter(["7 PENDING Resources", "7 PENDING Resources", "7 PENDING Priority", "7 RUNNING None"])

    def ask(*words):
        return next(states) if words[0] == "squeue" else ""

    monkeypatch.setattr(slurm, "ask", ask)
    assert slurm.allocate("a", [], Path("logs/a.lease")) == "7"
    told = capsys.readouterr().err.splitlines()
    assert told == [f"waiting: node 'a': SLURM job 7 is PENDING ({why})" for why in ("Resources", "Priority")]


def test_an_allocation_that_ends_is_not_taken_for_one(scheduler):
    Path("allocation").write_text("6 COMPLETING None\n")
    assert slurm.held("a") == []
    Path("allocation").write_text("6 COMPLETING None\n7 RUNNING None\n")
    assert slurm.is_running("a", "7") and not slurm.is_running("a", "6")
    slurm.release("a")
    assert scheduler("scancel") == [f"--me --name={slurm.job_name('a')}"]


def test_the_holder_ends_when_nobody_touches_its_lease(tmp_path):
    lease = tmp_path / "a $(false) 'b'.lease"
    hold = slurm.HOLD.format(lease=shlex.quote(str(lease)), idle=0.1)
    subprocess.run(["sh", "-c", hold], timeout=200)  # there is none
    lease.touch()
    subprocess.run(["sh", "-c", hold], timeout=200, check=True)


def test_a_controller_that_is_busy_is_asked_again(scheduler, monkeypatch, capsys):
    answers = iter([slurm.Refused("squeue: Socket timed out"), "7 RUNNING None"])

    def ask(*words):
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(slurm, "ask", ask)
    monkeypatch.setattr(slurm, "PATIENCE_S", (0.01,))
    assert slurm.held("a") == [("7", "RUNNING", "None")]
    assert "Socket timed out; asking again in 0.01 s" in capsys.readouterr().err
