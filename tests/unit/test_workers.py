"""Workers: real processes that are stopped and continued."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from dliflow.errors import DliflowError
from dliflow.measuring import workers

ECHO = """
import json, sys
print("{}", flush=True)
for line in sys.stdin:
    print(json.dumps({"got": json.loads(line)}), flush=True)
"""


def command(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def state(worker: workers.Worker) -> str:
    """The process's state after the signals have arrived; proc(5)."""
    time.sleep(0.05)
    return Path(f"/proc/{worker.process.pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_all_are_stopped_but_the_one_that_is_asked():
    with workers.started({"a": command(ECHO), "b": command(ECHO)}) as (running, told):
        assert told == {"a": {}, "b": {}}
        assert [state(worker) for worker in running.values()] == ["T", "T"]
        assert running["a"].ask({"n": 1}) == {"got": {"n": 1}}
        assert running["b"].ask({"n": 2}) == {"got": {"n": 2}}
        assert [state(worker) for worker in running.values()] == ["T", "T"]
    assert all(worker.process.returncode is not None for worker in running.values())


def test_a_stopped_process_uses_no_time():
    spin = "import itertools, threading\n"
    spin += "threading.Thread(target=lambda: all(True for _ in itertools.count(1)), daemon=True).start()\n"
    with workers.started({"a": command(spin + ECHO)}) as (running, _):
        ticks = Path(f"/proc/{running['a'].process.pid}/stat")
        time.sleep(0.05)
        before = ticks.read_text().split()[13:15]
        time.sleep(0.3)
        assert ticks.read_text().split()[13:15] == before


@pytest.mark.parametrize(
    ("code", "how"),
    [
        ("raise SystemExit(3)", "ended with status 3"),
        ("import os; os.kill(os.getpid(), 9)", "was killed by SIGKILL"),
        ("print('{}', flush=True); input(); raise SystemExit(4)", "ended with status 4"),
    ],
)
def test_a_worker_that_ends_is_named_and_the_others_are_gone(code, how):
    found = {}
    with pytest.raises(DliflowError, match=f"bad: its process {how}"):  # noqa: SIM117
        with workers.started({"good": command(ECHO), "bad": command(code)}) as (running, _):
            found.update(running)
            running["bad"].ask({})
    assert all(worker.process.returncode is not None for worker in found.values())
