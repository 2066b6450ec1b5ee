"""ONNX Runtime, CPU, CUDA and TensorRT execution provider.

Those for a GPU are in another package, `onnxruntime-gpu`: that of `envs/onnxruntime@cuda.yaml`. TensorRT itself is in
neither, and has to be the system's. A request copies the batch to the GPU and the scores back, which is part of what is
timed.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any, Optional

from dliflow.errors import Skip
from dliflow.frameworks import Option, counts, take_options
from dliflow.frameworks.shared import tf32
from dliflow.machine import facts

MODEL = "model.onnx"
HALF = "float16.onnx"  # in place of it, where arithmetic is in float16, too: FP16 of the package for GPUs
CUDA = "CUDAExecutionProvider"
ON_GPU = {"CUDA": CUDA, "TensorRT": "TensorrtExecutionProvider"}
THREADS = Option(
    int,
    None,
    "intra-op threads; the default, one for each core, binds each of them to its core, a number does not",
    minimum=1,
    tried=lambda machine: counts(machine.cpus),
    code="options.intra_op_num_threads = {value}",
)
OPTIONS = {
    "parallel_execution": Option(
        bool,
        False,
        "branches of the graph run side by side, each on the intra-op threads",
        tried=lambda machine: [True],
        code="options.execution_mode = onnxruntime.ExecutionMode.ORT_PARALLEL",
    ),
    "inter_op_threads": Option(
        int,
        None,
        "how many branches do; the default is one for each core",
        minimum=1,
        tried=lambda machine: counts(machine.cores)[1:-1],
        code="options.inter_op_num_threads = {value}",
    ),
    "optimization": Option(
        str,
        "ORT_ENABLE_ALL",
        "how far the graph is optimized: EXTENDED does without this CPU's layouts, BASIC without fused operators too",
        choices=("ORT_ENABLE_ALL", "ORT_ENABLE_EXTENDED", "ORT_ENABLE_BASIC", "ORT_DISABLE_ALL"),
        tried=lambda machine: ["ORT_ENABLE_EXTENDED", "ORT_ENABLE_BASIC"],
        arithmetic=True,
        code="options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.{text}",
    ),
    "memory_arena": Option(
        bool,
        True,
        "memory is kept for later requests",
        tried=lambda machine: [False],
        code="options.enable_cpu_mem_arena = {value}",
    ),
    "memory_pattern": Option(
        bool,
        True,
        "the memory of a request is taken in one piece",
        tried=lambda machine: [False],
        code="options.enable_mem_pattern = {value}",
    ),
    "allow_spinning": Option(
        bool,
        True,
        "threads that wait for work do not sleep",
        tried=lambda machine: [False],
        code='options.add_session_config_entry("session.intra_op.allow_spinning", str(int({value})))',
    ),
    "dynamic_block_base": Option(
        int,
        0,
        "work is dealt out in so many parts for each thread, which get smaller; 0: in equal parts",
        minimum=0,
        tried=lambda machine: [4],
        code='options.add_session_config_entry("session.dynamic_block_base", "{value}")',
    ),
    "thread_affinities": Option(
        str,
        None,
        "processors of each thread but the first, counted from 1, such as 2;3,4; needs a number of threads",
        # Without SMT this is what the default does.
        tried=lambda machine: [";".join(map(str, range(2, machine.cpus + 1)))] if machine.cpus > machine.cores else [],
        code='options.add_session_config_entry("session.intra_op_thread_affinities", {value})',
    ),
    "io_binding": Option(
        bool,
        False,
        "the scores are written into memory of the program's own, the same for each request",
        tried=lambda machine: [True],
        code=(
            "binding = session.io_binding()\n"
            "binding.bind_ortvalue_output(OUTPUT, onnxruntime.OrtValue.ortvalue_from_numpy(scores))\n"
            "binding.bind_cpu_input(INPUT, batch)\n"
            "session.run_with_iobinding(binding)"
        ),
    ),
    "tf32": tf32.option("ONNX Runtime's own default", 'providers[0] = ("CUDAExecutionProvider", {"use_tf32": "1"})'),
    "gpu_provider": Option(
        str,
        "CUDA",
        "what runs the graph on a GPU; TensorRT builds an engine when a model is opened, which can take minutes, and "
        "leaves to CUDA what it cannot",
        choices=tuple(ON_GPU),
        tried=lambda machine: ["TensorRT"],
        arithmetic=True,
        another_way=True,
        device="gpu",
        code='providers.insert(0, "TensorrtExecutionProvider")',
    ),
}
TOGETHER = (
    ("threads", "allow_spinning"),
    ("threads", "thread_affinities"),
    ("threads", "dynamic_block_base"),
    ("threads", "parallel_execution", "inter_op_threads"),
    ("optimization", "memory_arena"),
)
CONCURRENT = "threads"  # a session takes calls from any number of them


def valid(settings, processors, *, precision, variant, batch_size):
    """What is about several threads needs them; what is about branches, that these run side by side."""
    threads = settings.get("threads") or processors.cores
    parallel = settings.get("parallel_execution", False)
    affinities = settings.get("thread_affinities")
    return not (
        (threads == 1 and settings.keys() & {"parallel_execution", "allow_spinning", "dynamic_block_base"})
        or ("inter_op_threads" in settings and not parallel)
        or (affinities is not None and len(affinities.split(";")) + 1 != settings.get("threads"))
    )


def environment(threads, options):
    """TensorRT has factors of products rounded (TF32) unless NVIDIA's libraries are told not to."""
    rounded = options.get("gpu_provider") != "TensorRT" or options.get("tf32")
    return {} if rounded else {"NVIDIA_TF32_OVERRIDE": "0"}


def version():
    """The installed version."""
    import onnxruntime

    return onnxruntime.__version__


def supports(precision, device):
    """FP32, FP16 weights and INT8 on a CPU; FP32 and FP16 arithmetic on a GPU."""
    if precision == "bf16":
        return "ONNX Runtime's providers have no bf16 convolutions"
    if device == "gpu" and precision == "int8":
        return "ONNX Runtime's CUDA provider has no INT8 convolutions: they would run on the CPU"
    if precision not in ("fp32", "fp16", "int8"):
        return f"no {precision} model is made for ONNX Runtime"
    return None


class OnnxRuntime:
    """An inference session and the names of its only input and output."""

    def __init__(self, session, threads: int):
        self.session = session
        self.threads = threads
        self.input = session.get_inputs()[0].name
        self.outputs = [session.get_outputs()[0].name]

    def predict(self, batch):
        """One synchronous run."""
        return self.session.run(self.outputs, {self.input: batch})[0]


class Bound(OnnxRuntime):
    """A session whose scores always lie in the same memory: those of the first request, which is made as usual.

    Each thread that calls it has a memory of its own.
    """

    def __init__(self, session, threads: int):
        super().__init__(session, threads)
        self.caller = threading.local()

    def predict(self, batch):
        """Bind the input, and run."""
        caller = self.caller
        if not hasattr(caller, "binding"):
            return self._first(batch)
        caller.binding.bind_cpu_input(self.input, batch)
        self.session.run_with_iobinding(caller.binding)
        return caller.scores

    def _first(self, batch):
        import onnxruntime

        caller = self.caller
        caller.scores = super().predict(batch)
        binding = self.session.io_binding()
        memory = onnxruntime.OrtValue.ortvalue_from_numpy(caller.scores)
        binding.bind_ortvalue_output(self.outputs[0], memory)
        caller.binding = binding
        return caller.scores


def load(model: Path, *, precision, variant, device, batch_size, threads, options):
    """Open the graph with the given number of intra-op threads; requests run one after another."""
    import onnxruntime

    asked = take_options("onnxruntime", options, device)
    wanted = providers(onnxruntime, device, asked["gpu_provider"])
    half = (model / HALF).exists()
    if half and device == "cpu":
        raise Skip(
            "FP16 of this package is arithmetic in float16, on a GPU; name 'onnxruntime' for FP16 weights on a CPU"
        )
    session = onnxruntime.InferenceSession(
        str(model / (HALF if half else MODEL)),
        session_options(onnxruntime, threads, asked),
        providers=wanted,
        provider_options=[{"use_tf32": str(int(asked["tf32"]))} if name == CUDA else {} for name in wanted],
    )
    _check(session, wanted[0])
    return (Bound if asked["io_binding"] else OnnxRuntime)(session, threads or facts.physical_cores())


def providers(onnxruntime, device: str, on_gpu: str) -> list[str]:
    """Those that a session of a device is opened with: each gets what those before it leave.

    Args:
        on_gpu: the option `gpu_provider`.

    Raises:
        Skip: when the installed package has none for it.
    """
    if device == "cpu":
        return ["CPUExecutionProvider"]
    if ON_GPU[on_gpu] not in onnxruntime.get_available_providers():
        raise Skip(
            f"the installed onnxruntime package has no {on_gpu} provider; name 'onnxruntime@cuda' in the config's "
            "`frameworks`, whose envs/onnxruntime@cuda.yaml has one"
        )
    onnxruntime.preload_dlls()  # CUDA's libraries, which come as packages
    return [*dict.fromkeys([ON_GPU[on_gpu], CUDA]), "CPUExecutionProvider"]


def _check(session, wanted: str) -> None:
    """ONNX Runtime goes on with the next provider, in a warning, where one does not load."""
    if session.get_providers()[0] == wanted:
        return
    if wanted == CUDA:
        raise Skip("ONNX Runtime's CUDA provider does not load on this machine: no NVIDIA GPU, driver or CUDA library")
    raise Skip(
        "ONNX Runtime's TensorRT provider does not load on this machine: no TensorRT (libnvinfer, of the version that "
        "the package asks for), NVIDIA GPU, driver or CUDA library"
    )


def session_options(onnxruntime, threads: Optional[int], asked: dict[str, Any]):
    """What a session is opened with."""
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = threads or 0  # 0: one for each physical core
    if asked["parallel_execution"]:
        settings.execution_mode = onnxruntime.ExecutionMode.ORT_PARALLEL
    settings.inter_op_num_threads = asked["inter_op_threads"] or 0
    settings.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, asked["optimization"])
    settings.enable_cpu_mem_arena = asked["memory_arena"]
    settings.enable_mem_pattern = asked["memory_pattern"]
    settings.add_session_config_entry("session.intra_op.allow_spinning", str(int(asked["allow_spinning"])))
    settings.add_session_config_entry("session.dynamic_block_base", str(asked["dynamic_block_base"]))
    if asked["thread_affinities"] is not None:
        settings.add_session_config_entry("session.intra_op_thread_affinities", asked["thread_affinities"])
    return settings
