"""ncnn, CPU: float32 arithmetic and storage, whatever its own choice would be.

fp16 keeps the weights in half precision in the file; they become float32 when it is loaded.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dliflow.errors import DliflowError
from dliflow.frameworks import Option, counts, take_options

MODEL = "model.param"
WEIGHTS = "model.bin"
INPUT, OUTPUT = "in0", "out0"  # as pnnx names them
THREADS = Option(
    int,
    None,
    "threads; the default is one for each core, of the fast kind where there are two",
    minimum=1,
    tried=lambda machine: [count for count in counts(machine.cpus) if count != machine.cores],
    code="net.opt.num_threads = {value}",
)
OPTIONS = {
    "winograd": Option(
        bool,
        True,
        "convolutions of 3 x 3 by Winograd's algorithm, which multiplies less and rounds otherwise",
        tried=lambda machine: [False],
        arithmetic=True,
        code="net.opt.use_winograd_convolution = {value}",
    ),
    "sgemm": Option(
        bool,
        True,
        "convolutions as products of matrices",
        tried=lambda machine: [False],
        arithmetic=True,
        code="net.opt.use_sgemm_convolution = {value}",
    ),
    "packing": Option(
        bool,
        True,
        "channels are kept in packs, as wide as the CPU's vectors",
        tried=lambda machine: [False],
        arithmetic=True,
        code="net.opt.use_packing_layout = {value}",
    ),
    "lightmode": Option(
        bool,
        True,
        "what is no longer needed gives its memory back while a request runs",
        tried=lambda machine: [False],
        code="net.opt.lightmode = {value}",
    ),
}
TOGETHER = (("threads", "winograd"),)
CONCURRENT = "threads"  # a network takes calls from any number of them


def version():
    """The installed version."""
    import ncnn

    return ncnn.__version__


def supports(precision, device):
    """FP32 and FP16 weights on a CPU."""
    if device != "cpu":
        return "ncnn's GPU back end is Vulkan, which is not wired yet; device 'cpu' is"
    if precision == "int8":
        return "ncnn's tools for INT8 (ncnn2table, ncnn2int8) are not in its packages for Python"
    if precision == "bf16":
        return "ncnn's bf16 is a way to store values; its arithmetic stays float32"
    return None if precision in ("fp32", "fp16") else f"no {precision} model is made for ncnn"


class Ncnn:
    """A loaded network."""

    def __init__(self, net, matrix):
        self.net, self.matrix = net, matrix
        self.threads = net.opt.num_threads

    def predict(self, batch):
        """Run on the batch where it lies, and copy the scores out."""
        with self.net.create_extractor() as extractor:
            extractor.input(INPUT, self.matrix(batch, batch_index=0))
            status, scores = extractor.extract(OUTPUT)
            if status:
                raise DliflowError(f"ncnn could not run the network (status {status}); its reason is in the log")
            return np.array(scores.numpy(batch_index=0))


def load(model: Path, *, precision, variant, device, batch_size, threads, options):
    """Open the network; batches of any size go through it."""
    import ncnn

    asked = take_options("ncnn", options)
    net = ncnn.Net()
    net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = False
    net.opt.use_bf16_packed = net.opt.use_bf16_storage = False
    net.opt.use_winograd_convolution = asked["winograd"]
    net.opt.use_sgemm_convolution = asked["sgemm"]
    net.opt.use_packing_layout = asked["packing"]
    net.opt.lightmode = asked["lightmode"]
    if threads:
        net.opt.num_threads = threads
    for load_file, name in ((net.load_param, MODEL), (net.load_model, WEIGHTS)):
        if load_file(str(model / name)):
            raise DliflowError(f"{model / name}: ncnn cannot read the file; its reason is in the log")
    return Ncnn(net, ncnn.Mat)
