"""MXNet: a symbol and its parameters.

`imperative` runs the operators one after another from Python, as Gluon does without hybridization; `hybrid`
is Gluon's `hybridize(static_alloc=True, static_shape=True)`. int8 takes oneDNN's fused operators, which exist
in symbols only. The system's libgomp is needed.
"""

from __future__ import annotations

import ctypes
import json
from pathlib import Path

from dliflow.frameworks import Option, counts, take_options

VARIANTS = ("imperative", "hybrid")
MODEL = "model"  # how the names of its files begin; MXNet adds the rest
SYMBOL, PARAMETERS = f"{MODEL}-symbol.json", f"{MODEL}-0000.params"
THREADS = Option(
    int,
    None,
    "threads of OpenMP and OpenBLAS; the default is half the hardware threads",
    minimum=1,
    tried=lambda machine: [count for count in counts(machine.cpus) if count != max(1, machine.cpus // 2)],
    code=(
        'os.environ["OMP_NUM_THREADS"] = "{value}"\n'
        'os.environ["MXNET_OMP_MAX_THREADS"] = "{value}"\n'
        'os.environ["OPENBLAS_NUM_THREADS"] = "{value}"'
    ),
)
OPTIONS = {
    "backend": Option(
        str,
        None,
        "MKLDNN fuses the hybrid variant's FP32 operators into oneDNN's, as INT8's are",
        choices=("MKLDNN",),
        tried=lambda machine: ["MKLDNN"],
        arithmetic=True,
        another_way=True,
        code="symbol = symbol.get_backend_symbol({value})",
    ),
    "static": Option(
        bool,
        True,
        "the hybrid variant keeps the memory of its operators from request to request",
        tried=lambda machine: [False],
        code="network.hybridize(static_alloc={value}, static_shape={value})",
    ),
}
TOGETHER = (("threads", "backend"), ("backend", "static"))


def valid(settings, processors, *, precision, variant, batch_size):
    """Options are about the hybrid variant; INT8 is fused already."""
    if "backend" in settings and precision != "fp32":
        return False
    return variant == "hybrid" or not settings.keys() & {"backend", "static"}


def version():
    """The installed version."""
    import mxnet

    return mxnet.__version__


def environment(threads, options):
    """Threads are settings of the process that MXNet reads when it is imported."""
    names = ("OMP_NUM_THREADS", "MXNET_OMP_MAX_THREADS", "OPENBLAS_NUM_THREADS") if threads else ()
    return {"MXNET_CPU_WORKER_NTHREADS": "1", **{name: str(threads) for name in names}}


def supports(precision, device):
    """FP32 and INT8 on a CPU."""
    if device != "cpu":
        return f"the pinned mxnet package has no {device} kernels"
    if precision == "fp16":
        return "MXNet's FP16 operators are made for GPUs"
    return None if precision in ("fp32", "int8") else f"no {precision} model is made for MXNet"


def unavailable(precision, device, variant):
    """INT8 exists in symbols only."""
    if precision == "int8" and variant == "imperative":
        return "MXNet's INT8 operators are parts of fused symbols and cannot run one by one"
    return None


class MxNet:
    """A callable network of one input."""

    def __init__(self, mx, network, threads: int):
        self.network = network
        self.array = mx.nd.array
        self.threads = threads

    def predict(self, batch):
        """Copy the batch in, run, wait for the scores and copy them out."""
        return self.network(self.array(batch)).asnumpy()


def load(model: Path, *, precision, variant, device, batch_size, threads, options):
    """Open symbol and parameters; the threads are those of `environment`."""
    import mxnet as mx

    options = take_options("mxnet", options)
    if variant == "imperative":
        network = imperative(mx, model)
    else:
        symbol = mx.sym.load(str(model / SYMBOL))
        if options["backend"] and precision == "fp32":
            symbol = symbol.get_backend_symbol(options["backend"])
        network = mx.gluon.SymbolBlock(symbol, mx.sym.Variable("data", dtype="float32"))
        saved = {"cast_dtype": True, "dtype_source": "saved"}
        network.collect_params().load(str(model / PARAMETERS), ctx=mx.cpu(), **saved)
        network.hybridize(static_alloc=options["static"], static_shape=options["static"])
    return MxNet(mx, network, ctypes.CDLL("libgomp.so.1").omp_get_max_threads())  # MXNet itself does not tell


def imperative(mx, model: Path):
    """A function that runs the operators of a symbol one by one, each in a call of its own into MXNet."""
    nodes = json.loads((model / SYMBOL).read_text(encoding="utf-8"))["nodes"]
    parameters = {key.split(":", 1)[1]: value for key, value in mx.nd.load(str(model / PARAMETERS)).items()}
    constants = [parameters.get(node["name"]) for node in nodes]
    data = [node["name"] for node in nodes].index("data")
    steps = []
    for number, node in enumerate(nodes):
        if node["op"] != "null":
            operator = getattr(mx.nd, node["op"], None) or getattr(mx.nd._internal, node["op"])
            steps.append((number, operator, [entry[0] for entry in node["inputs"]], node.get("attrs", {})))

    def run(x):
        values = constants.copy()
        values[data] = x
        for number, operator, inputs, attributes in steps:
            values[number] = operator(*[values[place] for place in inputs], **attributes)
        return values[-1]

    return run
