"""`--sdm conda`: the same environment files, made by Snakemake. Conda itself is a stand-in here (tests/data/conda)."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from project import ROOT

from dliflow import files
from dliflow.study import paths


@pytest.fixture
def conda(tmp_path) -> dict[str, str]:
    """Environment variables with which Snakemake finds the stand-in."""
    root = tmp_path / "conda"
    (root / "bin").mkdir(parents=True)
    script = (ROOT / "tests/data/conda").read_text().replace("#!/usr/bin/env python3", f"#!{sys.executable}", 1)
    (root / "bin/conda").write_text(script)
    (root / "bin/conda").chmod(0o755)
    (root / "bin/activate").write_text('export CONDA_PREFIX="$1"\nexport PATH="$1/bin:$PATH"\n')
    return {"DLIFLOW_TEST_CONDA": str(root), "PATH": f"{root}/bin:{os.environ['PATH']}"}


def test_the_study_runs_with_environments_that_conda_makes(project, conda):
    same = (project.folder / "envs/beta.yaml").read_text()
    (project.folder / "envs/beta@2.4.6.yaml").write_text(same)  # which is the same environment, for conda, too
    project.configure(compare={"leaders": 2}, frameworks=["alpha", "beta", "beta@2.4.6"])
    project.run("all", "--sdm", "conda", **conda)
    created = (Path(conda["DLIFLOW_TEST_CONDA"]) / "created.txt").read_text().splitlines()
    assert len(created) == 4  # alpha, beta, the anchor and the orchestrator's stages
    assert {row["status"] for row in project.table("performance")} == {"ok"}
    assert {line.split()[2] for line in created} == {"1"}  # packages that no file lists are not brought along
    prefixes = [line.split()[1] for line in created]
    for framework in ("alpha", "beta", "beta@2.4.6", "anchor"):
        python = files.read_json(project.folder / paths.INTERPRETER.format(framework=framework))["python"]
        assert any(python.startswith(prefix) for prefix in prefixes)
    assert all(files.read_json(path)["figures"]["groups"] for path in project.records())
    assert {row["status"] for row in project.table("comparison")} == {"ok"}
    assert "Nothing to be done" in project.run("all", "--sdm", "conda", **conda)
