"""Files that run as they are: the output that is named is measured, in the file's layout and dtype, in every format."""

from __future__ import annotations

from pathlib import Path

import pytest
from cases import answer

HERE = Path(__file__).parent
FILES = [
    *[("onnxruntime", f"{name}.onnx") for name in ("NCHW-float32", "NHWC-float32", "NHWC-uint8", "NCHW-int8")],
    *[("tflite", f"NHWC-{dtype}.tflite") for dtype in ("float32", "uint8", "int8", "int16")],
]
NAMES = [name for _, name in FILES]
FORMATS = {"onnxruntime": "onnx", "tflite": "tflite"}
BAD = {
    "no output": ({}, "the model's outputs are other, scores; set source.output to one"),
    "another output": ({"output": "logits"}, "source.output: there is no 'logits'"),
    "another input": ({"output": "scores", "input": "pixels"}, "source.input: there is no 'pixels'"),
    "another dtype": ({"output": "scores", "dtype": "float32"}, "the model's input is uint8: set input.dtype: uint8"),
    "another layout": ({"output": "scores", "layout": "NCHW"}, "(any, 8, 8, 3): set input.layout: NHWC"),
}


@pytest.fixture(scope="module")
def files(python, tmp_path_factory):
    """All files."""
    folder = tmp_path_factory.mktemp("files")
    python("onnxruntime", HERE / "make_as_they_are.py", "onnx", folder)
    python("tensorflow", HERE / "make_as_they_are.py", "tflite", folder)
    return folder


def case(files, out, framework, name, dtype=None, **source):
    """What `as_it_is.py` is asked."""
    layout, file_dtype = Path(name).stem.split("-")
    source, dtype = {"format": FORMATS[framework], "layout": layout, **source}, dtype or file_dtype
    return {"path": str(files / name), "framework": framework, "source": source, "dtype": dtype, "out": str(out)}


@pytest.fixture(scope="module")
def tried(outcomes, files, tmp_path_factory):
    """What became of each file; TensorFlow names a TFLite file's outputs `Identity` and `Identity_1`."""
    out, told = tmp_path_factory.mktemp("out"), {}
    for framework, output in (("onnxruntime", "scores"), ("tflite", "Identity_1")):
        asked = {
            name: case(files, out / name, framework, name, output=output) for which, name in FILES if which == framework
        }
        if framework == "onnxruntime":
            for bad, (change, _) in BAD.items():
                asked[bad] = case(files, out / bad, framework, "NHWC-uint8.onnx", **change)
        told.update(outcomes(framework, HERE / "as_it_is.py", asked))
    return told


@pytest.mark.parametrize("name", NAMES)
def test_the_session_gives_the_scores_of_the_output_that_is_named(tried, name):
    told = answer(tried[name])
    assert (told["shape"], told["dtype"]) == ([3, 5], "float32"), told
    # LiteRT's own kernels round where its reference kernels do not.
    assert told["difference"] <= (0.02 if name.endswith("tflite") else 1e-6) * told["largest"]


@pytest.mark.parametrize("name", list(BAD))
def test_what_the_entry_says_otherwise_is_told(tried, name):
    assert BAD[name][1] in answer(tried[name])["error"]
