"""What several kinds of tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml
from project import Project, copy_of_the_repository

# A study of everything the default one has, with as little measuring as can be.
SHORT = {"batch_sizes": [1], "repetitions": 1, "mode": "fixed", "requests": 3, "warmup_requests": 1}


@pytest.fixture(scope="session")
def environments(tmp_path_factory) -> Path:
    """Virtual environments are shared by all projects of a test session.

    DLIFLOW_TEST_ENVIRONMENTS names a folder in which they outlive it.
    """
    kept = os.environ.get("DLIFLOW_TEST_ENVIRONMENTS")
    return Path(kept).resolve() if kept else tmp_path_factory.mktemp("environments")


@pytest.fixture(scope="session")
def study(tmp_path_factory, environments) -> Project:
    """The default study's model, images and frameworks, all real, run once for all tests that look at it."""
    project = copy_of_the_repository(tmp_path_factory.mktemp("study"), environments)
    changes = {"environments": {"folder": str(environments)}, "latency": SHORT}
    (project.folder / "config/short.yaml").write_text(yaml.safe_dump(changes))
    project.run("all", "--cores", "2", "--configfile", "config/short.yaml")
    return project
