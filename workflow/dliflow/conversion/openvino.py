"""OpenVINO's models: IR, quantized by NNCF."""

from __future__ import annotations

import tempfile
from pathlib import Path

from dliflow.conversion.graphs import onnx_graph
from dliflow.errors import Skip
from dliflow.frameworks.openvino import MODEL
from dliflow.frameworks.shared import openvino_package


def convert(source, out, precision, calibration):
    """ONNX to IR; fp16 keeps the weights in half precision, bf16 is fp32 run with other arithmetic."""
    openvino = openvino_package.imported()
    old = not hasattr(openvino, "save_model")  # before 2023.1, whose converter was a program beside the package
    model = _read(openvino.Core(), source) if old else openvino.convert_model(str(source / "model.onnx"))
    if precision == "int8":
        model = _quantize(model, calibration)
    if not old:
        openvino.save_model(model, str(out / MODEL), compress_to_fp16=precision == "fp16")
        return
    if precision == "fp16":
        _halve_weights(model)
    openvino.serialize(model, str(out / MODEL), str((out / MODEL).with_suffix(".bin")))


def _read(core, source):
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "model.onnx"
        onnx_graph.with_axes_as_attributes(source / "model.onnx", plain)
        return core.read_model(str(plain))


def _halve_weights(model):
    """What `save_model` does in newer versions, and the older ones' `mo` did."""
    from openvino._offline_transformations import compress_model_transformation

    compress_model_transformation(model)


def _quantize(model, calibration):
    """Post-training quantization by NNCF; what it cannot quantize stays in float32."""
    try:
        import nncf
        from nncf.quantization.advanced_parameters import AdvancedQuantizationParameters, OverflowFix
    except ModuleNotFoundError:  # that of OpenVINO 2022 has POT
        raise Skip(
            "this version's environment has no NNCF of 2.5 or newer, which makes INT8 of OpenVINO's models"
        ) from None

    return nncf.quantize(
        model,
        nncf.Dataset([image[None] for image in calibration]),
        subset_size=len(calibration),
        preset=nncf.QuantizationPreset.MIXED,  # asymmetric activations, for networks without ReLU
        # CPUs without VNNI add pairs of products in 16 bits, which overflow with 8-bit weights: on such a CPU
        # the error of EfficientNet-Lite0's scores was 1.6 times that with 7 bits (NNCF's default spares the
        # first layer only). Computed exactly, as with VNNI, 7 bits make the error a tenth larger.
        advanced_parameters=AdvancedQuantizationParameters(overflow_fix=OverflowFix.ENABLE),
    )
