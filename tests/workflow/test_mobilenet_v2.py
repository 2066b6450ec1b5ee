"""The reference study, as users run it: MobileNetV2 on real images, fetched over HTTP, every framework.

Its float weights come from Google's public int8 file, which is dequantized (tests/mobilenet_v2.py). The registry's
entries stay as they are but for the address and the checksum; the images are 400 of ImageNet instead of 50,000.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import tarfile
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml
from project import ROOT, Project, copy_of_the_repository, python_of, shared_data

pytestmark = pytest.mark.dear

SCRIPT = ROOT / "tests/mobilenet_v2.py"
QUANTIZED, UINT8 = "tf2_mobilenet_v2_1.0_224_ptq.tflite", "mobilenet_v2_1.0_224_quant.tflite"
SAMPLE = """\
source: {folder}
labels: {{from: csv, file: labels.csv}}
"""
# What differs from config/mobilenet_v2.yaml: the images, and how long is measured.
SMALLER = {
    "dataset": "imagenet_sample",
    "calibration": {"dataset": "photographs"},
    "accuracy": {"images": None},
    "threads": 1,  # two jobs run side by side, and other tests beside them
    "latency": {"batch_sizes": [1], "groups": 1, "mode": "fixed", "requests": 3, "warmup_requests": 1},
    "compare": {"leaders": 2, "groups": 2, "sessions": 1, "rounds": 2, "budget_s": 0},
}


class Quiet(SimpleHTTPRequestHandler):
    """A file server that counts requests and prints nothing."""

    requests = 0

    def do_GET(self):
        type(self).requests += 1
        super().do_GET()

    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def served(environments, tmp_path_factory):
    """Address of a server that has the archive and the UINT8 file, and the archive's path."""
    data = shared_data() / "mobilenet_v2"
    folder = tmp_path_factory.mktemp("served")

    def make(framework, *arguments):
        command = [python_of(framework, environments), str(SCRIPT), *map(str, arguments)]
        variables = {**os.environ, "PYTHONPATH": str(ROOT / "workflow")}
        result = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=300)
        assert result.returncode == 0, result.stderr

    make("tflite", "weights", "--tflite", data / QUANTIZED, "--out", folder / "weights.npz")
    graph = folder / "mobilenet_v2_1.0_224_frozen.pb"
    make("tensorflow", "tensorflow_frozen_graph", "--weights", folder / "weights.npz", "--out", graph)
    archive = folder / "mobilenet_v2_1.0_224.tgz"
    with tarfile.open(archive, "w:gz") as stream:
        stream.add(graph, f"./{graph.name}")  # members are named like this in the original
        stream.add(data / UINT8, "./mobilenet_v2_1.0_224.tflite")
    (folder / UINT8).symlink_to(data / UINT8)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", archive
    server.shutdown()


def from_here(project: Project, model: str, address: str, file: Path) -> None:
    """Let a model's entry fetch this file from the server."""
    path = project.folder / f"config/models/{model}.yaml"
    text = path.read_text()
    for key, value in {
        "url": f"{address}/{file.name}",
        "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        "bytes": file.stat().st_size,
    }.items():
        text, count = re.subn(rf"(?m)^([ -]*{key}: ).*$", rf"\g<1>{value}", text)
        assert count == 1
    path.write_text(text)


@pytest.fixture(scope="module")
def reference(served, environments, tmp_path_factory) -> Project:
    """The study, run once."""
    address, archive = served
    project = copy_of_the_repository(tmp_path_factory.mktemp("mobilenet_v2"), environments)
    from_here(project, "mobilenet_v2", address, archive)
    from_here(project, "mobilenet_v2_uint8", address, shared_data() / "mobilenet_v2" / UINT8)
    text = SAMPLE.format(folder=shared_data() / "imagenet-sample")
    (project.folder / "config/datasets/imagenet_sample.yaml").write_text(text)
    smaller = {**SMALLER, "environments": {"folder": str(environments)}}
    (project.folder / "config/smaller.yaml").write_text(yaml.safe_dump(smaller))
    project.run("all", "--cores", "2", "--configfile", "config/mobilenet_v2.yaml", "config/smaller.yaml")
    return project


def good(project: Project, table: str, **values: str) -> list[dict[str, str]]:
    rows = [row for row in project.table(table) if row["status"] == "ok"]
    return [row for row in rows if all(row[key] == value for key, value in values.items())]


def test_every_framework_gives_the_network_s_accuracy_in_fp32(reference):
    rows = good(reference, "accuracy", model="mobilenet_v2", precision="fp32")
    assert {row["framework"] for row in rows} >= {
        *("pytorch", "onnxruntime", "openvino", "opencv", "tensorflow", "tflite", "mxnet")
    }
    for row in rows:
        assert row["images"] == "400"
        assert 0.87 <= float(row["top1"]) <= 0.92
        assert row["agreement"] == "" or float(row["agreement"]) >= 0.995  # empty: TensorFlow is the reference itself
        assert row["warnings"] == ""


def test_compression_costs_little(reference):
    for row in good(reference, "accuracy", model="mobilenet_v2"):
        if row["precision"] == "fp16":
            assert float(row["agreement"]) >= 0.98
        if row["precision"] == "int8":
            assert float(row["agreement"]) >= 0.82  # calibrated with 12 photographs
            assert float(row["top1"]) >= 0.80


def test_the_uint8_file_is_measured_as_it_is_beside_the_others(reference):
    rows = [row for row in reference.table("accuracy") if row["model"] == "mobilenet_v2_uint8"]
    (own,) = [row for row in rows if row["status"] == "ok"]
    assert (own["framework"], own["precision"]) == ("tflite", "int8")
    assert float(own["top1"]) >= 0.85
    assert all(row["status"] == "skipped" and "as it is" in row["reason"] for row in rows if row is not own)
    (measured,) = good(reference, "performance", model="mobilenet_v2_uint8")
    assert (measured["framework"], measured["precision"]) == ("tflite", "int8")


def test_nothing_is_without_figures_or_reason_and_nothing_runs_again(reference):
    for table in ("parity", "accuracy", "performance", "measurements"):
        for row in reference.table(table):
            assert row["status"] in ("ok", "skipped"), row
            assert bool(row["reason"]) == (row["status"] == "skipped")
    asked = Quiet.requests
    again = reference.run("all", "--configfile", "config/mobilenet_v2.yaml", "config/smaller.yaml")
    assert "Nothing to be done" in again
    assert Quiet.requests == asked == 2


def test_it_says_what_is_missing_before_anything_runs(project):
    output = project.fail("all", "--configfile", "config/mobilenet_v2.yaml")
    assert "there is no resources/imagenet/ILSVRC2012_img_val.tar; put it there, or correct the path" in output
