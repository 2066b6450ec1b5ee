"""A small project of its own for each test: a copy of the repository, two numpy frameworks, a model, a dataset."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from once import made_once
from PIL import Image
from project import ROOT, Project, another_framework, copy_of_the_repository

OVERLAY = ROOT / "tests" / "data" / "project"
COLOURS = [(255, 0, 0), (0, 255, 0), (0, 0, 255)]


@pytest.fixture(scope="session")
def template(tmp_path_factory, environments) -> Path:
    """The project before anything ran."""

    def make(folder):
        project = copy_of_the_repository(folder, environments)
        shutil.copytree(OVERLAY, folder, dirs_exist_ok=True)
        another_framework(folder, "beta")
        rng = np.random.default_rng(0)
        (folder / "data/images").mkdir(parents=True)
        (folder / "data/model").mkdir()
        for index in range(9):
            pixels = np.clip(np.array(COLOURS[index % 3]) + rng.integers(-60, 60, (10, 12, 3)), 0, 255)
            Image.fromarray(pixels.astype(np.uint8)).save(folder / f"data/images/{index}_{index % 3}.png")
        np.savez(folder / "data/model/tiny.npz", weights=np.eye(3, dtype=np.float32) * 5)
        (folder / "data/model/classes.txt").write_text("red\ngreen\nblue\n")
        project.configure(environments={"folder": str(environments)})

    return made_once(tmp_path_factory, "template", make)


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
