"""OpenVINO, CPU plugin.

"fp32" means float32 arithmetic: on CPUs with bf16 instructions the plugin's default would be bf16, which moves
scores by more than one, so the precision is always set.
"""

from __future__ import annotations

from pathlib import Path

from dliflow.frameworks import take_options

MODEL = "model.xml"


def version():
    """The installed version."""
    import openvino

    return openvino.__version__.split("-")[0]


def supports(precision, device):
    """FP32 and FP16 weights on a CPU."""
    if device != "cpu":
        return f"OpenVINO's {device} plugin is not wired yet; device 'cpu' is"
    if precision not in ("fp32", "fp16"):
        return f"no {precision} model is made for OpenVINO yet"
    return None


def convert(source, out, precision, calibration):
    """ONNX to IR; fp16 keeps the weights in half precision."""
    import openvino

    model = openvino.convert_model(str(source / "model.onnx"))
    openvino.save_model(model, str(out / MODEL), compress_to_fp16=precision == "fp16")


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
    import openvino

    options = take_options("openvino", options, streams=1)
    core = openvino.Core()
    network = core.read_model(str(model / MODEL))
    shape = network.input(0).partial_shape
    shape[0] = batch_size
    network.reshape(shape)
    properties = {
        "INFERENCE_PRECISION_HINT": "f32",
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": str(options["streams"]),
    }
    if threads:
        properties["INFERENCE_NUM_THREADS"] = str(threads)
    return OpenVino(core.compile_model(network, "CPU", properties))
