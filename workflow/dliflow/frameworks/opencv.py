"""OpenCV's DNN module, CPU target."""

from __future__ import annotations

from pathlib import Path

from dliflow.frameworks import Option, counts, take_options

MODEL = "model.onnx"
THREADS = Option(
    int,
    None,
    "threads of the whole process; the default is one for each hardware thread",
    minimum=1,
    tried=lambda machine: counts(machine.cpus)[:-1],
    code="cv2.setNumThreads({value})",
)
OPTIONS = {
    "fusion": Option(
        bool,
        True,
        "layers that follow each other are computed as one",
        tried=lambda machine: [False],
        arithmetic=True,
        code="net.enableFusion({value})",
    ),
    "winograd": Option(
        bool,
        True,
        "convolutions of 3 x 3 by Winograd's algorithm, which multiplies less and rounds otherwise",
        tried=lambda machine: [False],
        arithmetic=True,
        code="net.enableWinograd({value})",
    ),
}
TOGETHER = (("threads", "winograd"), ("fusion", "winograd"))


def version():
    """The installed version."""
    import cv2

    return cv2.__version__


def supports(precision, device):
    """FP32 and INT8 on a CPU."""
    if device != "cpu":
        return f"the pinned OpenCV package has no DNN back end for {device}"
    if precision == "fp16":
        return "OpenCV's FP16 target of the CPU exists on ARM only"
    if precision == "bf16":
        return "OpenCV has no bf16 target"
    if precision not in ("fp32", "int8"):
        return f"no {precision} model is made for OpenCV"
    return None


class OpenCv:
    """A network of the DNN module."""

    def __init__(self, net, threads: int):
        self.net = net
        self.threads = threads

    def predict(self, batch):
        """Set the input blob and run forward."""
        self.net.setInput(batch)
        return self.net.forward()


def load(model: Path, *, precision, variant, device, batch_size, threads, options):
    """Read the network; the number of threads is a setting of the whole process."""
    import cv2

    options = take_options("opencv", options)
    if threads:
        cv2.setNumThreads(threads)
    net = cv2.dnn.readNetFromONNX(str(model / MODEL))
    net.enableFusion(options["fusion"])
    net.enableWinograd(options["winograd"])
    return OpenCv(net, cv2.getNumThreads())
