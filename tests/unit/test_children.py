"""Children that do not outlive those for whom they work."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest
from project import ROOT

from dliflow.machine import children

SLEEPER = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"]


@pytest.fixture
def sleeper():
    process = subprocess.Popen(SLEEPER, stdout=subprocess.PIPE, text=True)
    process.stdout.readline()
    yield process
    process.kill()
    process.communicate()


def waiting_for(text):
    thread = threading.Thread(target=children.wait_for_end, args=[text], daemon=True)
    thread.start()
    return thread


@pytest.mark.parametrize("kernel", ["of today", "before 5.3"])
def test_the_end_of_a_process_is_noticed(monkeypatch, sleeper, kernel):
    if kernel == "before 5.3":
        monkeypatch.delattr(os, "pidfd_open")
        monkeypatch.setattr(children, "LOOK_EVERY_S", 0.05)
    thread = waiting_for(children.written(sleeper.pid))
    thread.join(0.3)
    assert thread.is_alive()
    sleeper.kill()
    sleeper.wait()
    thread.join(30)
    assert not thread.is_alive()


def test_a_later_process_of_the_same_number_is_another_one(sleeper):
    number, started, namespace = children.written(sleeper.pid).split(" ", 2)
    thread = waiting_for(f"{number} {float(started) - 1} {namespace}")
    thread.join(30)
    assert not thread.is_alive()


def test_a_process_that_cannot_be_seen_from_here_counts_as_running(sleeper):
    number, started, _ = children.written(sleeper.pid).split(" ", 2)
    thread = waiting_for(f"{number} {started} pid:[1]")
    sleeper.kill()
    sleeper.wait()
    thread.join(0.3)
    assert thread.is_alive()


def test_a_child_dies_with_its_parent():
    code = (
        "import subprocess, sys; from dliflow.machine.children import dying_with_parent;"
        "child = subprocess.Popen(['sleep', '60'], preexec_fn=dying_with_parent(), stdout=subprocess.DEVNULL);"
        "print(child.pid, flush=True); sys.stdin.read()"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT / "workflow")},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    thread = waiting_for(children.written(int(parent.stdout.readline())))
    parent.kill()
    parent.communicate()
    thread.join(30)
    assert not thread.is_alive()
