"""MNN's models, made by its own converter.

The command `mnnconvert` of its package installs another package from the network and reports each use to its makers
(3.6.1). The library behind it, which is called here, does neither.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile

from dliflow.errors import DliflowError
from dliflow.frameworks.mnn import MODEL

CODE = "import sys, _tools; _tools.mnnconvert(sys.argv)"


def convert(source, out, precision, calibration):
    """ONNX by the converter, in a process of its own, which it ends where it cannot go on; fp16 halves the weights.

    It puts weights aside in the folder where it runs, always in `.__convert_external_data.bin` (3.6.1). Of two side by
    side in one folder one came out with weights of the other: no score was right.
    """
    half = ["--fp16"] if precision == "fp16" else []
    files = ["--modelFile", str((source / "model.onnx").resolve()), "--MNNModel", str((out / MODEL).resolve())]
    command = [sys.executable, "-c", CODE, "-f", "ONNX", *files, "--bizCode", "dliflow", *half]
    with tempfile.TemporaryDirectory() as folder:
        result = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    print(result.stdout, flush=True)
    if result.returncode or not (out / MODEL).exists():
        reason = (result.stdout.split("\n\n")[0].strip().splitlines() or ["no output"])[-1]
        raise DliflowError(f"MNN did not convert the model (status {result.returncode}): {reason}")
