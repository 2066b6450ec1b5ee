"""OpenCV's DNN module, CPU target."""

from __future__ import annotations

from pathlib import Path

from dliflow.errors import DliflowError
from dliflow.frameworks import Option, counts, take_options

MODEL = "model.onnx"
ENGINE, CLASSIC = "OPENCV_FORCE_DNN_ENGINE", "1"  # cv::dnn::EngineType
THREADS = Option(
    int,
    None,
    "threads of the whole process; the default is one for each hardware thread",
    minimum=1,
    tried=lambda machine: counts(machine.cpus)[:-1],
    code="cv2.setNumThreads({value})",
)
OPTIONS = {
    "classic_engine": Option(
        bool,
        False,
        "the engine of OpenCV 4 in place of that of OpenCV 5",
        tried=lambda machine: [True],
        arithmetic=True,
        code=f'os.environ["{ENGINE}"] = "{CLASSIC}"',
    ),
    "fusion": Option(
        bool,
        True,
        "layers that follow each other are computed as one; only the classic engine can do without",
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
TOGETHER = (("threads", "winograd"), ("classic_engine", "fusion", "winograd"))


def valid(settings, processors, *, precision, variant, batch_size):
    """Fusion is a matter of the classic engine."""
    return "fusion" not in settings or "classic_engine" in settings


def environment(threads, options):
    """The engine is chosen when the first network is read, for all of them."""
    return {ENGINE: CLASSIC} if options.get("classic_engine") else {}


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
    if not (options["fusion"] or options["classic_engine"]):
        raise DliflowError(
            "options.opencv.fusion: False: OpenCV 5's engine has no network then; set classic_engine, too, or leave it"
        )
    if threads:
        cv2.setNumThreads(threads)
    net = cv2.dnn.readNetFromONNX(str(model / MODEL))
    net.enableFusion(options["fusion"])
    net.enableWinograd(options["winograd"])
    return OpenCv(net, cv2.getNumThreads())
