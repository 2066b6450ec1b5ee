"""TensorFlow: a SavedModel with constant weights, run through its concrete function.

bf16 holds weights and activations in bfloat16; it runs only on CPUs that have instructions for it, since
TensorFlow emulates it elsewhere.
"""

from __future__ import annotations

import os
from pathlib import Path

from dliflow.errors import Skip
from dliflow.frameworks import Option, counts, take_options
from dliflow.frameworks.shared import tf32
from dliflow.machine import facts

MODEL = "saved_model"
# Where the CPU has one of these, oneDNN's kernels are TensorFlow's own choice (its release notes, 2.9).
NEURAL = {"avx512_vnni", "avx512_bf16", "avx_vnni", "amx_tile", "amx_int8", "amx_bf16"}
THREADS = Option(
    int,
    None,
    "intra-op threads; the default is one for each hardware thread",
    minimum=1,
    tried=lambda machine: counts(machine.cpus)[:-1],
    code="tf.config.threading.set_intra_op_parallelism_threads({value})",
)
OPTIONS = {
    "inter_op_threads": Option(
        int,
        1,
        "operations that may run side by side",
        minimum=1,
        tried=lambda machine: counts(machine.cpus)[1:],
        code="tf.config.threading.set_inter_op_parallelism_threads({value})",
    ),
    "onednn": Option(
        bool,
        None,
        "turns oneDNN's kernels on or off; TensorFlow's own choice depends on the CPU",
        tried=lambda machine: [not machine.flags & NEURAL],
        arithmetic=True,
        code='os.environ["TF_ENABLE_ONEDNN_OPTS"] = str(int({value}))',
    ),
    "jit_compile": Option(
        bool,
        False,
        "XLA compiles the whole model when it is first run",
        tried=lambda machine: [True],
        arithmetic=True,
        another_way=True,
        code="function = tf.function(function, jit_compile=True)",
    ),
    "tf32": tf32.option("TensorFlow's own default", "tf.config.experimental.enable_tensor_float_32_execution({value})"),
}
TOGETHER = (("threads", "onednn"),)
CONCURRENT = "threads"  # as TensorFlow Serving calls a model


def valid(settings, processors, *, precision, variant, batch_size):
    """TF32 is about float32."""
    return precision == "fp32" or "tf32" not in settings


def version():
    """The installed version."""
    import tensorflow

    return tensorflow.__version__


def environment(threads, options):
    """oneDNN's kernels are turned on or off when the package is imported."""
    onednn = options.get("onednn")
    return {} if onednn is None else {"TF_ENABLE_ONEDNN_OPTS": str(int(onednn))}


def supports(precision, device):
    """FP32 and BF16; the kernels for a GPU are in another package, that of `envs/tensorflow@cuda.yaml`."""
    if precision == "fp16":
        if device == "gpu":
            return "no FP16 model is made for TensorFlow; bf16 is"
        return "TensorFlow has no FP16 weights with FP32 arithmetic, and FP16 arithmetic is emulated on CPUs"
    if precision == "int8":
        return "TensorFlow has no post-training INT8 of its own for CPUs; TFLite has"
    return None if precision in ("fp32", "bf16") else f"no {precision} model is made for TensorFlow"


def unavailable(precision, device, variant):
    """BF16 without instructions for it would be emulated."""
    if precision == "bf16" and device == "cpu" and not facts.has_bf16():
        return "this CPU has no bf16 instructions (AVX512-BF16 or AMX); TensorFlow would emulate them"
    return None


class TensorFlow:
    """The concrete function of a SavedModel."""

    def __init__(self, model, threads: int, jit_compile: bool):
        import tensorflow as tf

        self.model = model  # the function does not keep what it needs alive
        self.function = model.signatures["serving_default"]
        if jit_compile:
            self.function = tf.function(self.function, jit_compile=True)
        self.tensor = tf.constant
        self.threads = threads

    def predict(self, batch):
        """One call; the batch is copied into a tensor."""
        return self.function(input=self.tensor(batch))["scores"].numpy()


def load(model: Path, *, precision, variant, device, batch_size, threads, options):
    """Open the SavedModel with the given number of intra-op threads."""
    import tensorflow as tf

    options = take_options("tensorflow", options, device)
    _choose(tf, device)
    if device == "gpu":
        tf.config.experimental.enable_tensor_float_32_execution(options["tf32"])
    tf.config.threading.set_inter_op_parallelism_threads(options["inter_op_threads"])
    if threads:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
    loaded = tf.saved_model.load(str(model / MODEL))
    return TensorFlow(loaded, threads or len(os.sched_getaffinity(0)), options["jit_compile"])


def _choose(tf, device: str) -> None:
    """Let operators be placed on the device only that was asked for.

    Raises:
        Skip: when there is no such one.
    """
    if device == "cpu":
        tf.config.set_visible_devices([], "GPU")
        return
    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        if tf.test.is_built_with_cuda():
            raise Skip("TensorFlow sees no GPU on this machine")
        raise Skip(
            "the installed tensorflow-cpu package has no GPU kernels; name 'tensorflow@cuda' in the config's "
            "`frameworks`, whose envs/tensorflow@cuda.yaml has them"
        )
    for gpu in gpus:  # by default TensorFlow takes all of its memory, and none is left to the anchor and to others
        tf.config.experimental.set_memory_growth(gpu, True)
