"""What the tests in frameworks' environments share."""

from __future__ import annotations

import subprocess

import pytest
from project import ROOT, python_of


@pytest.fixture(scope="session")
def python(environments):
    """Run a script in a framework's environment, with the workflow and the random networks at hand."""

    def run(framework, *arguments):
        result = subprocess.run(
            [python_of(framework, environments), *map(str, arguments)],
            env={"PYTHONPATH": f"{ROOT / 'workflow'}:{ROOT / 'tests/data'}", "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert result.returncode == 0, result.stderr
        return result.stdout

    return run
