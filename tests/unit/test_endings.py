"""What a run did not make, what it ends with, and what damaged files do not stop."""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from project import ROOT

from dliflow.errors import DliflowError
from dliflow.machine import lock
from dliflow.records import notes, record
from dliflow.report import missing, read, times
from dliflow.runs import ending, terminal, unfinished
from dliflow.stages import finish, supervise
from dliflow.study import paths


class Job:
    """A job as Snakemake's are, with one output; `needs` are other jobs."""

    def __init__(self, name, *needs):
        self.output, self.log = [f"results/{name}.json"], [f"results/logs/{name}.json.log"]
        self.needs = needs


class Dag:
    """A DAG of jobs of which some are finished."""

    def __init__(self, jobs, finished):
        self.waiting = [job for job in jobs if job not in finished]
        self.dependencies = {job: dict.fromkeys(job.needs) for job in jobs}

    def needrun_jobs(self):
        """Those that are to run and did not finish."""
        return iter(self.waiting)


def test_unfinished_outputs_know_the_job_at_fault():
    good, bad = Job("good"), Job("bad")
    first, second = Job("first", good), Job("second", bad)
    dag = Dag([good, bad, first, second, Job("both", first, second)], [good, first])
    log = "results/logs/bad.json.log"
    names = {"results/bad.json", "results/second.json", "results/both.json"}
    assert unfinished.outputs(dag, [bad]) == dict.fromkeys(names, log)
    assert unfinished.outputs(dag, []) == dict.fromkeys(names)


def row(**changes):
    """A row of a plan."""
    plan_row = {"reason": None, "record": "results/record.json", "needs": ["results/model.json", "results/record.json"]}
    return {**plan_row, **changes}


def test_a_record_of_older_settings_has_no_figures(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results/logs").mkdir(parents=True)
    (tmp_path / "results/record.json").write_text("{}")
    marked = unfinished.with_reasons({"parity": [row()]}, {"results/record.json": None})["parity"][0]
    assert record.outcome(marked) == {"status": "failed", "reason": unfinished.NOT_RUN, "record": None}
    left = {"results/record.json": "results/logs/model.json.log"}
    assert (
        "its log is results/logs/model.json.log"
        in unfinished.with_reasons({"parity": [row()]}, left)["parity"][0]["unmade"]
    )
    failure = json.dumps({"stage": "convert", "reason": "first\nsecond"})
    (tmp_path / "results/logs/model.json.failed.json").write_text(failure)
    marked = unfinished.with_reasons({"parity": [row()]}, left)["parity"][0]
    assert record.outcome(marked)["reason"] == "convert: first\nsecond"
    assert record.outcome(row())["reason"] == "convert: first\nsecond"  # what it needs is gone since its job failed
    (tmp_path / "results/model.json").write_text("{}")
    assert "required property" in record.outcome(row())["reason"]
    assert record.outcome(row(reason="cannot"))["status"] == "skipped"


def test_outputs_are_lost_when_they_are_gone_and_their_jobs_failed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results/logs").mkdir(parents=True)
    (tmp_path / "results/a.json").write_text("{}")
    for name in "ab":
        (tmp_path / f"results/logs/{name}.json.failed.json").write_text("")
    needed = [f"results/{name}.json" for name in "abcd"]
    assert unfinished.missing(needed, {"results/c.json": None}) == ["results/b.json", "results/c.json"]


def test_a_wrong_value_in_a_record_is_told_by_what_is_wrong_with_it(tmp_path):
    path = tmp_path / "record.json"
    path.write_text(json.dumps({"machine": {"names": "x" * 500}}))
    with pytest.raises(DliflowError) as error:
        record.read(str(path))
    assert "is a required property" in str(error.value)
    assert len(str(error.value)) < 400


@pytest.mark.parametrize("content", ["", '{"stage": "late', "[]", '{"stage": 1}', "\x00"])
def test_damaged_notes_are_left_out(tmp_path, content, capsys):
    for name in ("a.time.json", "a.failed.json", "run.json"):
        (tmp_path / name).write_text(content)
    assert times.jobs(tmp_path) == []
    assert notes.run(tmp_path / "run.json") is None
    assert notes.run(tmp_path / "none.json") is None
    assert unfinished.read(tmp_path / "a.time.json") in ({}, {"stage": 1})
    (failure,) = missing.failures(tmp_path)
    assert f"{tmp_path / 'a.failed.json'}, which holds the reason, is empty or half written" in failure.reason
    assert f"{tmp_path / 'a.time.json'}: empty or half written, so it is left out; delete it" in capsys.readouterr().err


@pytest.mark.parametrize(
    "content",
    ["", "status,reason", "status,rea", "status,fps\nok,1\nok\n", "status,fps\nok,1.5\nok,2", 'status\n"ok\n'],
)
def test_damaged_tables_are_named(tmp_path, content):
    (tmp_path / "performance.csv").write_text(content)
    with pytest.raises(DliflowError, match=r"performance.csv: empty, half written or edited .*; delete it to make it"):
        read.table(tmp_path / "performance.csv")


# --- Reasons and the end ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "told", "lines", "reason"),
    [
        (
            1,
            "RuntimeError: Error(s):\n\tMissing key: a\n\tMissing key: b",
            ["noise"],
            "RuntimeError: Error(s):\n\tMiss",
        ),
        (1, "", ["killed by something"], "exit status 1 after the line: killed by something"),
        (1, "", [], "exit status 1 without any output"),
        (2, "first\n# second\nthird", ["dliflow x: error: another"], "first\n# second\nthird"),
        (
            -signal.SIGABRT,
            "",
            ["terminate", "  what():  no GPU", "Aborted"],
            "crashed: killed by SIGABRT: no GPU",
        ),
    ],
)
def test_reasons_are_whole(status, told, lines, reason):
    whole = supervise._reason(status, False, 1.0, told, lines)
    assert whole.startswith(reason)
    assert whole.endswith(told)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_job_that_is_stopped_while_it_waits_for_the_machine_ends_in_one_line(tmp_path, number):
    """Seen: a traceback of KeyboardInterrupt."""
    log = tmp_path / "job.log"
    command = [sys.executable, "-m", "dliflow", "supervise", "--exclusive", "--timeout", "9", "--log", str(log), "--"]
    lock_folder = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(lock_folder, fcntl.LOCK_EX)
    process = subprocess.Popen(
        [*command, "interpreter"],
        env={"PYTHONPATH": str(ROOT / "workflow"), lock.TEST_LOCK_FOLDER: str(tmp_path)},
        stderr=subprocess.PIPE,
        text=True,
    )
    line = process.stderr.readline()
    process.send_signal(number)
    _, rest = process.communicate(timeout=100)
    os.close(lock_folder)
    assert "waiting" in line and rest == ""
    assert process.returncode == 128 + number
    assert notes.failure(Path(paths.failure(str(log))))["reason"] == f"was stopped from outside ({number.name})"


def test_at_the_end_the_report_gets_its_own_options(monkeypatch):
    """It answers the goal also when something failed."""
    made = {}
    monkeypatch.setattr(finish, "make", lambda stage, options: made.update({stage: options}))
    monkeypatch.setattr(finish.marks, "remove", lambda files: None)
    parser = argparse.ArgumentParser()
    finish.arguments(parser)
    report = shlex.join(["--goal", '{"loss": 0.01}'])
    assert finish.run(parser.parse_args(["--unfinished", "u.json", "--report", report, "--", "--study", "{}"])) == 0
    assert made["report"] == ["--goal", '{"loss": 0.01}']
    assert made["tables"] == ["--study", "{}", "--unfinished", "u.json"]


def test_the_end_tells_every_reason_once_and_whole(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    logs = [f"{name}.json.log" for name in "abcde"]
    for log in logs[:4]:
        (tmp_path / paths.failure(log)).write_text(json.dumps({"stage": "fetch", "reason": "first\n" + "long " * 99}))
    text = ending.failed(logs, 7, "FAILED\n  a: cut …\n\nthe rest\n", "snakemake all")
    assert "cut" not in text
    assert text.count("first\n    " + "long " * 98 + "long") == 1
    assert "log: a.json.log, b.json.log, c.json.log and 1 more" in text
    assert "a job ended without a reason (killed from outside?)\n    log: e.json.log" in text
    assert "7 jobs that need what failed did not run" in text
    assert text.endswith("\n  snakemake all")
    assert "STOPPED before the end: 1 job did not run" in ending.failed([], 1, None, "snakemake")


@pytest.mark.parametrize(
    ("original", "typed"),
    [
        (["python", "-m", "snakemake", "all"], "python -m snakemake all"),
        (
            ["/x/.venv/bin/python3", ".venv/bin/snakemake", "--config", "a=[b c]"],
            ".venv/bin/snakemake --config 'a=[b c]'",
        ),
        (["/x/bin/python3", "/x/bin/snakemake", "--cores", "1"], "/x/bin/snakemake --cores 1"),
        (["/x/bin/python3", "/y/bin/snakemake", "--cores", "1"], "snakemake --cores 1"),
    ],
)
def test_the_command_is_the_one_that_was_typed(original, typed, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: f"/y/bin/{name}")  # the one on the PATH
    assert ending.again(original) == typed


def test_the_terminal_is_spared_what_a_job_has_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    command = "RuleException:\nCalledProcessError in file x:\nCommand '-m dliflow supervise --log a.log -- fetch'"

    def entry(text, level=40):
        return SimpleNamespace(levelno=level, getMessage=lambda: text)

    assert terminal.wanted(entry(command))  # nobody else tells
    (tmp_path / "a.failed.json").write_text("{}")
    assert not terminal.wanted(entry(command))
    assert terminal.wanted(entry("MissingOutputException"))
    assert terminal.wanted(entry(command, 20))
