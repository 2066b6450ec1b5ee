"""`./dliflow compare` in a real study: two frameworks that are the same numpy code, until one of them takes a nap."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from dliflow.machine import lock
from dliflow.study import paths


def compare(project, *words: str, slower: str = "400%", budget: str = "60", **environment: str):
    """Beta against alpha, while other tests take the processors' time."""
    command = [sys.executable, str(project.folder / "dliflow"), "compare", "alpha", "beta", "--on-busy-machine"]
    options = ["--slower", slower, "--budget", budget, *words]
    variables = {**os.environ, lock.TEST_LOCK_FOLDER: str(project.folder), **environment}
    return subprocess.run([*command, *options], env=variables, capture_output=True, text=True, timeout=1800)


def test_each_outcome_has_its_exit_status(finished, tmp_path):
    written = {kind: tmp_path / f"out.{kind}" for kind in ("json", "markdown")}
    passed = compare(finished, *(word for kind, path in written.items() for word in (f"--{kind}", str(path))))
    assert passed.returncode == 0, passed.stdout + passed.stderr
    assert passed.stdout.splitlines()[-1].startswith("PASSED: 2 of 2 rows take less than 400 % longer than before")
    result = json.loads(written["json"].read_text())
    assert (result["verdict"], result["exit_status"]) == ("passed", 0)
    for row in result["rows"]:
        assert row["ratio_ci_low"] < row["ratio"] < row["ratio_ci_high"] < 5
        assert (row["before"]["framework"], row["after"]["framework"]) == ("alpha", "beta")
        assert row["differs"][0] == "framework alpha → beta"
    assert "| passed | tiny fp32 cpu, batch size 1 |" in written["markdown"].read_text()
    groups = json.loads((finished.folder / "results/gate/record.json").read_text())["groups"]
    assert len(groups) >= 2
    assert all(set(one["latency_ns"]) == {"before", "after"} for one in groups[0]["sessions"][0]["rounds"])

    undecided = compare(finished, slower="0.1%", budget="0.01")  # a quiet machine may know 1 %
    assert undecided.returncode == 4, undecided.stdout + undecided.stderr
    assert "raise --budget over 0.01" in undecided.stdout

    nothing = compare(finished, "--batch-size", "7")
    assert (nothing.returncode, "no such row in common" in nothing.stdout) == (5, True)

    broken = compare(finished, DLIFLOW_TEST_FAULT="beta segv at 2 of gate")
    assert broken.returncode == 5, broken.stdout + broken.stderr
    assert "after: its process was killed by SIGSEGV" in broken.stdout
    assert not finished.workers_left()


def test_what_is_slower_regresses(finished):
    """An option of beta makes each request a hundred times as long; it is measured anew, as any changed study is."""
    finished.configure(options={"beta": {"nap": 0.005}})
    finished.run(finished.path(paths.SWEEP, "beta"))
    regressed = compare(finished, "--batch-size", "1")
    assert regressed.returncode == 3, regressed.stdout + regressed.stderr
    assert "1 of 1 rows takes over 400 % longer than before, as two measurements show" in regressed.stdout
    assert "they are measured once more" in regressed.stderr
    assert "options {} → {'nap': 0.005}" in regressed.stdout
