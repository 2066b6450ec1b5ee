"""Records that survive a kill."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from project import ROOT

from dliflow.errors import DliflowError
from dliflow.records.journal import Journal


def test_what_was_synced_is_there_again_and_the_rest_is_not(tmp_path):
    folder = tmp_path / "partial"
    with Journal(folder, "key", "<i4") as journal:
        journal.add(np.arange(5))
        journal.sync()
        journal.add(np.arange(100))
        journal.records()  # on the disk, but not in the state
        state = (folder / "state.json").read_bytes()
    (folder / "state.json").write_bytes(state)  # as a kill would have left it
    with open(folder / "records.bin", "ab") as stream:
        stream.write(b"\1\2\3")
    with Journal(folder, "key", "<i4") as journal:
        assert journal.count == 5
        journal.add(np.array([7]))
        assert journal.records().tolist() == [0, 1, 2, 3, 4, 7]
        journal.remove()
        assert not folder.exists()
    assert not folder.exists()


def test_an_error_keeps_what_was_added(tmp_path):
    try:
        with Journal(tmp_path / "partial", "key", "<i4") as journal:
            journal.add(np.arange(3))
            raise RuntimeError
    except RuntimeError:
        pass
    with Journal(tmp_path / "partial", "key", "<i4") as journal:
        assert journal.count == 3


def test_another_key_begins_anew(tmp_path):
    with Journal(tmp_path / "partial", "key", "<i4") as journal:
        journal.add(np.arange(3))
    (tmp_path / "partial/other").write_text("")
    with Journal(tmp_path / "partial", "other", "<i4") as journal:
        assert journal.count == 0
        assert not (tmp_path / "partial/other").exists()


def left(folder, count=5):
    with Journal(folder, "key", "<i4") as journal:
        journal.add(np.arange(1, count + 1))
    return folder / "records.bin", folder / "state.json"


@pytest.mark.parametrize("damage", ["shorter", "empty", "zeros", "gone", "flipped"])
def test_records_that_are_not_those_of_the_state_are_dropped_and_it_is_said(tmp_path, capsys, damage):
    records, _ = left(tmp_path / "partial")
    content = bytearray(records.read_bytes())
    if damage == "gone":
        records.unlink()
    elif damage in ("shorter", "empty"):
        records.write_bytes(content[: 9 if damage == "shorter" else 0])
    elif damage == "zeros":
        records.write_bytes(bytes(len(content)))
    else:
        content[5] ^= 1
        records.write_bytes(content)
    with Journal(tmp_path / "partial", "key", "<i4") as journal:
        assert journal.count == 0
        journal.add(np.array([7]))
        assert journal.records().tolist() == [7]  # no zeros before it
    assert "partial" in (printed := capsys.readouterr().out) and "begins anew" in printed and "records.bin" in printed


@pytest.mark.parametrize(
    "content", ["", "\0" * 60, "{", "[]", "null", '{"key": "key"}', '{"key": "key", "records": "x"}']
)
def test_a_state_that_is_damaged_is_begun_anew(tmp_path, capsys, content):
    _, state = left(tmp_path / "partial")
    state.write_text(content)
    with Journal(tmp_path / "partial", "key", "<i4") as journal:
        assert journal.count == 0
    assert "state.json is damaged: begins anew" in capsys.readouterr().out
    assert json.loads(state.read_text())["records"] == 0


@pytest.mark.parametrize("name", ["state.json", "records.bin"])
def test_what_is_no_file_does_not_block(tmp_path, name):
    left(tmp_path / "partial")
    (tmp_path / "partial" / name).unlink()
    os.mkfifo(tmp_path / "partial" / name)
    with Journal(tmp_path / "partial", "key", "<i4") as journal:
        assert journal.count == 0


def test_a_file_system_without_locks_is_worked_on_and_that_is_told(tmp_path, monkeypatch, capsys):
    def refused(*_):
        raise OSError(errno.ENOSYS, "Function not implemented")

    left(tmp_path / "partial")
    monkeypatch.setattr(fcntl, "flock", refused)
    with Journal(tmp_path / "partial", "key", "<i4") as journal:
        assert journal.count == 5
    assert "partial cannot be locked (Function not implemented): let no other run" in capsys.readouterr().out


HOLD = """
import sys; from pathlib import Path
from dliflow.records.journal import Journal
with Journal(Path(sys.argv[1]), "key", "<i4"):
    print("open", flush=True)
    sys.stdin.read()
"""


def test_two_processes_never_share_a_journal(tmp_path):
    records, _ = left(tmp_path / "partial")
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "partial")],
        env={**os.environ, "PYTHONPATH": str(ROOT / "workflow")},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert other.stdout.readline() == "open\n"
        for key in ("key", "another"):
            with pytest.raises(DliflowError, match=rf"partial: process {other.pid} of .* is at work here"):
                Journal(tmp_path / "partial", key, "<i4")
        assert records.stat().st_size == 20
    finally:
        other.kill()  # which gives the lock back
        other.communicate()
    with Journal(tmp_path / "partial", "key", "<i4") as journal:
        assert journal.count == 5
