"""A disk that is full, and a folder that may not be written, told by the jobs that meet them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from project import ROOT
from study_rows import whole

from dliflow.machine import lock
from dliflow.records import notes

SMALL = 'mount -t tmpfs -o size=16k tmpfs small && cd "$0" && exec "$@"'
GEOMETRY = {"height": 64, "width": 64, "resize": "squash", "interpolation": "bilinear"}


@pytest.fixture(scope="module")
def given(tmp_path_factory) -> Path:
    """A folder with images, the list of them, and the tables of a study."""
    folder = tmp_path_factory.mktemp("given")
    (folder / "images").mkdir()
    for index in range(200):
        Image.fromarray(np.full((8, 8, 3), index, np.uint8)).save(folder / f"images/{'long' * 20}-{index}.png")
    whole(folder / "tables", groups=2)
    (folder / "plots").mkdir()
    run(folder, "images", *IMAGES, "--out", "images.csv")
    return folder


IMAGES = ("--folder", "images", "--labels", '{"from": "none"}', "--classes", "3")
STAGES = {
    "images": (*IMAGES, "--out", "small/images.csv"),
    "prepare": ("--images", "images.csv", "--geometry", json.dumps(GEOMETRY), "--out", "small/pixels.json"),
    "plots": ("--tables", "tables", "--out", "small/plots"),
    "report": ("--tables", "tables", "--plots", "plots", "--logs", "logs", "--out", "small/index.html"),
    "export_tables": ("--tables", "tables", "--out", "small/export"),
}


def run(folder: Path, stage: str, *options: str, before: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """A stage under the supervisor, as the workflow runs it."""
    supervisor = ("-m", "dliflow", "supervise", "--timeout", "60", "--log", f"logs/{stage}.log", "--", stage)
    variables = {**os.environ, "PYTHONPATH": str(ROOT / "workflow"), lock.TEST_LOCK_FOLDER: str(folder)}
    command = [*before, sys.executable, *supervisor, *options]
    return subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("stage", list(STAGES))
def test_a_disk_that_fills_up_is_told(given, stage):
    (given / "small").mkdir(exist_ok=True)
    namespace = ("unshare", "--user", "--map-root-user", "--mount")
    allowed = subprocess.run([*namespace, "mount", "-t", "tmpfs", "tmpfs", str(given / "small")], capture_output=True)
    if allowed.returncode:
        pytest.skip("a small disk cannot be mounted here")
    result = run(given, stage, *STAGES[stage], before=(*namespace, "sh", "-c", SMALL, str(given)))
    reason = (notes.failure(given / f"logs/{stage}.failed.json") or {"reason": ""})["reason"]
    assert result.returncode, result.stderr
    assert "disk is full" in reason or "no place for" in reason, (reason, result.stderr)
    assert reason.splitlines()[0] in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("stage", ["images", "report"])
def test_a_folder_that_may_not_be_written_is_told(given, stage):
    """As another user than root, whom no permissions stop."""
    if os.geteuid() == 0:
        (given / "small").mkdir(exist_ok=True)
        (given / "logs").mkdir(exist_ok=True)
        (given / "logs").chmod(0o777)
        before = ("setpriv", "--reuid=65534", "--clear-groups")
        if subprocess.run([*before, sys.executable, "-c", f"open({str(given / 'images.csv')!r})"]).returncode:
            pytest.skip("nobody but root can read this folder")
    else:
        (given / "small").mkdir(mode=0o555, exist_ok=True)
        before = ()
    result = run(given, stage, *STAGES[stage], before=before)
    reason = notes.failure(given / f"logs/{stage}.failed.json")["reason"]
    assert "Permission denied" in reason and "small" in reason
    assert reason in result.stderr
