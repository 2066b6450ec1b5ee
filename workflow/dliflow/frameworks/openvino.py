"""OpenVINO, CPU and GPU plugin.

"fp32" means float32 arithmetic: on CPUs with bf16 instructions the plugin's default would be bf16, which
moves scores by more than one, so the arithmetic of everything that is not int8 is always set. On a GPU "fp16" is
arithmetic, too; threads, cores and pinning are of CPUs only.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Optional

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
    "hint": Option(
        str,
        "LATENCY",
        "what the plugin chooses by where nothing else is said: LATENCY takes no second hardware threads of cores, and "
        "no slow cores; THROUGHPUT takes all",
        choices=("LATENCY", "THROUGHPUT"),
        tried=lambda machine: ["THROUGHPUT"],
        code='properties["PERFORMANCE_HINT"] = {value}',
    ),
    "streams": Option(
        int,
        1,
        "requests that the plugin can work on at once",
        minimum=1,
        # A request runs in one stream, and has its threads only; two show what that costs.
        tried=lambda machine: [2] if machine.cores > 1 else [],
        code='properties["NUM_STREAMS"] = {value}',
    ),
    "hyper_threading": Option(
        bool,
        None,
        "whether both hardware threads of a core are taken",
        tried=lambda machine: [True] if machine.cpus > machine.cores else [],
        code='properties["ENABLE_HYPER_THREADING"] = {value}',
    ),
    "pinning": Option(
        bool,
        None,
        "whether each thread stays on its core, as they do by default for latency",
        tried=lambda machine: [False],
        code='properties["ENABLE_CPU_PINNING"] = {value}',
    ),
    "core_type": Option(
        str,
        None,
        "of which kind the cores are that are taken, where there are two",
        choices=("ANY_CORE", "PCORE_ONLY", "ECORE_ONLY"),
        tried=lambda machine: ["ANY_CORE", "PCORE_ONLY", "ECORE_ONLY"] if machine.hybrid else [],
        code='properties["SCHEDULING_CORE_TYPE"] = {value}',
    ),
    "preset_input": Option(
        bool,
        False,
        "the batch is copied into the request's own input, instead of being read where it lies",
        tried=lambda machine: [True],
        code="request.input_tensors[0].data[:] = batch\nscores = request.infer()[0]",
    ),
    "shared_outputs": Option(
        bool,
        False,
        "the scores stay in the request's own memory, which the next one writes to, instead of being copied out",
        tried=lambda machine: [True],
        code="scores = request.infer({0: batch}, share_inputs=True, share_outputs=True)[0]",
    ),
}
TOGETHER = (
    ("threads", "hint", "streams"),
    ("threads", "pinning"),
    ("hint", "core_type"),
    ("hyper_threading", "pinning"),
    ("preset_input", "shared_outputs"),
)


def valid(settings, processors, *, precision, variant, batch_size):
    """Streams share the threads; a single thread needs no core; THROUGHPUT matters where there is more to choose."""
    threads = settings.get("threads") or processors.cores
    more = processors.cpus > processors.cores or processors.hybrid
    return not (
        settings.get("streams", 1) > threads
        or ("pinning" in settings and threads == 1)
        or (settings.get("hint") == "THROUGHPUT" and not more)
        or (settings.get("hint") == "THROUGHPUT" and "hyper_threading" in settings)
    )


def version():
    """The installed version."""
    return openvino_package.imported().get_version().split("-")[0]


def supports(precision, device):
    """Everything on a CPU, all but BF16 on a GPU; what the processor has is found out there."""
    if device == "gpu" and precision == "bf16":
        return "OpenVINO's GPU plugin has no bf16 arithmetic"
    if precision not in ("fp32", "fp16", "bf16", "int8"):
        return f"no {precision} model is made for OpenVINO"
    return None


class OpenVino:
    """A compiled model with one inference request."""

    def __init__(self, compiled, share_outputs: bool):
        self.compiled = compiled
        self.request = compiled.create_infer_request()
        self.infer = partial(self.request.infer, **openvino_package.sharing(self.request.infer, share_outputs))
        self.output = compiled.output(0)
        self.threads = threads_of(compiled)

    def predict(self, batch):
        """One synchronous request; the input is read in place."""
        return self.infer({0: batch})[self.output]


class Preset(OpenVino):
    """A compiled model whose request keeps its input."""

    def __init__(self, compiled, share_outputs: bool):
        super().__init__(compiled, share_outputs)
        self.input = self.request.input_tensors[0].data

    def predict(self, batch):
        """Copy the batch in, and make a synchronous request."""
        self.input[:] = batch
        return self.infer()[self.output]


class OpenVinoQueue:
    """A compiled model's `AsyncInferQueue`."""

    def __init__(self, compiled, requests: int):
        self.queue = openvino_package.imported().AsyncInferQueue(compiled, requests)
        self.start_async = partial(self.queue.start_async, **openvino_package.sharing(self.queue.start_async))
        self.queue.set_callback(lambda request, done: done(request.get_output_tensor().data.copy()))
        self.threads = threads_of(compiled)

    def free(self):
        """The request that is free next."""
        return self.queue.get_idle_request_id()

    def start(self, batch, done):
        """One asynchronous request; the input is read in place, the scores are copied in the callback."""
        self.start_async({0: batch}, done)

    def wait(self):
        """For all of them."""
        self.queue.wait_all()


def load(model: Path, *, precision, variant, device, batch_size, threads, options):
    """Compile for the latency of single requests at exactly this batch size."""
    options = take_options("openvino", options)
    hints = {"PERFORMANCE_HINT": options["hint"], "NUM_STREAMS": options["streams"]}
    session = Preset if options["preset_input"] else OpenVino
    network = compiled(model, precision, device, batch_size, threads, options, hints)
    return session(network, options["shared_outputs"])


def concurrent(model: Path, *, precision, variant, device, batch_size, threads, options, in_flight):
    """Compile for throughput, with as many streams as the plugin takes for so many requests.

    Hint and streams are others where the options name them; how input and scores lie is of single requests only.
    """
    hints = {
        "PERFORMANCE_HINT": options.get("hint", "THROUGHPUT"),
        "PERFORMANCE_HINT_NUM_REQUESTS": in_flight,
        "NUM_STREAMS": options.get("streams"),
    }
    taken = take_options("openvino", options)
    return OpenVinoQueue(compiled(model, precision, device, batch_size, threads, taken, hints), in_flight)


def compiled(model: Path, precision, device, batch_size, threads, options, hints):
    """The network, compiled for a device and exactly this batch size."""
    core = openvino_package.imported().Core()
    plugin = device.upper()
    if not any(name.split(".")[0] == plugin for name in core.available_devices):
        raise Skip(f"OpenVINO sees no {plugin} on this machine, only {', '.join(core.available_devices)}")
    if precision == "bf16" and "BF16" not in core.get_property(plugin, "OPTIMIZATION_CAPABILITIES"):
        raise Skip("this CPU has no bf16 instructions (AVX512-BF16 or AMX)")
    network = core.read_model(str(model / MODEL))
    shape = network.input(0).partial_shape
    shape[0] = batch_size
    network.reshape(shape)
    properties = {"INFERENCE_PRECISION_HINT": arithmetic(precision, device), **hints}
    if device == "cpu":
        properties |= {
            "INFERENCE_NUM_THREADS": threads,
            "ENABLE_HYPER_THREADING": options["hyper_threading"],
            "ENABLE_CPU_PINNING": options["pinning"],
            "SCHEDULING_CORE_TYPE": options["core_type"],
        }
    named = {name: value for name, value in properties.items() if value is not None}
    running = core.compile_model(network, plugin, named)
    running.core = core  # without it, before 2023.1, the model tells nothing of itself
    return running


def arithmetic(precision: str, device: str) -> str:
    """In which floating point the plugin computes what is not int8."""
    if precision == "bf16":
        return "bf16"
    return "f16" if precision == "fp16" and device == "gpu" else "f32"


def threads_of(compiled) -> Optional[int]:
    """Compute threads in effect; None where the plugin has none, as on a GPU."""
    if "INFERENCE_NUM_THREADS" not in compiled.get_property("SUPPORTED_PROPERTIES"):
        return None
    return int(compiled.get_property("INFERENCE_NUM_THREADS"))
