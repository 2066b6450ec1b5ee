"""PyTorch's programs as Python code, whatever they are made of."""

from __future__ import annotations

import json
from pathlib import Path

SCRIPT = Path(__file__).with_name("pytorch_code.py")
PROGRAM = """
import json, sys, time
from pathlib import Path
import torch
from dliflow import frameworks
began = time.perf_counter()
frameworks.load("pytorch").load(
    Path(sys.argv[1]), precision="fp32", variant="default", device="cpu", batch_size=1, threads=1, options={}
)
print(json.dumps({"compiler": "torch._dynamo" in sys.modules, "s": time.perf_counter() - began}))
"""


def test_code_gives_the_scores_that_torch_s_own_program_gives(python, tmp_path):
    told = json.loads(python("pytorch", SCRIPT, tmp_path).splitlines()[-1])
    assert all(each["same"] == [True] * 6 for each in told.values())
    assert {"layers.0.weight", "layers.1.bias", "norm.running_mean", "shift"} <= set(told["unusual"]["names"])
    assert told["unusual"]["elsewhere"] == "meta"  # also what its code makes
    assert (told["unusual"]["inside"], told["graphs"]["inside"]) == (0, 3)


def test_a_network_opens_without_the_compiler(python, converted):
    told = json.loads(python("pytorch", "-c", PROGRAM, converted("pytorch").with_suffix("")))
    assert not told["compiler"]
