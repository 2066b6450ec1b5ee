"""Small programs that run a model as a user's own would, with lines of `frameworks.code` in them; and what each
framework then tells of its settings.

`{start}` is for lines that come first; other names in braces for those that mention that object, right before it is
used or right behind it is made. A program knows MODEL (a folder), `batch` and BATCH_SIZE, and leaves `scores`.
"""

from __future__ import annotations

import re

PROGRAMS = {
    "openvino": """
{start}
import sys
sys.modules["openvino_telemetry"] = None
import openvino
core = openvino.Core()
network = core.read_model(MODEL + "/model.xml")
network.reshape(batch.shape)
properties = {{"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1}}
{properties}
compiled = core.compile_model(network, "CPU", properties)
request = compiled.create_infer_request()
scores = request.infer({{0: batch}})[0]
{request}
""",
    "onnxruntime": """
{start}
import onnxruntime
options = onnxruntime.SessionOptions()
{options}
session = onnxruntime.InferenceSession(MODEL + "/model.onnx", options, providers=["CPUExecutionProvider"])
INPUT, OUTPUT = session.get_inputs()[0].name, session.get_outputs()[0].name
scores = session.run([OUTPUT], {{INPUT: batch}})[0]
{binding}
""",
    "tflite": """
{start}
from ai_edge_litert.interpreter import Interpreter
arguments = {{}}
{arguments}
interpreter = Interpreter(MODEL + "/model.tflite", **arguments)
taken = interpreter.get_input_details()[0]["index"]
interpreter.resize_tensor_input(taken, batch.shape, strict=True)
interpreter.allocate_tensors()
interpreter.set_tensor(taken, batch)
interpreter.invoke()
scores = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
""",
    "tensorflow": """
{start}
import tensorflow as tf
tf.config.threading.set_inter_op_parallelism_threads(1)
{tf}
model = tf.saved_model.load(MODEL + "/saved_model")
function = model.signatures["serving_default"]
{function}
scores = function(input=tf.constant(batch))["scores"].numpy()
""",
    "mxnet": """
{start}
import mxnet as mx
symbol = mx.sym.load(MODEL + "/model-symbol.json")
{symbol}
network = mx.gluon.SymbolBlock(symbol, mx.sym.Variable("data", dtype="float32"))
network.collect_params().load(MODEL + "/model-0000.params", cast_dtype=True, dtype_source="saved")
network.hybridize(static_alloc=True, static_shape=True)
{network}
scores = network(mx.nd.array(batch)).asnumpy()
""",
    "opencv": """
{start}
import cv2
{cv2}
net = cv2.dnn.readNetFromONNX(MODEL + "/model.onnx")
{net}
net.setInput(batch)
scores = net.forward()
""",
    "pytorch": """
{start}
import torch
{torch}
model = torch.export.load(MODEL + "/model.pt2").module()
{model}
with torch.inference_mode():
    scores = model(torch.from_numpy(batch)).numpy()
""",
}
# The same objects, of a session that the framework's file has loaded.
OBJECTS = {
    "openvino": "compiled = session.compiled",
    "onnxruntime": "session = session.session",
    "tflite": "interpreter = session.interpreter",
    "tensorflow": "import tensorflow as tf\nfunction = session.function",
    "mxnet": "import mxnet as mx\nnetwork = session.network",
    "opencv": "import cv2",
    "pytorch": "import torch\nmodel = session.module",
}
LOADED = """
from pathlib import Path
from dliflow import frameworks
session = frameworks.load(FRAMEWORK).load(
    Path(MODEL), precision="fp32", variant=VARIANT, device="cpu", batch_size=BATCH_SIZE, threads=THREADS,
    options=OPTIONS,
)
session.predict(batch)
scores = session.predict(batch)
"""
# What a framework tells of each parameter, in the objects' terms; of those that are missing it tells nothing.
TOLD = {
    "openvino": {
        "threads": 'compiled.get_property("INFERENCE_NUM_THREADS")',
        "hint": 'compiled.get_property("PERFORMANCE_HINT")',
        "streams": 'compiled.get_property("NUM_STREAMS")',
        "hyper_threading": 'compiled.get_property("ENABLE_HYPER_THREADING")',
        "pinning": 'compiled.get_property("ENABLE_CPU_PINNING")',
        "core_type": 'compiled.get_property("SCHEDULING_CORE_TYPE")',
    },
    "onnxruntime": {
        "threads": "session.get_session_options().intra_op_num_threads",
        "parallel_execution": "session.get_session_options().execution_mode",
        "inter_op_threads": "session.get_session_options().inter_op_num_threads",
        "optimization": "session.get_session_options().graph_optimization_level",
        "memory_arena": "session.get_session_options().enable_cpu_mem_arena",
        "memory_pattern": "session.get_session_options().enable_mem_pattern",
        "allow_spinning": 'session.get_session_options().get_session_config_entry("session.intra_op.allow_spinning")',
        "dynamic_block_base": 'session.get_session_options().get_session_config_entry("session.dynamic_block_base")',
        "thread_affinities": (
            'session.get_session_options().get_session_config_entry("session.intra_op_thread_affinities")'
        ),
    },
    "tflite": {"xnnpack": 'any(one["op_name"] == "DELEGATE" for one in interpreter._get_ops_details())'},
    "tensorflow": {
        "threads": "tf.config.threading.get_intra_op_parallelism_threads()",
        "inter_op_threads": "tf.config.threading.get_inter_op_parallelism_threads()",
        "onednn": '__import__("tensorflow.python.util._pywrap_util_port", fromlist=["*"]).IsMklEnabled()',
        "jit_compile": 'getattr(function, "_jit_compile", None)',
    },
    "mxnet": {
        "threads": '__import__("ctypes").CDLL("libgomp.so.1").omp_get_max_threads()',
        "backend": '"_sg_mkldnn_conv" in network._cached_graph[1].tojson()',
        "static": "dict(network._flags)",
    },
    "opencv": {"threads": "cv2.getNumThreads()"},
    "pytorch": {
        "threads": "torch.get_num_threads()",
        "compile": "type(model).__name__",
        "channels_last": (
            "any(p.is_contiguous(memory_format=torch.channels_last) and not p.is_contiguous()"
            " for p in model.parameters())"
        ),
        "allocator": '__import__("os").environ.get("LD_PRELOAD")',
    },
}
ASKED = """
try:
    told[{key!r}] = {expression}
except RuntimeError as error:  # ONNX Runtime has no entry of that name
    told[{key!r}] = error
"""
SHELL = """
{start}
import json
import numpy as np
batch = np.load(BATCH)
BATCH_SIZE = len(batch)
{program}
told = {{}}
{told}
np.save(SCORES, scores)
print(json.dumps({{key: str(value) for key, value in told.items()}}))
"""


def _told(framework: str) -> str:
    return "".join(ASKED.format(key=key, expression=expression) for key, expression in TOLD[framework].items())


def with_lines(framework: str, blocks: list[str], **constants: object) -> str:
    """A program of the user's own.

    Args:
        blocks: the lines of each parameter.
        constants: MODEL, BATCH and SCORES.
    """
    text = PROGRAMS[framework]
    places = [name for name in re.findall(r"(?<!\{)\{(\w+)\}", text) if name != "start"]
    filled: dict[str, list[str]] = {name: [] for name in ("start", *places)}
    for block in blocks:
        later = (name for name in reversed(places) if re.search(rf"\b{name}\b", block))
        at_start = "os.environ" in block or "CDLL" in block
        filled["start" if at_start else next(later)].append(block)
    start = "\n".join(["import os", *filled.pop("start")])
    program = text.format(start="", **{name: "\n".join(lines) for name, lines in filled.items()})
    return _whole(start, program, framework, constants)


def as_loaded(framework: str, **constants: object) -> str:
    """A program that loads the framework's file instead, as the workflow does.

    Args:
        constants: these, VARIANT, THREADS and OPTIONS.
    """
    program = f"{LOADED}\n{OBJECTS[framework]}"
    return _whole("", program, framework, {**constants, "FRAMEWORK": framework})


def _whole(start: str, program: str, framework: str, constants: dict[str, object]) -> str:
    named = "\n".join(f"{name} = {value!r}" for name, value in constants.items())
    return SHELL.format(start=f"{start}\n{named}", program=program, told=_told(framework))
