"""What the tests in frameworks' environments share."""

from __future__ import annotations

import os
import subprocess

import cases
import pytest
from project import ROOT, python_of

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
            timeout=300,
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
