"""`--sdm apptainer`: every job runs in the image that has the environments. Apptainer is a stand-in here."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path

import pytest
from project import ROOT, python_of

from dliflow.study import containers, environments, paths


@pytest.fixture
def apptainer(tmp_path, project) -> dict[str, str]:
    """Environment variables with which Snakemake finds the stand-in, whose image has the environments of the tests."""
    script = (ROOT / "tests/data/apptainer").read_text().replace("#!/usr/bin/env python3", f"#!{sys.executable}", 1)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/apptainer").write_text(script)
    (tmp_path / "bin/apptainer").chmod(0o755)
    python_of("anchor", project.environments)
    alpha = environments.folder(project.folder / "envs/alpha.yaml", str(project.environments))
    project.run(f"{alpha}/environment.json")
    places = {containers.FOLDER: str(project.environments), containers.PYTHON: sys.executable}
    (tmp_path / "image.json").write_text(json.dumps(places))
    return {
        "DLIFLOW_TEST_IMAGE": str(tmp_path / "image.json"),
        "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
    }


def test_every_job_up_to_a_measurement_runs_in_the_image_and_none_makes_an_environment(project, apptainer):
    project.configure(environments={"folder": "results/envs"})
    output = project.run(project.path(paths.SWEEP), "--sdm", "apptainer", **apptainer)
    assert project.read(paths.SWEEP)["status"] == "ok"
    images = Path(apptainer["DLIFLOW_TEST_IMAGE"]).with_suffix(".txt").read_text().splitlines()
    assert {Path(image).name for image in images} == {Path(paths.IMAGE).name}
    jobs = list((project.folder / "results/logs").rglob("*.time.json"))
    assert len(images) == len(jobs) > 5
    rules = re.findall(r"^(\w+) +\d+$", output, re.MULTILINE)  # of the statistics that the run begins with
    assert "sweep" in rules and "environment" not in rules
    assert not (project.folder / "results/envs").exists()


def test_a_study_with_comparisons_can_be_planned(project, apptainer):
    project.configure(environments={"folder": "results/envs"}, compare={"leaders": 2})
    output = project.run("all", "--sdm", "apptainer", "--dry-run", **apptainer)
    assert re.search(r"^compare +\d+$", output, re.MULTILINE)
