"""TFLite: models of TensorFlow's converter, run by LiteRT, its runtime today, with XNNPACK; by TensorFlow's own
runtime in environments without LiteRT, which are those of older versions.

fp16 keeps the weights in half precision; arithmetic is float32 on x86. int8 is full-integer post-training
quantization; input and output stay float32, so the conversion at both ends is part of a request.

The variant `compiled_model` is LiteRT's newer `CompiledModel`, another library than the `Interpreter` over the same
kernels. It is what `workflow/cpp/tflite.cpp` calls.
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Optional

import numpy as np

from dliflow.errors import Skip
from dliflow.files import read_json
from dliflow.frameworks import Option, counts, take_options
from dliflow.frameworks.shared import tflite_package

MODEL = "model.tflite"
LATEST = "experimental_default_delegate_latest_features"  # an argument of the interpreter
COMPILED_MODEL = "compiled_model"
MORE_VARIANTS = {COMPILED_MODEL: ("fp32", "fp16", "int8")}
ENDS = "ends.json"  # beside a file that runs as it is: which of its inputs and outputs are meant
THREADS = Option(
    int,
    None,
    "threads of the interpreter; the default is one",
    minimum=1,
    tried=lambda machine: counts(machine.cpus)[1:],
    code='arguments["num_threads"] = {value}',
)
OPTIONS = {
    "xnnpack": Option(
        bool,
        True,
        "XNNPACK's kernels; without them the runtime's own",
        tried=lambda machine: [False],
        arithmetic=True,
        code=(
            "from ai_edge_litert.interpreter import OpResolverType\n"
            'arguments["experimental_op_resolver_type"] = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES'
        ),
    ),
    "latest_features": Option(
        bool,
        False,
        "XNNPACK's newest operators, which are not yet its default",
        tried=lambda machine: [True],
        arithmetic=True,
        code='arguments["experimental_default_delegate_latest_features"] = {value}',
    ),
}
TOGETHER = (("threads", "xnnpack"), ("threads", "latest_features"))
CONCURRENT = "sessions"  # an interpreter is of one thread


def valid(settings, processors, *, precision, variant, batch_size):
    """XNNPACK's features need it; a `CompiledModel` has no such choices."""
    if variant == COMPILED_MODEL:
        return settings.keys() <= {"threads"}
    return settings.get("xnnpack", True) or "latest_features" not in settings


def version():
    """The installed version of the runtime."""
    from importlib.metadata import version as installed

    if tflite_package.runtime().__name__.startswith("ai_edge_litert"):  # it has no version of its own
        return installed("ai-edge-litert")
    import tensorflow

    return tensorflow.__version__


def supports(precision, device):
    """FP32, FP16 weights and INT8 on a CPU."""
    if device != "cpu":
        return f"TFLite's {device} delegate is not wired; device 'cpu' is"
    return None if precision in ("fp32", "fp16", "int8") else f"TFLite has no {precision} models"


class TfLite:
    """An interpreter whose tensors are allocated, and details of its input and output."""

    def __init__(self, interpreter, taken: dict, given: dict, threads: int):
        self.interpreter = interpreter
        self.input, self.output = taken["index"], given["index"]
        self.threads = threads

    def predict(self, batch):
        """Copy the batch in, run, copy the scores out."""
        self.interpreter.set_tensor(self.input, batch)
        self.interpreter.invoke()
        return self.interpreter.get_tensor(self.output)


class Flat(TfLite):
    """An interpreter whose scores have more axes than two, each of size 1."""

    def predict(self, batch):
        """The same, as (batch, scores)."""
        return super().predict(batch).reshape(len(batch), -1)


class Quantized(Flat):
    """An interpreter whose scores are integers; what they stand for is computed in each request."""

    def __init__(self, interpreter, taken: dict, given: dict, threads: int):
        super().__init__(interpreter, taken, given, threads)
        scale, zero = given["quantization"]
        self.scale, self.zero = np.float32(scale), np.float32(zero)

    def predict(self, batch):
        """Copy the batch in, run, and take the scores out as float32."""
        return (super().predict(batch).astype(np.float32) - self.zero) * self.scale


class CompiledModel:
    """LiteRT's `CompiledModel` of one input and one output, with buffers of its own for both."""

    def __init__(self, compiled, threads: int):
        (self.input,), (self.output,) = compiled.create_input_buffers(0), compiled.create_output_buffers(0)
        self.count = int(np.prod(self.output.get_tensor_details()["shape"]))
        self.compiled = compiled
        self.threads = threads

    def predict(self, batch):
        """Copy the batch in, run, copy the scores out."""
        self.input.write(batch)
        self.compiled.run_by_index(0, [self.input], [self.output])
        return self.output.read(self.count, np.float32).reshape(len(batch), -1)


def load(model: Path, *, precision, variant, device, batch_size, threads, options):
    """Open the model and give its input the batch size; XNNPACK is the runtime's default."""
    options = take_options("tflite", options)
    if variant == COMPILED_MODEL:
        return _compiled_model(model, batch_size, threads or 1, options)
    return _interpreter(model, batch_size, threads, options)


def _compiled_model(model: Path, batch_size: int, threads: int, options: dict) -> CompiledModel:
    """Raises `Skip` for options of the interpreter, and where the package is older than this library."""
    for name in options:
        if options[name] != OPTIONS[name].default:
            raise Skip(f"option '{name}': LiteRT's CompiledModel has no such setting")
    try:
        from ai_edge_litert import compiled_model as package
    except ImportError:
        raise Skip(f"TFLite {version()} has no CompiledModel in Python") from None
    of_cpu = package.Options(cpu_options=package.CpuOptions(num_threads=threads))
    compiled = package.CompiledModel.from_file(str(model / MODEL), options=of_cpu)
    ((signature, ends),) = compiled.get_signature_list().items()
    (name,) = ends["inputs"]
    _, *image = compiled.get_input_tensor_details(signature)[name]["shape"]
    compiled.resize_input_tensor(0, (batch_size, *image))
    return CompiledModel(compiled, threads)


def _interpreter(model: Path, batch_size: int, threads: Optional[int], options: dict) -> TfLite:
    package = tflite_package.runtime()
    kernels = package.OpResolverType
    more = {LATEST: True} if options["latest_features"] else {}
    if more and LATEST not in inspect.signature(package.Interpreter).parameters:
        raise Skip(f"TFLite {version()} has no such choice as options.tflite.latest_features")
    interpreter = package.Interpreter(
        model_path=str(model / MODEL),
        num_threads=threads,
        experimental_op_resolver_type=(
            kernels.AUTO if options["xnnpack"] else kernels.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        ),
        **more,
    )
    ends = read_json(model / ENDS) if (model / ENDS).exists() else {"input": 0, "output": 0}
    taken = interpreter.get_input_details()[ends["input"]]
    if taken["shape"][0] != batch_size:
        interpreter.resize_tensor_input(taken["index"], (batch_size, *taken["shape"][1:]), strict=True)
    interpreter.allocate_tensors()
    given = interpreter.get_output_details()[ends["output"]]
    session = Quantized if given["dtype"] != np.float32 else TfLite if len(given["shape"]) == 2 else Flat
    return session(interpreter, taken, given, threads or 1)
