"""The tiny project of tests/workflow, for a scheduler."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny
from project import Project


@pytest.fixture
def project(tmp_path: Path, environments: Path) -> Project:
    """A project of one's own in which nothing ran yet."""
    (tmp_path / "project").mkdir()
    tiny.make(tmp_path / "project", environments)
    return Project(tmp_path / "project", environments)
