"""A disk that is full, and a folder that may not be written, told by the jobs that meet them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from project import ROOT, converted, prepared
from study_rows import whole

from dliflow.files import sha256, write_json
from dliflow.machine import lock
from dliflow.measuring import anchor
from dliflow.records import notes

SMALL = 'mount -t tmpfs -o size=16k tmpfs small && cd "$0" && exec "$@"'
GEOMETRY = {"height": 64, "width": 64, "resize": "squash", "interpolation": "bilinear"}


@pytest.fixture(scope="module")
def given(tmp_path_factory) -> Path:
    """A folder with images, the list of them, the tables of a study, and what a measurement and an environment need."""
    folder = tmp_path_factory.mktemp("given")
    (folder / "images").mkdir()
    for index in range(200):
        Image.fromarray(np.full((8, 8, 3), index, np.uint8)).save(folder / f"images/{'long' * 20}-{index}.png")
    whole(folder / "tables", groups=2)
    (folder / "plots").mkdir()
    (folder / "study.json").write_text(
        json.dumps({"study": STUDY, "models": {}, "environments": {"anchor": [None, ""]}, "about": {}})
    )
    with tarfile.open(folder / "packed.tar", "w") as packed:
        packed.add(folder / "tables", "tables")
    run(folder, "images", *IMAGES, "--out", "images.csv")
    converted(folder / "model.json", {"classes.json": "10"})
    prepared(folder / "array.json", np.zeros((9, 8, 8, 3), np.uint8), list_sha256="1")
    (folder / "anchor").mkdir()
    (folder / "anchor" / anchor.NETWORK).write_bytes(b"a network")
    write_json(folder / "anchor.json", {"sha256": sha256(folder / "anchor" / anchor.NETWORK)})
    (folder / "onnxruntime.py").write_text(STAND_IN)
    version = ".".join(map(str, sys.version_info[:2]))
    (folder / "bare.yaml").write_text(f"dependencies:\n  - python={version}\n  - pip:\n      - six==1.17.0\n")
    return folder


IMAGES = ("--folder", "images", "--labels", '{"from": "none"}', "--classes", "3")
STUDY = {
    **{"models": [], "dataset": "few", "frameworks": [], "apis": ["python"], "precisions": [], "devices": ["cpu"]},
    **{"nodes": ["local"], "latency": {"batch_sizes": [1], "groups": 1}, "compare": {"leaders": 0}, "profile": []},
    **{"throughput": None, "tune": False, "agreement": {"dataset": None}, "calibration": {"dataset": None}},
}
# The anchor in an environment without ONNX Runtime.
STAND_IN = """
__version__ = "0.0"

class SessionOptions:
    intra_op_num_threads = 0

class InferenceSession:
    def __init__(self, path, settings, providers):
        pass

    def run(self, outputs, inputs):
        return [0]
"""
ENTRY = {
    **{"height": 8, "width": 8, "layout": "NCHW", "channel_order": "RGB", "mean": [0] * 3, "scale": [1] * 3},
    **{"resize": "squash", "interpolation": "nearest"},
}
LAUNCH = {"cpus": None, "numa_node": None, "priority": None, "environment": {}}
CONFIGURATION = {
    **{"model": "none", "framework": "null", "variant": "default", "precision": "fp32", "device": "cpu"},
    **{
        "scores": 10,
        "node": "local",
        "scenario": "latency",
        "origin": 0,
        "group": 1,
        "seed": 0,
        "python": sys.executable,
    },
    **{"anchor-python": sys.executable, "anchor": "anchor.json", "converted": "model.json", "array": "array.json"},
    **{"batch-sizes": "[1]", "sessions": 1, "rounds": 3, "burst-requests": 500, "warmup-requests": 1},
    **{"warmup-limit": 60, "hang": 100, "input": json.dumps(ENTRY), "launch": json.dumps(LAUNCH)},
}
PACKED = ("--source", json.dumps({"from": [{"path": "packed.tar"}]}))
STAGES = {
    "fetch": (*PACKED, "--contents", "--out", "small/fetched.json"),
    "tables": ("--study", "study.json", "--out", "small/tables"),
    "plots": ("--tables", "tables", "--out", "small/plots"),
    "images": (*IMAGES, "--out", "small/images.csv"),
    "prepare": ("--images", "images.csv", "--geometry", json.dumps(GEOMETRY), "--out", "small/pixels.json"),
    "environment": ("--file", "bare.yaml", "--out", "small/bare/environment.json"),
    "sweep": (*(f"--{key}={value}" for key, value in CONFIGURATION.items()), "--out", "small/record.json"),
    "report": ("--tables", "tables", "--plots", "plots", "--logs", "logs", "--out", "small/index.html"),
    "export_tables": ("--tables", "tables", "--out", "small/export"),
}


def run(
    folder: Path, stage: str, *options: str, before: tuple[str, ...] = (), logs: str = "logs"
) -> subprocess.CompletedProcess[str]:
    """A stage under the supervisor, as the workflow runs it."""
    supervisor = ("-m", "dliflow", "supervise", "--timeout", "600", "--log", f"{logs}/{stage}.log", "--", stage)
    variables = {**os.environ, "PYTHONPATH": f"{ROOT / 'workflow'}:{folder}", lock.TEST_LOCK_FOLDER: str(folder)}
    command = [*before, sys.executable, *supervisor, *options]
    return subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, timeout=1200)


@pytest.mark.parametrize("stage", list(STAGES))
def test_a_disk_that_fills_up_is_told(given, stage):
    (given / "small").mkdir(exist_ok=True)
    namespace = ("unshare", "--user", "--map-root-user", "--mount")
    if shutil.which("unshare") is None:
        pytest.skip("takes unshare (util-linux)")
    allowed = subprocess.run([*namespace, "mount", "-t", "tmpfs", "tmpfs", str(given / "small")], capture_output=True)
    if allowed.returncode:
        pytest.skip("a small disk cannot be mounted here")
    result = run(given, stage, *STAGES[stage], before=(*namespace, "sh", "-c", SMALL, str(given)))
    reason = (notes.failure(given / f"logs/{stage}.failed.json") or {"reason": ""})["reason"]
    assert result.returncode, result.stderr
    assert "disk is full" in reason or "no place for" in reason, (reason, result.stderr)
    assert reason.splitlines()[0] in result.stderr
    assert "Traceback" not in result.stderr


# Of a root without the right to write everywhere, if it is not any other user.
LIMITED = ("setpriv", "--bounding-set=-dac_override,-dac_read_search") if os.geteuid() == 0 else ()
WITH_LIMITS = pytest.mark.skipif(
    bool(LIMITED) and (shutil.which("setpriv") is None or subprocess.run([*LIMITED, "true"]).returncode != 0),
    reason="takes setpriv (util-linux 2.31), and a root who may give rights away",
)


@WITH_LIMITS
@pytest.mark.parametrize("stage", ["images"])
def test_a_folder_that_may_not_be_written_is_told(given, stage):
    (given / "closed").mkdir(mode=0o555, exist_ok=True)
    options = [option.replace("small/", "closed/") for option in STAGES[stage]]
    result = run(given, stage, *options, before=LIMITED)
    reason = notes.failure(given / f"logs/{stage}.failed.json")["reason"]
    assert "Permission denied" in reason and "closed" in reason
    assert reason in result.stderr


@WITH_LIMITS
def test_a_log_that_may_not_be_written_is_told(given):
    """Seen: the traceback of the supervisor, and no reason at the end of the run."""
    (given / "closed").mkdir(mode=0o555, exist_ok=True)
    result = run(given, "images", *STAGES["images"], before=LIMITED, logs="closed")
    assert result.returncode == 1
    assert "dliflow images: [Errno 13] Permission denied: 'closed/images.log'" in result.stderr
    assert "Traceback" not in result.stderr
