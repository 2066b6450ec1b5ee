"""OpenVINO, CPU plugin.

"fp32" means float32 arithmetic: on CPUs with bf16 instructions the plugin's default would be bf16, which
moves scores by more than one, so the arithmetic of everything that is not int8 is always set.
"""

from __future__ import annotations

import sys
from pathlib import Path

from dliflow.errors import Skip
from dliflow.frameworks import Option, take_options

MODEL = "model.xml"
OPTIONS = {"streams": Option(int, 1, "requests that the plugin can work on at once", minimum=1)}


def _openvino():
    """The package, without its telemetry, which sends an event on import, from measuring processes too."""
    modules: dict = sys.modules
    modules["openvino_telemetry"] = None  # cannot be imported: OpenVINO and NNCF fall back to stubs
    import openvino

    return openvino


def version():
    """The installed version."""
    return _openvino().__version__.split("-")[0]


def supports(precision, device):
    """Everything on a CPU; whether it has bf16 instructions is found out there."""
    if device != "cpu":
        return f"OpenVINO's {device} plugin is not wired yet; device 'cpu' is"
    if precision not in ("fp32", "fp16", "bf16", "int8"):
        return f"no {precision} model is made for OpenVINO"
    return None


def convert(source, out, precision, calibration):
    """ONNX to IR; fp16 keeps the weights in half precision, bf16 is fp32 run with other arithmetic."""
    openvino = _openvino()
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


class OpenVino:
    """A compiled model with one inference request."""

    def __init__(self, compiled):
        self.request = compiled.create_infer_request()
        self.threads = int(compiled.get_property("INFERENCE_NUM_THREADS"))

    def predict(self, batch):
        """One synchronous request; the input is read in place."""
        return self.request.infer({0: batch}, share_inputs=True)[0]


def load(model: Path, *, precision, variant, device, batch_size, threads, options):
    """Compile for the latency of single requests at exactly this batch size."""
    openvino = _openvino()
    options = take_options("openvino", options)
    core = openvino.Core()
    if precision == "bf16" and "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        raise Skip("this CPU has no bf16 instructions (AVX512-BF16 or AMX)")
    network = core.read_model(str(model / MODEL))
    shape = network.input(0).partial_shape
    shape[0] = batch_size
    network.reshape(shape)
    properties = {
        "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32",
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": str(options["streams"]),
    }
    if threads:
        properties["INFERENCE_NUM_THREADS"] = str(threads)
    return OpenVino(core.compile_model(network, "CPU", properties))
