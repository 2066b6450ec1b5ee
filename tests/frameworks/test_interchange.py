"""What the interchange form promises holds for models of older opsets, and is checked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SETTLED = (
    "opset9",
    "opset13",
    "ranks",
    "attention",
    "fixed",
    "resized",
    "resized_alone",
    "positions",
    "newer",
    "rare",
    "left_alone",
)


@pytest.fixture(scope="module")
def found(python, tmp_path_factory):
    """What `interchange_form.py` prints."""
    folder = tmp_path_factory.mktemp("form")
    return json.loads(python("onnxruntime", HERE / "interchange_form.py", folder, *SETTLED).splitlines()[-1])


def test_older_opsets_constants_aliases_and_dead_ends_are_settled(found):
    assert found["opset9"]["file"] == ["Conv", "Clip", "MaxPool", "ReduceMean", "Mul"]
    assert found["opset9"]["read"] == ["Conv", "Clip", "MaxPool", "ReduceMean", "Mul"]
    assert found["opset13"]["file"] == ["Conv", "GlobalAveragePool", "Reshape"]
    assert max(found[name]["moved"] for name in ("opset9", "opset13")) < 1e-5
    *refused, taken = found["refused"]
    assert [text.split(" '")[0] for text in refused] == [
        *("the model's Conv", "the model's Relu", "the model's Identity"),
    ]
    assert taken == ""


def test_sizes_that_are_computed_and_class_tokens_are_settled(found):
    found = found["attention"]
    assert found["file"] == [
        *("Conv", "Reshape", "Transpose", "Pad", "Add", "Transpose", "MatMul", "Softmax", "MatMul"),
        *("Div", "Erf", "Add", "Mul", "Mul", "Gather"),
    ]
    assert found["read"] == [
        *("Conv", "Reshape", "Transpose", "Pad", "Add", "Transpose", "MatMul", "Softmax", "MatMul"),
        *("Gelu", "Slice", "Reshape"),
    ]
    assert found["moved"] < 1e-5


def test_how_many_axes_there_are_may_be_computed(found):
    assert found["ranks"]["file"] == ["Conv", "Reshape", "GlobalAveragePool", "Reshape"]
    assert found["ranks"]["moved"] < 1e-5


def test_files_of_one_image_take_batches(found):
    assert found["fixed"]["moved"] < 1e-5
    assert found["fixed"]["read"] == [
        *("Conv", "Slice", "Slice", "Concat", "Reshape", "Resize", "ReduceSum", "Reshape", "Mul", "AveragePool"),
        *("Reshape", "Dense", "Softmax"),
    ]
    assert found["padded"] == "" and "batch size is fixed to 1" in found["summed"]


def test_sizes_to_resize_to_become_factors(found):
    for name, resizes in (("resized", 2), ("resized_alone", 1)):
        operators = found[name]["file"]
        assert operators.count("Resize") == resizes and not {"Shape", "Concat"} & set(operators)
        assert found[name]["moved"] < 1e-5


def test_what_large_constants_for_each_image_lead_to_is_computed_at_export(found):
    assert found["positions"]["file"] == ["Conv", "Reshape", "Transpose", "MatMul", "ReduceMean"]
    assert found["positions"]["moved"] < 1e-5


def test_operators_that_are_newer_or_made_of_others_are_written_out(found):
    newer = found["newer"]
    assert not {"Gelu", "GroupNormalization", "Sum", "Mean", "CastLike", "Identity"} & set(newer["file"])
    assert {"LogSoftmax", "Softsign", "ReduceMin", "DepthToSpace"} <= set(newer["file"])  # importers have them
    assert newer["read"].count("Gelu") == 1 and "Slice" not in newer["file"]
    assert newer["moved"] < 1e-5


def test_padding_by_places_and_tiles_are_read(found):
    assert found["rare"]["read"] == [
        *("Conv", "Gather", "Gather", "Gather", "Gather", "Slice", "Slice", "Slice", "Pad", "Reshape", "Reshape"),
        *("Gather", "ReduceMax", "Broadcast", "Reshape", "Transpose", "Transpose", "Dense"),
    ]
    assert found["rare"]["moved"] < 1e-5


def test_an_onnx_of_opset_17_reads_what_it_knows(found):
    for name in ("opset9", "opset13", "positions"):
        assert found[name]["older"] == found[name]["read"]
    unread = {"attention": "Pad", "resized": "Resize", "fixed": "Split", "left_alone": "ReduceMean"}
    for name, operator in unread.items():
        assert f"none: operator {operator} needs a newer onnx than" in found[name]["older"]


@pytest.mark.parametrize("name", SETTLED)
def test_what_is_read_computes_the_same(found, name):
    assert found[name]["misread"] < 1e-4
