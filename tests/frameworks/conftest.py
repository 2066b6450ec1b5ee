"""What the tests in frameworks' environments share."""

from __future__ import annotations

import functools
import os
import subprocess

import cases
import pytest
from project import ROOT, python_of

from dliflow import conversion
from dliflow.study import arguments, config, paths

NETWORK = "efficientnet_lite0"  # that of the default study
PATHS = f"{ROOT / 'workflow'}:{ROOT / 'tests/data'}"


@pytest.fixture(scope="session")
def python(environments):
    """Run a script in a framework's environment, with the workflow and the random networks at hand."""

    def run(framework, *arguments):
        result = subprocess.run(
            [python_of(framework, environments), *map(str, arguments)],
            env={"PYTHONPATH": PATHS, "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            timeout=1500,
        )
        assert result.returncode == 0, result.stderr
        return result.stdout

    return run


@pytest.fixture(scope="session")
def outcomes(environments, tmp_path_factory):
    """Try many cases of a script in one process of a framework's environment: `{case: outcome}`."""

    def run(framework, script, asked):
        folder, variables = tmp_path_factory.mktemp("cases"), {**os.environ, "PYTHONPATH": PATHS}
        return cases.outcomes(python_of(framework, environments), script, asked, folder, env=variables)

    return run


@pytest.fixture(scope="session")
def converted(study, environments, tmp_path_factory):
    """The manifest of the study's model in a framework and precision.

    A framework that is not of the default study has its model converted here, of the study's own files. Nothing may
    come and go meanwhile in the folder where that is started: conversions run side by side, in the same one.
    """
    folder, started = tmp_path_factory.mktemp("converted"), tmp_path_factory.mktemp("started")
    entry = config.model(ROOT / "config/models", NETWORK, "test", "test")["input"]

    @functools.cache
    def of(framework, precision="fp32"):
        converter = conversion.converter(framework, precision)
        known = {"model": NETWORK, "precision": precision, "converter": study.digest(converter)}
        of_study = study.folder / study.path(paths.CONVERTED, framework, **known)
        if of_study.exists():
            return of_study
        options = {"framework": framework, "precision": precision, "out": folder / f"{framework}-{precision}.json"}
        if precision == "int8":
            (calibration,) = (study.folder / "results/calibration").glob("*px-*.json")
            options |= {"calibration": calibration, "calibration_set": {}, "input": entry}
        source = study.folder / paths.INTERCHANGE.format(model=NETWORK)
        command = ["-m", "dliflow", "convert", *arguments.words(source=source, **options)]
        changed = started.stat().st_mtime_ns
        subprocess.run(
            [python_of(converter, environments), *command],
            cwd=started,
            env={**os.environ, "PYTHONPATH": str(ROOT / "workflow")},
            check=True,
            timeout=1500,
        )
        assert started.stat().st_mtime_ns == changed, f"{framework}'s conversion wrote where it was started"
        return options["out"]

    return of
