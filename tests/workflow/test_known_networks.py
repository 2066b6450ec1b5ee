"""Known networks by the names that users type: the libraries' own files with random weights, served over HTTP.

Each library in its own way: the Hub tells timm's checksum; those of torchvision's and Keras' files are given, since
they are of other weights than the libraries know.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from project import ROOT, Project, copy_of_the_repository, python_of

from dliflow import libraries

pytestmark = pytest.mark.dear

SCRIPT = ROOT / "tests/frameworks/known.py"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
# By what a user types the name of the published file.
FILES = {
    "torchvision/shufflenet_v2_x0_5": "shufflenetv2_x0.5-f707e7126e.pth",
    "timm/mobilenetv4_conv_small.e2400_r224_in1k": "model.safetensors",
    "keras/MobileNetV2": "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224.h5",
}
ORIGINS = ("https://download.pytorch.org/", "https://storage.googleapis.com/")


class Server(BaseHTTPRequestHandler):
    """The files of a folder by their plain names, and in HEAD what the Hub tells of them."""

    def __init__(self, folder, *arguments):
        self.folder = folder
        super().__init__(*arguments)

    def _head(self):
        path = self.folder / self.path.rpartition("/")[2].partition("?")[0]
        content = path.read_bytes() if path.is_file() else b""
        self.send_response(200 if content else 404)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("X-Linked-Etag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("X-Linked-Size", str(len(content)))
        self.end_headers()
        return content

    def do_HEAD(self):
        self._head()

    def do_GET(self):
        self.wfile.write(self._head())

    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def published(tmp_path_factory, environments):
    """A folder with the libraries' files."""
    folder = tmp_path_factory.mktemp("published")
    for name, file in FILES.items():
        library, _, network = name.partition("/")
        case = {"what": "weights", "library": library, "network": network, "out": str(folder / file)}
        asked, outcome = folder / "asked.json", folder / "outcome.jsonl"
        asked.write_text(json.dumps({name: case}))
        command = [python_of(libraries.load(library).ENVIRONMENT, environments), SCRIPT, asked, outcome]
        subprocess.run(command, env={"PYTHONPATH": str(ROOT / "workflow"), "PATH": "/usr/bin:/bin"}, check=True)
        assert (folder / file).exists(), outcome.read_text()
    return folder


@pytest.fixture(scope="module")
def variables(published):
    """What a user sets whose mirrors are on this machine."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Server, published)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/"
        mirrors = " ".join(f"{origin}={address}" for origin in ORIGINS)
        yield {"DLIFLOW_MIRRORS": mirrors, "HF_ENDPOINT": address.rstrip("/")}
        server.shutdown()


@pytest.fixture
def project(tmp_path, environments) -> Project:
    """The repository with a few images, and a study of known networks."""
    project = copy_of_the_repository(tmp_path / "project", environments)
    images = project.folder / "data/images"
    images.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for label in range(8):
        Image.fromarray(rng.integers(0, 256, (9, 12, 3), np.uint8)).resize((300, 250)).save(images / f"{label}.png")
    entry = {
        "source": "data/images",
        "images": ["*.png"],
        "labels": {"from": "file_name", "pattern": r"(?P<label>\d)\.png"},
    }
    (project.folder / "config/datasets/few.yaml").write_text(yaml.safe_dump(entry))
    project.configure(
        models=list(FILES),
        dataset="few",
        frameworks=["pytorch", "onnxruntime", "openvino"],
        precisions=["fp32"],
        environments={"folder": str(environments)},
        latency={"batch_sizes": [1], "groups": 1, "mode": "fixed", "requests": 3, "warmup_requests": 1},
        compare={"leaders": 0},
    )
    return project


def known(project, *arguments, status=0):
    """Run `./dliflow known`; its output is both streams."""
    command = [sys.executable, str(project.folder / "dliflow"), "known", *arguments]
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=1800)
    assert result.returncode == status, result.stdout
    return result.stdout


def checksum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_study_of_known_networks(project, published, variables):
    told = project.fail("all", **variables)
    assert "keras/MobileNetV2: Keras 3.15.1 does not tell the weights' checksum. Weights are used only when" in told
    for name in ("torchvision/shufflenet_v2_x0_5", "keras/MobileNetV2"):
        known(project, name, "--sha256", checksum(published / FILES[name]), "--write")
    planned = project.run("--dry-run", "all", **variables)
    assert "timm/mobilenetv4_conv_small.e2400_r224_in1k: timm 1.0.31 told its entry, results/known/" in planned
    (entry,) = project.folder.glob("results/known/timm-*.yaml")
    (location,) = yaml.safe_load(entry.read_text())["source"]["from"]
    assert location["sha256"] == checksum(published / "model.safetensors")
    assert location["url"].endswith(f"/resolve/{COMMIT}/model.safetensors")  # what it was when it was asked for

    project.run("all", "--cores", "2", **variables)
    rows = project.table("parity")
    assert {(row["model"], row["framework"]) for row in rows} == {
        (name.replace("/", "-"), framework) for name in FILES for framework in ("pytorch", "onnxruntime", "openvino")
    }
    assert [row["status"] for row in rows] == ["ok"] * len(rows), rows
    assert "Nothing to be done" in project.run("all")  # without a mirror: it decides nothing


def test_other_weights_than_the_library_knows_are_refused(project, variables):
    project.configure(models=["torchvision/shufflenet_v2_x0_5"])
    assert "wanted f707e7126e; the file is not the registered one and was removed" in project.fail("all", **variables)
