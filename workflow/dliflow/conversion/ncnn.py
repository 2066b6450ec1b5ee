"""ncnn's models: a text and the weights, made by pnnx, the converter of ncnn's makers."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from dliflow.errors import DliflowError, Skip
from dliflow.files import read_json
from dliflow.frameworks.ncnn import MODEL, WEIGHTS

# ncnn's own layers have plain names; pnnx leaves what it cannot make of them under PyTorch's.
FOREIGN = re.compile(r"^((?:pnnx|nn|F|torch|aten|prim|onnx|Tensor)\.\S+)", re.MULTILINE)


def convert(source, out, precision, calibration):
    """ONNX by pnnx; fp16 keeps the weights in half precision."""
    shape = read_json(source / "interchange.json")["input"]["shape"]
    with tempfile.TemporaryDirectory() as folder:
        shutil.copyfile(source / "model.onnx", Path(folder, "model.onnx"))
        sizes = ",".join(map(str, (1, *shape)))
        half = int(precision == "fp16")
        command = [_pnnx(), "model.onnx", f"inputshape=[{sizes}]f32", f"fp16={half}"]
        result = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        print(result.stdout, flush=True)
        text = Path(folder, "model.ncnn.param")
        if result.returncode or not text.exists():
            raise DliflowError(f"pnnx did not convert the model (status {result.returncode}); its output is in the log")
        foreign = FOREIGN.search(text.read_text(encoding="utf-8"))
        if foreign:
            raise Skip(f"ncnn: operation {foreign[1]} is not taken")
        shutil.move(text, out / MODEL)
        shutil.move(Path(folder, "model.ncnn.bin"), out / WEIGHTS)


def _pnnx() -> str:
    """The program in pnnx's package, whose own module imports PyTorch."""
    package = importlib.util.find_spec("pnnx")
    assert package is not None and package.submodule_search_locations
    return str(Path(package.submodule_search_locations[0], "pnnx"))
