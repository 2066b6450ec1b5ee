"""OpenVINO, CPU plugin.

"fp32" means float32 arithmetic: on CPUs with bf16 instructions the plugin's default would be bf16, which
moves scores by more than one, so the arithmetic of everything that is not int8 is always set.
"""

from __future__ import annotations

from pathlib import Path

from dliflow.errors import Skip
from dliflow.frameworks import Option, counts, take_options
from dliflow.frameworks.shared import openvino_package

MODEL = "model.xml"
THREADS = Option(
    int,
    None,
    "threads of all streams together; the default is one for each core, of the fast kind where there are two",
    minimum=1,
    tried=lambda machine: counts(machine.cores)[:-1],
    code='properties["INFERENCE_NUM_THREADS"] = {value}',
)
OPTIONS = {
    "streams": Option(
        int,
        1,
        "requests that the plugin can work on at once",
        minimum=1,
        tried=lambda machine: counts(machine.cores)[1:],
        code='properties["NUM_STREAMS"] = {value}',
    )
}


def version():
    """The installed version."""
    return openvino_package.imported().__version__.split("-")[0]


def supports(precision, device):
    """Everything on a CPU; whether it has bf16 instructions is found out there."""
    if device != "cpu":
        return f"OpenVINO's {device} plugin is not wired yet; device 'cpu' is"
    if precision not in ("fp32", "fp16", "bf16", "int8"):
        return f"no {precision} model is made for OpenVINO"
    return None


class OpenVino:
    """A compiled model with one inference request."""

    def __init__(self, compiled):
        self.request = compiled.create_infer_request()
        self.threads = int(compiled.get_property("INFERENCE_NUM_THREADS"))

    def predict(self, batch):
        """One synchronous request; the input is read in place."""
        return self.request.infer({0: batch}, share_inputs=True)[0]


class OpenVinoQueue:
    """A compiled model's `AsyncInferQueue`."""

    def __init__(self, compiled, requests: int):
        self.queue = openvino_package.imported().AsyncInferQueue(compiled, requests)
        self.queue.set_callback(lambda request, done: done(request.get_output_tensor().data.copy()))
        self.threads = int(compiled.get_property("INFERENCE_NUM_THREADS"))

    def free(self):
        """The request that is free next."""
        return self.queue.get_idle_request_id()

    def start(self, batch, done):
        """One asynchronous request; the input is read in place, the scores are copied in the callback."""
        self.queue.start_async({0: batch}, done, share_inputs=True)

    def wait(self):
        """For all of them."""
        self.queue.wait_all()


def load(model: Path, *, precision, variant, device, batch_size, threads, options):
    """Compile for the latency of single requests at exactly this batch size."""
    hints = {"PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": str(take_options("openvino", options)["streams"])}
    return OpenVino(compiled(model, precision, batch_size, threads, hints))


def concurrent(model: Path, *, precision, variant, device, batch_size, threads, options, in_flight):
    """Compile for throughput: with as many streams as the plugin takes for so many requests, or as the options say."""
    take_options("openvino", options)
    hints = {"PERFORMANCE_HINT": "THROUGHPUT", "PERFORMANCE_HINT_NUM_REQUESTS": str(in_flight)}
    if "streams" in options:
        hints["NUM_STREAMS"] = str(options["streams"])
    return OpenVinoQueue(compiled(model, precision, batch_size, threads, hints), in_flight)


def compiled(model: Path, precision, batch_size, threads, hints):
    """The network, compiled for exactly this batch size."""
    core = openvino_package.imported().Core()
    if precision == "bf16" and "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        raise Skip("this CPU has no bf16 instructions (AVX512-BF16 or AMX)")
    network = core.read_model(str(model / MODEL))
    shape = network.input(0).partial_shape
    shape[0] = batch_size
    network.reshape(shape)
    properties = {"INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32", **hints}
    if threads:
        properties["INFERENCE_NUM_THREADS"] = str(threads)
    return core.compile_model(network, "CPU", properties)
