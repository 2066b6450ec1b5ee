"""What the interchange form promises holds for models of older opsets, and is checked."""

from __future__ import annotations

import json
from pathlib import Path

HERE = Path(__file__).parent


def test_older_opsets_constants_aliases_and_dead_ends_are_settled(python, tmp_path):
    found = json.loads(python("onnxruntime", HERE / "interchange_form.py", tmp_path).splitlines()[-1])
    assert found["opset9"]["file"] == ["Conv", "Clip", "MaxPool", "ReduceMean", "Mul"]
    assert found["opset9"]["read"] == ["Conv", "Clip", "MaxPool", "GlobalAveragePool", "Reshape", "Mul"]
    assert found["opset13"]["file"] == ["Conv", "GlobalAveragePool", "Reshape"]
    assert max(found[name]["moved"] for name in ("opset9", "opset13")) < 1e-5
    *refused, taken = found["refused"]
    assert [text.split(" '")[0] for text in refused] == [
        *("the model's Conv", "the model's Relu", "the model's Identity"),
    ]
    assert taken == ""
