"""Benchmarks run seldom, so what they take of the workflow is looked up here: a new name there broke one unseen."""

from __future__ import annotations

import ast
import importlib
import os
import random
import subprocess
import sys

import pytest
from project import ROOT

from dliflow.measuring import turns

SCRIPTS = sorted((ROOT / "benchmarks").glob("*.py"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_what_a_benchmark_imports_of_the_workflow_is_there(script):
    for node in ast.walk(ast.parse(script.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "dliflow":
            module = importlib.import_module(node.module)
            for name in (alias.name for alias in node.names):
                if not hasattr(module, name):
                    importlib.import_module(f"{node.module}.{name}")


@pytest.mark.parametrize("name", ["coverage", "proposals"])
def test_a_benchmark_with_one_number_tells_what_it_is(name):
    command = [sys.executable, str(ROOT / f"benchmarks/{name}.py"), "--help"]
    variables = {**os.environ, "PYTHONPATH": f"{ROOT / 'workflow'}:{ROOT / 'tests'}"}
    assert subprocess.run(command, env=variables, capture_output=True, text=True).stdout.startswith("usage: ")


class Worker:
    """Answers as a worker does, with times of its own."""

    def __init__(self, seed):
        self.times = random.Random(seed)

    def ask(self, request, limit_s):
        if "open" in request:
            return {**request["open"], "threads_in_effect": 1}
        return {"latency_ns": [self.times.randint(900_000, 1_100_000) for _ in range(3)]}


def test_the_anchors_that_are_set_against_each_other_are_read_as_records_are(monkeypatch, capsys):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    benchmark = importlib.import_module("anchor")
    running = {name: Worker(name) for name in (benchmark.MEMBER, *benchmark.ANCHORS)}
    pace = turns.Pace(rounds=3, burst={"requests": 3, "limit_s": 1.0}, warm_up={"limit_s": 1.0}, hang_s=1.0)
    sessions = [benchmark.session(running, 1, pace, random.Random(0)) for _ in range(6)]
    benchmark.show({"a": [{"sessions": sessions[:3]}, {"sessions": sessions[3:]}]})
    printed = capsys.readouterr().out
    assert all(name in printed for name in (benchmark.NONE, benchmark.BESIDE, *benchmark.ANCHORS))
