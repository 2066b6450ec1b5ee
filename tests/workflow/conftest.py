"""A small project of its own for each test: a copy of the repository, two numpy frameworks, a model, a dataset."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import tiny
from once import made_once
from project import Project


@pytest.fixture(scope="session")
def template(tmp_path_factory, environments) -> Path:
    """The project before anything ran."""

    return made_once(tmp_path_factory, "template", lambda folder: tiny.make(folder, environments))


@pytest.fixture(scope="session")
def finished_template(template, tmp_path_factory, environments) -> Path:
    """The project after a good run."""

    def make(folder):
        shutil.copytree(template, folder, symlinks=True, dirs_exist_ok=True)
        Project(folder, environments).run("all")

    return made_once(tmp_path_factory, "finished", make)


@pytest.fixture(scope="session")
def compared_template(finished_template, tmp_path_factory, environments) -> Path:
    """The finished project, in two precisions and with comparisons of all, as without intervals nobody is slower."""

    def make(folder):
        shutil.copytree(finished_template, folder, symlinks=True, dirs_exist_ok=True)
        project = Project(folder, environments)
        for name in ("alpha", "beta"):  # a request takes the same for one image and for two, on a busy machine too
            project.edit(
                f"workflow/dliflow/frameworks/{name}.py", '"nap": Option(float, 0.0', '"nap": Option(float, 0.005'
            )
        project.configure(compare={"leaders": 9}, precisions=["fp32", "fp16"], latency={"groups": 1, "sessions": 1})
        project.run("all")

    return made_once(tmp_path_factory, "compared", make)


@pytest.fixture
def project(template, tmp_path, environments) -> Project:
    """A project of one's own in which nothing ran yet."""
    shutil.copytree(template, tmp_path / "project", symlinks=True)
    return Project(tmp_path / "project", environments)


@pytest.fixture
def finished(finished_template, tmp_path, environments) -> Project:
    """A project of one's own in which the study has run."""
    shutil.copytree(finished_template, tmp_path / "project", symlinks=True)
    return Project(tmp_path / "project", environments)


@pytest.fixture
def compared(compared_template, tmp_path, environments) -> Project:
    """A project of one's own in which the study has run with comparisons."""
    shutil.copytree(compared_template, tmp_path / "project", symlinks=True)
    return Project(tmp_path / "project", environments)
