"""Locks on folders and files: who is kept apart, and who is not."""

from __future__ import annotations

import os
import threading

import pytest

from dliflow.errors import DliflowError
from dliflow.machine import lock


def test_tests_that_run_side_by_side_do_not_wait_for_each_other(monkeypatch, tmp_path, capsys):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv(lock.TEST_LOCK_FOLDER, str(tmp_path / "one"))
    with lock.hold(exclusive=True):
        monkeypatch.setenv(lock.TEST_LOCK_FOLDER, str(tmp_path / "two"))
        with lock.hold(exclusive=True):
            assert "waiting" not in capsys.readouterr().err


def test_whoever_waits_for_a_lock_that_is_removed_takes_the_next_one(tmp_path, capsys):
    """The one that it waited for keeps nobody out any more: nobody can find it."""
    path = tmp_path / "x.lock"
    first, later = lock.take(path, "x is"), []
    waiting = threading.Thread(target=lambda: later.append(lock.take(path, "x is")))
    waiting.start()
    waiting.join(0.2)
    assert waiting.is_alive()
    path.unlink()
    os.close(first)
    waiting.join(5)
    with pytest.raises(DliflowError, match=rf"^x is held by process {os.getpid()} of .*; let it end, or stop it$"):
        lock.take(path, "x is", wait=False)
    os.close(later[0])
    os.close(lock.take(path, "x is", wait=False))
    assert "waiting: x is held by process" in capsys.readouterr().err
