"""A user who is not root, and results of another user: tried by root, since others cannot become one another."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from project import ROOT, Project

from dliflow.study import paths

NOBODY = 65534
# Python and the folders of tests may lie where root alone may go, so this one may read everything; nobody else's files
# may be written.
READING = ("--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search")
AS_NOBODY = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *READING)
LONG = "x" * 150  # of the 255 that a name can have; a path can have 4096


@pytest.fixture(autouse=True)
def root():
    """What these tests take."""
    if os.geteuid() != 0:
        pytest.skip("takes root, who can become another user; all other tests are run by such a user here")
    if shutil.which("setpriv") is None or subprocess.run([*AS_NOBODY, "true"], capture_output=True).returncode:
        pytest.skip("takes setpriv (util-linux 2.31), and a root who may give rights away")


def give(folder: Path) -> None:
    """Let a folder, with all that is in it, belong to nobody; what links lead to stays whose it is."""
    for path in (folder, *folder.rglob("*")):
        os.chown(path, NOBODY, NOBODY, follow_symlinks=False)


@pytest.fixture
def nobodys(template, finished_template, tmp_path, environments) -> Project:
    """A project of that user's, deep in folders; the environments are there, and root's."""
    project = Project(tmp_path.joinpath(LONG, LONG, LONG, "project"), environments)
    shutil.copytree(template, project.folder, symlinks=True)
    give(project.folder)
    project.before = AS_NOBODY
    return project


def homeless(project: Project) -> dict[str, str]:
    """Variables of who has no home but for caches: root's would be refused."""
    return {"HOME": "/nonexistent", "XDG_CACHE_HOME": str(project.folder / "cache")}


def test_a_user_who_may_write_nothing_but_the_checkout_runs_a_study(nobodys, tmp_path):
    """And has no home but for caches, a long path, and on the PATH a Python first that is none."""
    for name in ("python", "python3"):
        (tmp_path / name).write_text("#!/bin/sh\nexit 9\n")
        (tmp_path / name).chmod(0o755)
    record = nobodys.path(paths.SWEEP)
    nobodys.run(record, **homeless(nobodys), PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert nobodys.read(paths.SWEEP)["status"] == "ok"
    assert {path.lstat().st_uid for path in (nobodys.folder / "results").rglob("*")} == {NOBODY}


def test_results_of_another_user_are_told_before_anything_runs(nobodys):
    """Seen: each job failed by itself with a traceback, after a run by sudo."""
    (nobodys.folder / "results").mkdir()
    output = nobodys.fail(nobodys.path(paths.SWEEP), **homeless(nobodys))
    refusal = "results cannot be written to (Permission denied); take it over (sudo chown -R $USER results)"
    assert refusal in output
    assert "Nothing was run. When that is mended:" in output


LOCKED = """
import fcntl, sys
from pathlib import Path
from dliflow.files import lock_file
fcntl.flock(lock_file(Path(sys.argv[1])), fcntl.LOCK_EX | fcntl.LOCK_NB)
"""


def test_a_lock_that_another_user_has_made_can_be_taken(tmp_path):
    """Seen: who shared a folder of environments waited for nobody, and failed with `Permission denied`."""
    (tmp_path / "a.lock").touch()
    command = [*AS_NOBODY, sys.executable, "-c", LOCKED]
    variables = {**os.environ, "PYTHONPATH": str(ROOT / "workflow"), "HOME": "/nonexistent"}
    subprocess.run([*command, str(tmp_path / "a.lock")], env=variables, check=True)
    refused = subprocess.run([*command, str(tmp_path / "b.lock")], env=variables, capture_output=True, text=True)
    assert "PermissionError" in refused.stderr and "b.lock" in refused.stderr
