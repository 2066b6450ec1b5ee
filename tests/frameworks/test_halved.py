"""FP16 of ONNX Runtime's package for GPUs is arithmetic in float16; nothing else runs it for weights alone."""

from __future__ import annotations

import json

import pytest
import yaml
from project import ROOT

from dliflow.measuring import metrics
from dliflow.study import config

SCRIPTS = ROOT / "tests/frameworks"
DEFAULTS = config.study(yaml.safe_load((ROOT / "config/config.yaml").read_text()), "config.yaml")["parity"]
BOUNDS = {name: DEFAULTS[name]["fp16"] for name in ("tolerance", "distance", "agreement")}
PRODUCTS = {"Conv", "Gemm", "MatMul"}


@pytest.mark.parametrize("network", ["mobilenet_v2", "mobilenet_v3", "transformer", "convnext"])
def test_every_product_is_of_float16_and_the_scores_are_within_parity(network, python, tmp_path):
    python("pytorch", SCRIPTS / "quantized.py", "export", network, tmp_path)
    told = json.loads(python("onnxruntime", SCRIPTS / "halved.py", tmp_path).splitlines()[-1])
    assert metrics.beyond(told["differences"], BOUNDS) == []
    assert told["differences"]["max_abs_score_diff"] > 0
    products = {kind: names for kind, names in told["types"].items() if kind in PRODUCTS}
    assert products and set(map(tuple, products.values())) == {("FLOAT16",)}
    assert told["files"] == ["float16.onnx"]
    assert told["cpu"].endswith("name 'onnxruntime' for FP16 weights on a CPU")
