"""ONNX files as people have them: the interchange graph gives the file's scores, or the real reason is told."""

from __future__ import annotations

from pathlib import Path

import pytest
from cases import answer

HERE = Path(__file__).parent
GOOD = {
    "half.onnx": {},
    "double.onnx": {},
    "inside.onnx": {},  # float16 between two casts
    "pixels.onnx": {"layout": "NHWC"},
    "class.onnx": {"output": "scores"},
    "stored.onnx": {},  # weights of 8 bits
    "any.onnx": {},  # -1 as the batch size
    "zero.onnx": {},  # 0 as the batch size
    "unsaid.onnx": {},  # no shape of the scores
    "sizes.onnx": {},  # any height and width
    "training.onnx": {},  # Dropout and BatchNormalization in training mode
    "opset9.onnx": {},  # a linear Upsample, by coordinates of its own
    "decides.onnx": {},  # by a size, which is known
    "apart.onnx": {},
    "function.onnx": {},
}
BAD = [
    ("class.onnx", {}, "the output 'class' comes from ArgMax: it tells classes, not scores; set source.output: scores"),
    (
        "sequence.onnx",
        {},
        "the output 'all' comes from SequenceConstruct: it is no tensor of scores; set source.output: sco",
    ),
    ("of_pixels.onnx", {}, "the model is quantized (DequantizeLinear): set source.precision: int8"),
    ("two.onnx", {"input": "images"}, "beside 'images' the model needs values of share"),
    ("pixels.onnx", {"layout": "NCHW"}, "the model's input is (any, 64, 64, 3): set input.layout: NHWC"),
    *[
        (f"{name}.onnx", {}, "not an ONNX model that can be read: ")
        for name in ("negative", "beyond", "nonsense", "long", "above", "short")
    ],
    ("loops.onnx", {"layout": "NCHW"}, "the model's Loop '' decides while it runs what is computed; export"),
    ("stuck.onnx", {}, "stuck.onnx: ONNX Runtime cannot run the model: [ONNXRuntimeError]"),
    ("dilated.onnx", {}, "the model does not come out in opset 18: Unrecognized attribute: dilations for operator Av"),
    ("normal.onnx", {}, "the model's MeanVarianceNormalization '' is over the images of a batch"),
    ("opset6.onnx", {}, "is of ONNX opset 6, which ONNX Runtime does not run; export it with 7 or a newer one"),
    ("compiled.onnx", {}, "refused: operator EPContext of the domain 'com.microsoft'"),
    ("theirs.onnx", {}, "refused: operator Relu of the domain 'com.example'"),
]
BAD_NAMES = [f"{index}-{name}" for index, (name, *_) in enumerate(BAD)]


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    """A folder with a folder for each case."""
    return tmp_path_factory.mktemp("out")


@pytest.fixture(scope="module")
def tried(python, outcomes, out, tmp_path_factory):
    """What `source.py` finds of each file."""
    folder = tmp_path_factory.mktemp("files")
    python("onnxruntime", HERE / "make_onnx.py", folder)

    def asked(case, name, source):
        dtype = "uint8" if "pixels" in name else "float32"
        source = {"format": "onnx", **source}
        return {"path": str(folder / name), "source": source, "out": str(out / case), "dtype": dtype}

    cases = {name: asked(name, name, source) for name, source in GOOD.items()}
    cases.update({case: asked(case, *bad[:2]) for case, bad in zip(BAD_NAMES, BAD)})
    return outcomes("onnxruntime", HERE / "source.py", cases)


@pytest.fixture(scope="module")
def compared(outcomes, tried, out):
    """Whether ONNX Runtime gives the same scores from the interchange graphs."""
    return outcomes("onnxruntime", HERE / "compare.py", {name: {"out": str(out / name)} for name in GOOD})


@pytest.mark.parametrize("name", list(GOOD))
def test_the_interchange_graph_gives_the_scores_of_the_source(tried, compared, name):
    assert answer(tried[name]) == {"count": 16, "shape": [5, 16], "dtype": "float32", "ran": False}
    assert answer(compared[name]) == {"same": True}


@pytest.mark.parametrize(("case", "message"), [(name, bad[2]) for name, bad in zip(BAD_NAMES, BAD)], ids=BAD_NAMES)
def test_the_real_reason_is_told(tried, case, message):
    assert message in answer(tried[case])["error"]
