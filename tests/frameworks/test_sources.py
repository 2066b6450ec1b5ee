"""Every PyTorch and MXNet source format: the interchange graph gives the source's scores, and bad files are refused."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from project import ROOT, python_of

HERE = Path(__file__).parent
SHAPE = "3,64,64"
SMALL = {"format": "pytorch_state_dict", "architecture": "shufflenet"}
GLUONCV = {"format": "gluon", "architecture": "gluoncv_mobilenet_v2", "options": {"classes": 16}}
GOOD = [
    ("good.pth", SMALL),
    ("good.pt2", {"format": "pytorch_exported"}),
    ("traced.pt", {"format": "torchscript"}),
    ("scripted.pt", {"format": "torchscript"}),
    ("small-symbol.json", {"format": "gluon"}),
    ("mobilenet.params", GLUONCV),
]
BAD = [
    ("other.pth", SMALL, "the weights do not fit shufflenet: "),
    ("code.pth", SMALL, "holds more than tensors"),
    ("cut_good.pth", SMALL, "no file of torch.save, or cut off"),
    ("nowhere.pth", SMALL, "there is no such file"),
    ("good.pth", {**SMALL, "options": {"depth": 3}}, "source.options.depth: unknown option of the architecture"),
    ("good.pth", {**SMALL, "layout": "NHWC"}, "input.layout: NHWC"),
    ("pickle.pt2", {"format": "pytorch_exported"}, "reading could run code that it brings: its example inputs"),
    ("size.pt2", {"format": "pytorch_exported"}, "reading could run code that it brings: it has expr_str"),
    ("target.pt2", {"format": "pytorch_exported"}, "it has target 'torch.os.system'"),
    ("cut_good.pt2", {"format": "pytorch_exported"}, "no file of torch.export.save, or cut off"),
    ("cut_traced.pt", {"format": "torchscript"}, "no TorchScript file, or cut off"),
    ("good.pth", {"format": "torchscript"}, "source.format: pytorch_state_dict"),
    ("alone-symbol.json", {"format": "gluon"}, "needs one file alone-0000.params beside it; there: none"),
    ("cut-symbol.json", {"format": "gluon"}, "broken, or graph and parameters do not fit"),
    ("mobilenet.params", {"format": "gluon"}, "name its architecture (source.architecture)"),
    ("small-0000.params", GLUONCV, "broken, or graph and parameters do not fit"),
]
COMPARE = """
import sys, numpy, onnxruntime
folder = sys.argv[1]
session = onnxruntime.InferenceSession(f"{folder}/model.onnx", providers=["CPUExecutionProvider"])
found = [session.run(["scores"], {"input": numpy.load(f"{folder}/batch.npy")[:size]})[0] for size in (1, 5)]
expected = numpy.load(f"{folder}/scores.npy")
numpy.testing.assert_allclose(found[1], expected, atol=1e-4 * abs(expected).max())
numpy.testing.assert_allclose(found[0], expected[:1], atol=1e-4 * abs(expected).max())
"""


@pytest.fixture(scope="module")
def python(environments):
    """Run a script in a framework's environment, with the workflow and the random networks at hand."""

    def run(framework, *arguments):
        result = subprocess.run(
            [python_of(framework, environments), *map(str, arguments)],
            env={"PYTHONPATH": f"{ROOT / 'workflow'}:{ROOT / 'tests/data'}", "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert result.returncode == 0, result.stderr
        return result.stdout

    return run


@pytest.fixture(scope="module")
def files(python, tmp_path_factory):
    """All files, good and bad."""
    folder = tmp_path_factory.mktemp("files")
    python("pytorch", HERE / "make_sources.py", "shufflenet", folder)
    python("mxnet", HERE / "make_gluon.py", folder)
    return folder


def tried(python, files, out, name, source):
    """What `source.py` finds of a file."""
    framework = "mxnet" if source["format"] == "gluon" else "pytorch"
    return json.loads(
        python(framework, HERE / "source.py", files / name, json.dumps(source), SHAPE, out).splitlines()[-1]
    )


@pytest.mark.parametrize(("name", "source"), GOOD, ids=[name for name, _ in GOOD])
def test_the_interchange_graph_gives_the_scores_of_the_source(python, files, tmp_path, name, source):
    found = tried(python, files, tmp_path, name, source)
    assert found == {"count": 16, "shape": [5, 16], "dtype": "float32"}
    python("onnxruntime", "-c", COMPARE, tmp_path)
    assert (tmp_path / "model.pt2").exists() == (source["format"] != "gluon")


@pytest.mark.parametrize(("name", "source", "message"), BAD, ids=[f"{n}-{s['format']}" for n, s, _ in BAD])
def test_a_bad_file_is_refused(python, files, tmp_path, name, source, message):
    assert message in tried(python, files, tmp_path, name, source)["error"]
    assert not (files / "ran").exists()


def test_guards_of_a_file_are_not_run(python, files, tmp_path):
    assert tried(python, files, tmp_path, "guard.pt2", {"format": "pytorch_exported"})["count"] == 16
    assert not (files / "ran").exists()
