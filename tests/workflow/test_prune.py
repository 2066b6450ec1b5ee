"""`./dliflow prune` on a finished study: what an older version left goes, what today's needs stays."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from project import Project

from dliflow.machine import lock
from dliflow.records.journal import Journal
from dliflow.study import environments, paths

OLD = "0123456789ab"  # digest of an environment
PARTIAL = "state.json"  # of an evaluation that was stopped


def prune(project: Project, *arguments: str, answer: str = "") -> tuple[list[str], str, int]:
    """What the command lists, all that it tells, and its exit status."""
    command = [sys.executable, "./dliflow", "prune", *arguments]
    result = subprocess.run(
        command,
        cwd=project.folder,
        env={**os.environ, lock.TEST_LOCK_FOLDER: str(project.folder)},
        input=answer,
        capture_output=True,
        text=True,
        timeout=1800,
    )
    assert "Traceback" not in result.stderr, result.stderr
    listed = [line.partition("MiB  ")[2] for line in result.stdout.splitlines() if "MiB  " in line]
    return listed, result.stdout + result.stderr, result.returncode


def contents(project: Project) -> set[Path]:
    """Every file in results."""
    return {path for path in project.records("results/**/*") if path.is_file()}


@pytest.fixture
def upgraded(finished, tmp_path) -> Project:
    """A finished study with what an older version of beta would have left, and with fake environments."""
    today = finished.digest("beta")
    for pattern in (paths.CONVERTED, paths.PARITY, paths.ACCURACY, paths.SWEEP):
        record = Path(finished.path(pattern, "beta"))
        for path in (finished.folder / record.parent).glob("beta-*" if today in record.name else "*"):
            target = Path(str(path).replace(f"-{today}", f"-{OLD}"))
            target.parent.mkdir(exist_ok=True)
            (shutil.copytree if path.is_dir() else shutil.copy)(path, target)
            log = Path(paths.log(str(target.relative_to(finished.folder))))
            for file in (log, paths.timing(str(log)), paths.failure(str(log))):
                (finished.folder / file).parent.mkdir(exist_ok=True)
                (finished.folder / file).touch()
    goes_on = finished.folder / finished.path(paths.ACCURACY, "beta").replace(".json", ".partial")
    goes_on.mkdir()
    (goes_on / PARTIAL).write_text("{}")
    for folder in (finished.folder / "results/envs", tmp_path / "envs"):
        for name in (f"beta-{today}", f"anchor-{finished.digest('anchor')}", f"beta-{OLD}"):
            (folder / name).mkdir(parents=True)
            (folder / name / "environment.json").write_text("{}")
            environments.lock_of(folder / name).touch()
        environments.lock_of(folder / f"alpha-{OLD}").touch()  # whose environment was deleted by hand
    finished.configure(environments={"folder": "results/envs"})
    return finished


def test_what_older_versions_left_is_listed_and_deleted_after_asking(upgraded):
    before = contents(upgraded)
    old = {path for path in before if OLD in str(path)}
    listed, told, status = prune(upgraded, answer="n\n")
    assert status == 1
    assert told.endswith("Delete them? [y/N] Nothing was deleted.\n")
    old_ones = [
        upgraded.path(pattern, "beta", environment=OLD, converter=OLD, group=group)
        for pattern in (paths.CONVERTED, paths.PARITY, paths.ACCURACY, paths.SWEEP)
        for group in (1, 2)
    ]
    model, predictions = old_ones[0].removesuffix(".json"), old_ones[4].replace(".json", ".csv")
    in_envs = {f"results/envs/beta-{OLD}", f"results/envs/alpha-{OLD}.lock"}
    assert set(listed) == {*old_ones, model, predictions, *in_envs}
    assert contents(upgraded) == before
    assert prune(upgraded, answer="")[2] == 1  # nobody answers
    assert "not needed by config/config.yaml" in told
    assert contents(upgraded) == before

    _, told, status = prune(upgraded, "--yes")
    assert status == 0
    assert contents(upgraded) == before - old
    assert not [path for path in upgraded.records("results/**") if OLD in path.name]  # no empty folders either
    assert prune(upgraded) == ([], "Nothing in results/ that no study needs.\n", 0)


def test_what_another_run_is_making_stays_and_is_told(upgraded):
    """Two runs would make the same one else, as soon as there is another lock in place of the one that they share."""
    unfinished = upgraded.folder / upgraded.path(paths.ACCURACY, "beta", environment=OLD).replace(".json", ".partial")
    environment = upgraded.folder / f"results/envs/beta-{OLD}"
    guard = lock.take(environments.lock_of(environment), "this is")
    with Journal(unfinished, "key", "<i4"):
        listed, told, status = prune(upgraded, "--yes")
        assert status == 1
        assert {path for path in listed if path.endswith(".partial")} == {str(unfinished.relative_to(upgraded.folder))}
        assert told.count("stays: ") == told.count(f"process {os.getpid()} of") == 2
        assert (environment / "environment.json").exists() and (unfinished / "records.bin").exists()
    os.close(guard)
    assert prune(upgraded, "--yes")[2] == 0
    assert not [path for path in upgraded.records("results/**") if OLD in path.name]


def test_environments_elsewhere_may_serve_others_and_stay(upgraded, tmp_path):
    upgraded.configure(environments={"folder": str(tmp_path / "envs")})
    listed, _, status = prune(upgraded, "--yes")
    assert status == 0
    assert listed
    assert not [path for path in listed if "envs" in path]
    assert (tmp_path / f"envs/beta-{OLD}/environment.json").exists()


def test_environments_that_a_link_leads_to_stay(upgraded, tmp_path):
    shutil.rmtree(upgraded.folder / "results/envs")
    (upgraded.folder / "results/envs").symlink_to(tmp_path / "envs")
    listed, _, _ = prune(upgraded, "--yes")
    assert listed and not [path for path in listed if "envs" in path]
    assert (tmp_path / f"envs/beta-{OLD}/environment.json").exists()


def test_what_another_study_needs_stays(upgraded):
    (upgraded.folder / "config/alone.yaml").write_text("frameworks: [alpha]\n")
    listed, _, _ = prune(upgraded, "--configfile", "config/alone.yaml", answer="\n")
    assert upgraded.path(paths.SWEEP, "beta") in listed
    both = ("--configfile", "config/alone.yaml", "--configfile", "config/config.yaml")
    listed, _, _ = prune(upgraded, *both, answer="\n")
    assert listed
    assert all(OLD in path for path in listed)
