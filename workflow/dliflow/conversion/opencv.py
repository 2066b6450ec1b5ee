"""OpenCV's models: it reads the interchange graph itself.

OpenCV 5 has no quantizer of its own any more; it reads int8 models that ONNX Runtime's tool made.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from dliflow.conversion.graphs import onnx_graph
from dliflow.frameworks.opencv import MODEL

CONVERTER = dict.fromkeys(("fp32", "int8"), "onnxruntime")  # OpenCV's own environment cannot write ONNX


def convert(source, out, precision, calibration):
    """OpenCV reads ONNX itself, and of quantized graphs those made of quantized operators."""
    with tempfile.TemporaryDirectory() as folder:
        plain, bounded = Path(folder) / "plain.onnx", Path(folder) / "model.onnx"
        onnx_graph.with_axes_as_attributes(source / "model.onnx", plain)
        onnx_graph.bound_tanh(plain, bounded)
        if precision != "int8":
            shutil.copyfile(bounded, out / MODEL)
            return
        # OpenCV 5.0.0 forgets the bias of quantized fully connected layers, and fuses a quantized convolution with the
        # sigmoid behind it, quantized or not, to something else: scores are off by 0.6 to 0.8 of their spread, where
        # ONNX Runtime's are off by 0.01 with the same file. So these stay in float32.
        onnx_graph.quantize(
            bounded,
            out / MODEL,
            calibration,
            operators=True,
            exclude=("Gemm", "MatMul"),
            pairs=(("Conv", "Sigmoid"),),
        )
