"""A small project: a copy of the repository, two numpy frameworks, a model, a dataset."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
from PIL import Image
from project import ROOT, another_framework, copy_of_the_repository

OVERLAY = ROOT / "tests" / "data" / "project"
COLOURS = [(255, 0, 0), (0, 255, 0), (0, 0, 255)]


def make(folder: Path, environments: Path) -> None:
    """The project before anything ran, in an empty folder."""
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
