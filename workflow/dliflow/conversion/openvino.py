"""OpenVINO's models: IR, quantized by NNCF."""

from __future__ import annotations

from dliflow.frameworks.openvino import MODEL
from dliflow.frameworks.shared import openvino_package


def convert(source, out, precision, calibration):
    """ONNX to IR; fp16 keeps the weights in half precision, bf16 is fp32 run with other arithmetic."""
    openvino = openvino_package.imported()
    model = openvino.convert_model(str(source / "model.onnx"))
    if precision == "int8":
        model = _quantize(model, calibration)
    openvino.save_model(model, str(out / MODEL), compress_to_fp16=precision == "fp16")


def _quantize(model, calibration):
    """Post-training quantization by NNCF; what it cannot quantize stays in float32."""
    import nncf

    return nncf.quantize(
        model,
        nncf.Dataset([image[None] for image in calibration]),
        subset_size=len(calibration),
        preset=nncf.QuantizationPreset.MIXED,  # asymmetric activations, for networks without ReLU
        # CPUs without VNNI add pairs of products in 16 bits, which overflow with 8-bit weights: on such a CPU
        # the error of EfficientNet-Lite0's scores was 1.6 times that with 7 bits (NNCF's default spares the
        # first layer only). Computed exactly, as with VNNI, 7 bits make the error a tenth larger.
        advanced_parameters=nncf.AdvancedQuantizationParameters(overflow_fix=nncf.OverflowFix.ENABLE),
    )
