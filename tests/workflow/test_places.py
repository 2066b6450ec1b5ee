"""Where a checkout can lie."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from eventually import eventually
from project import Project

from dliflow.machine import lock
from dliflow.study import environments as files_of_environments

MARK = '{"python": "of another run", "packages": {}}'


def test_braces_in_the_path_are_refused_at_once(template, tmp_path, environments):
    """Seen: a NameError out of Snakemake, after the first jobs."""
    shutil.copytree(template, tmp_path / "a {b}", symlinks=True)
    output = Project(tmp_path / "a {b}", environments).fail("--dry-run", "all")
    assert "a {b}: Snakemake takes what stands in braces for names of its own; move the checkout" in output


def test_an_environment_that_another_run_makes_meanwhile_is_taken_as_it_is(project, tmp_path):
    """Seen: its mark was deleted, and it was made anew while the other run measured with it."""
    project.configure(environments={"folder": str(tmp_path / "shared")})
    (tmp_path / "shared").mkdir()
    files = [project.folder / f"envs/{name}.yaml" for name in ("alpha", "beta")]
    folders = [Path(files_of_environments.folder(file, str(tmp_path / "shared"))) for file in files]
    guards = [lock.take(files_of_environments.lock_of(folder), "it is") for folder in folders]
    running = project.begin(*(f"{folder}/environment.json" for folder in folders))
    try:  # the one waits, and the other has not begun
        assert eventually(
            lambda: any("waiting:" in log.read_text() for log in project.folder.rglob("environment.json.log"))
        )
        for folder in folders:
            (folder / "bin").mkdir(parents=True)
            (folder / "bin/python").symlink_to(sys.executable)
            (folder / "environment.json").write_text(MARK)
    finally:
        for guard in guards:
            os.close(guard)
        running.wait(600)
    assert running.returncode == 0
    assert [(folder / "environment.json").read_text() for folder in folders] == [MARK, MARK]
