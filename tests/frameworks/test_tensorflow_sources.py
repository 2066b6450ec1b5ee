"""TensorFlow's source formats and ONNX: the interchange graph gives the source's scores, and bad files are refused."""

from __future__ import annotations

import re
from pathlib import Path

import numpy
import pytest
from cases import answer

HERE = Path(__file__).parent
GOOD = [
    ("good.keras", {"format": "keras"}),
    ("good.h5", {"format": "keras"}),
    ("saved", {"format": "tensorflow_saved_model"}),
    ("one_image.pb", {"format": "tensorflow_frozen_graph"}),
    ("good.tflite", {"format": "tflite"}),
    ("keras2.h5", {"format": "keras"}),
    ("keras2.keras", {"format": "keras"}),
    ("two.keras", {"format": "keras", "output": "scores"}),
    ("mixed.keras", {"format": "keras"}),
    ("pixels", {"format": "tensorflow_saved_model"}),
    ("switch.pb", {"format": "tensorflow_frozen_graph", "options": {"phase_train": False}}),
    ("first", {"format": "tensorflow_saved_model"}),
    ("grouped.keras", {"format": "keras"}),
    ("grouped", {"format": "tensorflow_saved_model"}),
]
BAD = [
    ("code.keras", {"format": "keras"}, "refused: 'Lambda' of keras.layers is no layer of Keras's own, or runs code"),
    ("code.h5", {"format": "keras"}, "refused: 'Lambda' of keras"),
    ("theirs.keras", {"format": "keras"}, "refused: 'Theirs' of "),
    ("lookup.keras", {"format": "keras"}, "refused: 'StringLookup' of keras.layers"),
    (
        "theano.h5",
        {"format": "keras"},
        "was written by Keras 2.15.0 on theano, which Keras 3 reads wrongly; load",
    ),
    ("really_keras.h5", {"format": "keras"}, "has another format than its name says; name it NAME.keras"),
    ("really_h5.keras", {"format": "keras"}, "has another format than its name says; name it NAME.h5"),
    ("saved", {"format": "keras"}, "is a folder: a SavedModel, it seems; set source.format: tensorflow_saved_model"),
    ("linked.h5", {"format": "keras"}, "refused: its weights '/model_weights/theirs' are a link, or lie in another"),
    ("apart.h5", {"format": "keras"}, "refused: its weights '/model_weights/theirs' are a link, or lie in another"),
    ("cut_good.keras", {"format": "keras"}, "Keras cannot load the model"),
    ("only.weights.h5", {"format": "keras"}, "it holds weights only"),
    ("two.keras", {"format": "keras"}, "the model's outputs are features, scores; set source.output to one"),
    ("good.keras", {"format": "keras", "input": "x"}, "source.input: there is no 'x'; the model's inputs are "),
    ("two.keras", {"format": "keras", "output": "logits"}, "source.output: there is no 'logits'"),
    ("good.keras", {"format": "keras", "layout": "NCHW"}, "(any, 64, 64, 3): set input.layout: NHWC"),
    ("saved", {"format": "tensorflow_saved_model", "options": {"signature": "x"}}, "there is no signature 'x'"),
    ("bare", {"format": "tensorflow_saved_model"}, "it has none, so save it with signatures"),
    ("training", {"format": "tensorflow_saved_model", "input": "x"}, "beside 'x' the model needs values of training"),
    ("best", {"format": "tensorflow_saved_model"}, "the model gives int64: classes, it seems, where scores are needed"),
    ("saved", {"format": "tensorflow_saved_model", "output": "x"}, "source.output: there is no 'x'"),
    ("one_image.pb", {"format": "tensorflow_saved_model"}, "not a SavedModel"),
    ("one_image.pb", {"format": "tensorflow_frozen_graph", "input": "y"}, "source.input: there is no 'y'"),
    ("switch.pb", {"format": "tensorflow_frozen_graph"}, "Set source.options: {phase_train: false}"),
    ("switch.pb", {"format": "tensorflow_frozen_graph", "options": {"train": False}}, "did you mean 'phase_train'?"),
    ("pixels", {"format": "tensorflow_saved_model"}, "the model's input is uint8: set input.dtype: uint8"),
    (
        "untranslated.pb",
        {"format": "tensorflow_frozen_graph", "layout": "NHWC"},
        "the model uses Lgamma, which is no operator of ONNX",
    ),
    ("cut_one_image.pb", {"format": "tensorflow_frozen_graph"}, "not a frozen graph of TensorFlow"),
    ("reaching.pb", {"format": "tensorflow_frozen_graph"}, "operation WriteFile 'WriteFile' reaches outside"),
    *[
        (f"{name}.pb", {"format": "tensorflow_frozen_graph"}, f"refused: operation {operation} ")
        for name, operation in (("printing", "PrintV2"), ("saving", "SaveV2"), ("merging", "MergeV2Checkpoints"))
    ],
    ("nested", {"format": "tensorflow_saved_model"}, "refused: operation WriteFile "),
    ("placeholder.pb", {"format": "tensorflow_frozen_graph"}, "refused: operation "),
    ("undescribed", {"format": "tensorflow_saved_model"}, "refused: operation WriteFile "),
    ("swapped", {"format": "tensorflow_saved_model"}, "refused: TensorFlow may run function "),
    ("first_writes", {"format": "tensorflow_saved_model"}, "refused: operation WriteFile "),
    ("good.keras", {"format": "tflite"}, "not a TFLite file"),
]


NAMES = [name for name, _ in GOOD]
BAD_NAMES = [f"{name}-{source['format']}-{index}" for index, (name, source, _) in enumerate(BAD)]
ONNX = {"format": "onnx"}


@pytest.fixture(scope="module")
def files(python, tmp_path_factory):
    """All files, good and bad."""
    folder = tmp_path_factory.mktemp("files")
    python("tensorflow", HERE / "make_keras.py", folder)
    return folder


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    """A folder with a folder for each case."""
    return tmp_path_factory.mktemp("out")


@pytest.fixture(scope="module")
def tried(outcomes, files, out):
    """What `source.py` finds of each file; a TFLite file is run by one environment and exported by another."""

    def asked(case, name, source, *steps):
        dtype = "uint8" if case == "pixels" else "float32"
        return {"path": str(files / name), "source": source, "out": str(out / case), "steps": steps, "dtype": dtype}

    lite = {name: asked(name, name, source, "predict") for name, source in GOOD if source["format"] == "tflite"}
    cases = {name: asked(name, name, source, *([] if name in lite else ["predict"]), "export") for name, source in GOOD}
    for case, (name, source, _) in zip(BAD_NAMES, BAD):
        step = "export" if "layout" in source or source["format"] == "tflite" else "predict"
        cases[case] = asked(case, name, source, step)
    predicted = outcomes("tflite", HERE / "source.py", lite)
    return {
        case: {**predicted.get(case, {}), **outcome}
        for case, outcome in outcomes("tensorflow", HERE / "source.py", cases).items()
    }


@pytest.fixture(scope="module")
def compared(outcomes, tried, out):
    """Whether ONNX Runtime gives the same scores from the interchange graphs."""
    return outcomes("onnxruntime", HERE / "compare.py", {name: {"out": str(out / name)} for name in NAMES})


@pytest.fixture(scope="module")
def again(outcomes, tried, out):
    """What `source.py` finds of the interchange graphs as sources."""
    cases = {
        name: {"path": str(out / name / "model.onnx"), "source": ONNX, "out": str(out / name / "again")}
        for name in NAMES
    }
    return outcomes("onnxruntime", HERE / "source.py", cases)


@pytest.mark.parametrize("name", NAMES)
def test_the_interchange_graph_gives_the_scores_of_the_source(tried, compared, name):
    assert answer(tried[name]) == {"count": 16, "shape": [5, 16], "dtype": "float32", "ran": False}
    assert answer(compared[name]) == {"same": True}


@pytest.mark.parametrize("name", ["two.keras", "mixed.keras", "keras2.h5", "keras2.keras"])
def test_an_output_that_is_named_and_float32_in_place_of_mixed_precision(tried, out, name):
    """In float16 scores would differ by a thousandth; what Keras 2 wrote of Python's operators changes nothing."""
    assert answer(tried[name])["count"] == 16
    scores = [numpy.load(out / which / "scores.npy") for which in (name, "good.keras")]
    numpy.testing.assert_allclose(*scores, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_the_interchange_graph_is_a_fixed_point(again, out, name):
    assert answer(again[name])["count"] == 16
    assert (out / name / "again/model.onnx").read_bytes() == (out / name / "model.onnx").read_bytes()


@pytest.mark.parametrize(("case", "message"), [(name, bad[2]) for name, bad in zip(BAD_NAMES, BAD)], ids=BAD_NAMES)
def test_a_bad_file_is_refused(tried, case, message):
    outcome = answer(tried[case])
    assert message in outcome["error"]
    assert not outcome["ran"]  # what the file would do beside computing


STATEFUL = """
from tensorflow.python.framework import op_def_registry
from dliflow.sources.shared.tensorflow_operations import COMPUTING, RESTORING

known = {name: op_def_registry.get(name) for name in COMPUTING | RESTORING}
print(*(name for name, described in known.items() if described is not None and described.is_stateful))
"""
# Variables and arrays, which are memory; random numbers; and the calls of functions, which are looked through.
STATE = re.compile(r"\w*Variable\w*|VarHandleOp|VarIsInitializedOp|Resource\w+|TensorArray\w+|\w*Random\w*|RestoreV2")
OTHERS = {
    "Assert",
    "CheckNumerics",
    "CheckNumericsV2",
    "If",
    "While",
    "Case",
    "StatefulPartitionedCall",
    "DisableCopyOnRead",
    "TruncatedNormal",
}


def test_operations_with_a_state_are_those_of_memory(python):
    names = set(python("tensorflow", "-c", STATEFUL).split())
    assert len(names) > 10
    assert {name for name in names if not STATE.fullmatch(name)} <= OTHERS
