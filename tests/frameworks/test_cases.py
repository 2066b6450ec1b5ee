"""Cases that share a process keep outcomes of their own."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import cases
import pytest

SCRIPT = """\
import os, signal, sys, time
from cases import each

def tried(what):
    if what == "raise":
        raise ValueError("no such thing")
    if what == "exit":
        sys.exit("leaves")
    if what == "crash":
        print("about to crash", flush=True)
        os.kill(os.getpid(), signal.SIGSEGV)
    if what == "hang":
        time.sleep(60)
    return {"what": what, "process": os.getpid()}

each(tried)
"""


@pytest.fixture
def outcomes(tmp_path):
    """Run a script's cases."""
    script, folder = tmp_path / "script.py", tmp_path / "told"
    folder.mkdir()
    variables = {**os.environ, "PYTHONPATH": str(Path(cases.__file__).parent)}

    def run(text, *names):
        script.write_text(text)
        return cases.outcomes(sys.executable, script, {name: {"what": name} for name in names}, folder, env=variables)

    return run


def test_what_raises_leaves_the_process_to_the_others(outcomes):
    told = outcomes(SCRIPT, "one", "raise", "exit", "two")
    assert "ValueError: no such thing" in told["raise"]["broken"]
    assert "SystemExit: leaves" in told["exit"]["broken"]
    assert cases.answer(told["one"])["process"] == cases.answer(told["two"])["process"]
    with pytest.raises(AssertionError, match="no such thing"):
        cases.answer(told["raise"])


def test_a_crash_is_that_of_its_case_and_a_fresh_process_does_the_rest(outcomes):
    told = outcomes(SCRIPT, "one", "crash", "two")
    assert list(told) == ["one", "crash", "two"]
    assert told["crash"]["broken"].startswith("crash: the process ended with status -11\n")
    assert "about to crash" in told["crash"]["broken"]
    assert cases.answer(told["one"])["process"] != cases.answer(told["two"])["process"]


def test_a_hang_is_that_of_its_case(outcomes, monkeypatch):
    monkeypatch.setattr(cases, "TIMEOUT_S", 5)
    told = outcomes(SCRIPT, "one", "hang", "two")
    assert told["hang"]["broken"].startswith("hang: the process ran past 5 s and was killed\n")
    assert [cases.answer(told[name])["what"] for name in ("one", "two")] == ["one", "two"]


def test_a_crash_at_the_end_is_told(outcomes):
    told = outcomes(SCRIPT + "os.abort()\n", "one", "two")
    assert cases.answer(told["one"])
    assert told["two"]["broken"].startswith("two: the process ended with status -6\n")
