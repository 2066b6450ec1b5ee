"""What the tests in frameworks' environments share."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from project import ROOT

from dliflow import environments as environment_files


@pytest.fixture(scope="session")
def python(environments):
    """Run a script in a framework's environment, with the workflow and the random networks at hand."""

    def run(framework, *arguments):
        folder = environment_files.folder(ROOT / f"envs/{framework}.yaml", str(environments))
        if not Path(folder, "environment.json").exists():
            command = ["-m", "dliflow", "environment", "--file", f"envs/{framework}.yaml", "--out"]
            pytest.skip(f"{folder} is not there; make it first: python {' '.join(command)} {folder}/environment.json")
        result = subprocess.run(
            [f"{folder}/bin/python", *map(str, arguments)],
            env={"PYTHONPATH": f"{ROOT / 'workflow'}:{ROOT / 'tests/data'}", "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert result.returncode == 0, result.stderr
        return result.stdout

    return run
