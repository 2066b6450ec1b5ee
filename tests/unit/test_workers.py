"""Workers: real processes that are stopped and continued."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest
from eventually import eventually
from project import ROOT

from dliflow.errors import DliflowError
from dliflow.files import write_json
from dliflow.measuring import workers

ECHO = """
import json, sys
print("{}", flush=True)
for line in sys.stdin:
    print(json.dumps({"got": json.loads(line)}), flush=True)
"""


def command(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def stopped(worker: workers.Worker) -> bool:
    """Whether the process stands still, once the signals have arrived; proc(5)."""
    stat = Path(f"/proc/{worker.process.pid}/stat")
    return eventually(lambda: stat.read_text().rpartition(")")[2].split()[0] == "T")


def test_all_are_stopped_but_the_one_that_is_asked():
    with workers.started({"a": command(ECHO), "b": command(ECHO)}) as (running, told):
        assert told == {"a": {}, "b": {}}
        assert all(stopped(worker) for worker in running.values())
        assert running["a"].ask({"n": 1}) == {"got": {"n": 1}}
        assert running["b"].ask({"n": 2}) == {"got": {"n": 2}}
        assert all(stopped(worker) for worker in running.values())
    assert all(worker.process.returncode is not None for worker in running.values())


def test_one_that_is_taken_out_of_the_mapping_is_gone_too():
    with workers.started({"a": command(ECHO), "b": command(ECHO)}) as (running, _):
        taken = running.pop("a")
    assert taken.process.returncode is not None


def test_a_stopped_process_uses_no_time():
    spin = "import itertools, threading\n"
    spin += "threading.Thread(target=lambda: all(True for _ in itertools.count(1)), daemon=True).start()\n"
    with workers.started({"a": command(spin + ECHO)}) as (running, _):
        ticks = Path(f"/proc/{running['a'].process.pid}/stat")
        assert stopped(running["a"])
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
    both = {"good": command(ECHO), "bad": command(code)}
    with pytest.raises(DliflowError, match=f"bad: its process {how}"), workers.started(both) as (running, _):
        found.update(running)
        running["bad"].ask({})
    assert all(worker.process.returncode is not None for worker in found.values())


def test_a_worker_whose_program_is_gone_is_named_and_the_others_are_gone():
    started = []

    def noted(*arguments):
        started.append(workers.Worker(*arguments))
        return started[-1]

    told = r"^bad: /no/such/python cannot be run: No such file or directory$"
    commands = {"good": command(ECHO), "bad": ["/no/such/python"]}
    with pytest.raises(workers.WorkerEnded, match=told) as ended, workers.started(commands, kind=noted):
        raise AssertionError("it came up")
    assert ended.value.name == "bad"
    assert [worker.process.returncode is not None for worker in started] == [True]


HANGS = """
import json, sys, time
if "start" in sys.argv:
    time.sleep(60)
print("{}", flush=True)
for line in sys.stdin:
    time.sleep(json.loads(line)["sleep_s"])
    print(json.dumps({"slept": True}), flush=True)
"""


def test_a_worker_that_takes_too_long_is_killed_and_told():
    with workers.started({"a": command(HANGS)}, limit_s=100) as (running, _):
        worker = running["a"]
        assert worker.ask({"sleep_s": 0.05}, limit_s=100) == {"slept": True}
        began = time.monotonic()
        with pytest.raises(
            workers.WorkerEnded, match=r"a: its process did not answer within 0\.3 s and was killed"
        ) as ended:
            worker.ask({"sleep_s": 60}, limit_s=0.3)
        assert 0.3 <= time.monotonic() - began < 50
        assert (ended.value.name, ended.value.reason.partition(" ")[0]) == ("a", "its")
        assert worker.process.wait(60) == -9


def test_a_worker_that_does_not_come_up_is_killed_with_the_others():
    found = []

    def noted(*arguments):
        found.append(workers.Worker(*arguments))
        return found[-1]

    with (
        pytest.raises(workers.WorkerEnded, match=r"bad: its process did not answer within 0\.5 s"),
        # It is waited for first: how long the other one takes on a busy machine does not matter.
        workers.started({"bad": [*command(HANGS), "start"], "good": command(ECHO)}, limit_s=0.5, kind=noted),
    ):
        raise AssertionError("it came up")
    assert len(found) == 2 and all(worker.process.returncode is not None for worker in found)


SERVES = """
from dliflow.errors import DliflowError
from dliflow.measuring import workers
import sys

stream = workers.answers()
print("what a framework prints")

def start():
    if "dliflow" in sys.argv:
        raise DliflowError("the model is damaged")
    if "framework" in sys.argv:
        raise ImportError("no such library")
    def answer(request):
        if "wrong" in request:
            raise DliflowError("scores are NaN")
        if "zero" in request:
            return {"value": 1 / request["zero"]}
        print("more of it")
        return {"doubled": 2 * request["value"]}
    return {"ready": True}, answer

workers.serve(stream, start)
"""


@pytest.fixture
def importable(monkeypatch):
    """Processes that are started find dliflow."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "workflow"))


def test_an_error_is_an_answer_and_what_a_framework_prints_is_none(importable, capfd):
    with workers.started({"a": command(SERVES)}) as (running, told):
        assert told == {"a": {"ready": True}}
        worker = running["a"]
        assert worker.ask({"value": 4}) == {"doubled": 8}
        with pytest.raises(workers.WorkerEnded, match=r"^a: scores are NaN$"):
            worker.ask({"wrong": 1})
        assert stopped(worker)
        with pytest.raises(workers.WorkerEnded, match=r"^a: ZeroDivisionError: division by zero$") as ended:
            worker.ask({"zero": 0})
        assert ended.value.reason == "ZeroDivisionError: division by zero"
        assert worker.ask({"value": 1}) == {"doubled": 2}
    log = capfd.readouterr().err
    assert "what a framework prints" in log and "more of it" in log
    assert log.count("Traceback") == 1  # where dliflow's own errors come from helps nobody


@pytest.mark.parametrize("printed", ["loaded 3 kernels", "3"])
def test_what_is_no_answer_is_told_as_that_of_the_worker(printed):
    """A library that writes between the answers costs its own worker, as everything else does that breaks it."""
    code = f"print('{{}}', flush=True); input(); print({printed!r}, flush=True); input()"
    with workers.started({"a": command(code)}) as (running, _):
        with pytest.raises(workers.WorkerEnded, match=f"^a: its answer is no object of JSON, but b'{printed}'$"):
            running["a"].ask({})
        assert stopped(running["a"])


@pytest.mark.parametrize(
    ("kind", "reason"), [("dliflow", "the model is damaged"), ("framework", "ImportError: no such library")]
)
def test_an_error_at_the_start_is_told_with_its_own_words(importable, kind, reason):
    with (
        pytest.raises(workers.WorkerEnded, match=f"^a: {reason}$"),
        workers.started({"a": [*command(SERVES), kind]}),
    ):
        pass


def test_descriptors_are_inherited(tmp_path):
    (tmp_path / "a.txt").write_text("inputs")
    code = (
        "import json, os, sys; print(json.dumps({'read': os.read(int(sys.argv[1]), 99).decode()}), flush=True); input()"
    )
    with (
        open(tmp_path / "a.txt") as stream,
        workers.started({"a": [*command(code), str(stream.fileno())]}, [stream.fileno()]) as (_, told),
    ):
        assert told["a"] == {"read": "inputs"}


def test_a_python_is_named_or_told_by_a_file(tmp_path):
    write_json(tmp_path / "interpreter.json", {"python": "/env/bin/python"})
    assert workers.python("/x/bin/python") == "/x/bin/python"
    assert workers.python(str(tmp_path / "interpreter.json")) == "/env/bin/python"
