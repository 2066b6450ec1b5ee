"""MNN's models, made by its own tools. int8 is quantized by them too, from pictures that stand for the images.

The commands `mnnconvert` and `mnnquant` of its package install a package from the network and report each use to their
makers (3.6.1); the library behind them, which is called here, does not.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from dliflow.errors import DliflowError
from dliflow.frameworks.mnn import MODEL


def convert(source, out, precision, calibration):
    """ONNX by the converter; fp16 keeps the weights in half precision."""
    half = ["--fp16"] if precision == "fp16" else []
    files = ["--modelFile", source / "model.onnx", "--MNNModel", out / MODEL]
    _tool("mnnconvert", "-f", "ONNX", *files, "--bizCode", "dliflow", *half, makes=out / MODEL)


def _tool(name: str, *arguments, makes: Path) -> None:
    """Run a tool in a process of its own: where it cannot go on it ends the process, with any status."""
    code = f"import sys, _tools; _tools.{name}(sys.argv)"
    command = [sys.executable, "-c", code, *map(str, arguments)]
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    print(result.stdout, flush=True)
    if result.returncode or not makes.exists():
        lines = [line for line in result.stdout.replace("\r", "\n").splitlines() if line.strip()]
        reason = lines[-1] if lines else "no output"
        raise DliflowError(f"MNN's {name} did not make the model (status {result.returncode}): {reason}")
