"""TensorFlow's source formats and ONNX: the interchange graph gives the source's scores, and bad files are refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SHAPE = "3,64,64"
GOOD = [
    ("good.keras", {"format": "keras"}),
    ("good.h5", {"format": "keras"}),
    ("saved", {"format": "tensorflow_saved_model"}),
    ("one_image.pb", {"format": "tensorflow_frozen_graph"}),
    ("good.tflite", {"format": "tflite"}),
]
BAD = [
    ("code.keras", {"format": "keras"}, "Keras cannot load the model: Requested the deserialization of a `Lambda`"),
    ("cut_good.keras", {"format": "keras"}, "Keras cannot load the model"),
    ("only.weights.h5", {"format": "keras"}, "it holds weights only"),
    ("good.keras", {"format": "keras", "layout": "NCHW"}, "(any, 64, 64, 3): set input.layout: NHWC"),
    ("saved", {"format": "tensorflow_saved_model", "options": {"signature": "x"}}, "there is no signature 'x'"),
    ("saved", {"format": "tensorflow_saved_model", "output": "x"}, "source.output: there is no 'x'"),
    ("one_image.pb", {"format": "tensorflow_saved_model"}, "not a SavedModel"),
    ("one_image.pb", {"format": "tensorflow_frozen_graph", "input": "y"}, "source.input: there is no 'y'"),
    ("cut_one_image.pb", {"format": "tensorflow_frozen_graph"}, "not a frozen graph of TensorFlow"),
    ("reaching.pb", {"format": "tensorflow_frozen_graph"}, "operation WriteFile 'WriteFile' reaches outside"),
    ("good.keras", {"format": "tflite"}, "not a TFLite file"),
]


@pytest.fixture(scope="module")
def files(python, tmp_path_factory):
    """All files, good and bad."""
    folder = tmp_path_factory.mktemp("files")
    python("tensorflow", HERE / "make_keras.py", folder)
    return folder


def tried(python, framework, file, source, out, steps="predict,export"):
    """What `source.py` finds of a file."""
    told = python(framework, HERE / "source.py", file, json.dumps(source), SHAPE, out, steps)
    return json.loads(told.splitlines()[-1])


@pytest.mark.parametrize(("name", "source"), GOOD, ids=[name for name, _ in GOOD])
def test_the_interchange_graph_gives_the_scores_of_the_source(python, files, tmp_path, name, source):
    if source["format"] == "tflite":
        found = tried(python, "tflite", files / name, source, tmp_path, "predict")
        found.update(tried(python, "tensorflow", files / name, source, tmp_path, "export"))
    else:
        found = tried(python, "tensorflow", files / name, source, tmp_path)
    assert found == {"count": 16, "shape": [5, 16], "dtype": "float32"}
    python("onnxruntime", HERE / "compare.py", tmp_path)
    # The form is a fixed point: the file is a source itself.
    again = tmp_path / "again"
    again.mkdir()
    assert tried(python, "onnxruntime", tmp_path / "model.onnx", {"format": "onnx"}, again)["count"] == 16
    assert (again / "model.onnx").read_bytes() == (tmp_path / "model.onnx").read_bytes()


@pytest.mark.parametrize(("name", "source", "message"), BAD, ids=[f"{n}-{s['format']}-{len(s)}" for n, s, _ in BAD])
def test_a_bad_file_is_refused(python, files, tmp_path, name, source, message):
    steps = "export" if "layout" in source or source["format"] == "tflite" else "predict"
    assert message in tried(python, "tensorflow", files / name, source, tmp_path, steps)["error"]
