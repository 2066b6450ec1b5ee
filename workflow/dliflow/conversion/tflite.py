"""TFLite's models: built in TensorFlow from the interchange graph, and converted there."""

from __future__ import annotations

import shutil

from dliflow.conversion.graphs import tensorflow_graph
from dliflow.errors import DliflowError, Skip
from dliflow.files import write_json
from dliflow.frameworks.shared import tflite_package
from dliflow.frameworks.tflite import ENDS, MODEL
from dliflow.interchange import graph
from dliflow.interchange.form import chosen

CONVERTER = dict.fromkeys(("fp32", "fp16", "int8"), "tensorflow")  # so the environment that is measured stays small
LACKING = {"Erf"}  # operations that TensorFlow has and TFLite has not; a whole GELU it has


def convert(source, out, precision, calibration):
    """Build the network in TensorFlow and hand it to the converter; the batch stays symbolic."""
    import tensorflow as tf

    network = graph.read(source / "model.onnx", "tflite")
    lacking = sorted({node.op for node in network.nodes} & LACKING)
    if lacking:
        raise Skip(f"tflite: operation {lacking[0]} is not taken")
    module = tf.Module()
    run = tensorflow_graph.function(network, "tflite", module=module)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([run.get_concrete_function()], module)
    if precision != "fp32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if precision == "fp16":
        converter.target_spec.supported_types = [tf.float16]
    if precision == "int8":
        if calibration is None:
            raise DliflowError("tflite: int8 needs calibration images")
        converter.representative_dataset = lambda: ([image[None]] for image in calibration)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    (out / MODEL).write_bytes(converter.convert())


def adopt(file, out, ends):
    """A TFLite file is taken as it is; which of its inputs and outputs are meant is written beside it."""
    shutil.copyfile(file, out / MODEL)
    interpreter = tflite_package.runtime().Interpreter(model_path=str(file))
    sides = {"input": interpreter.get_input_details(), "output": interpreter.get_output_details()}
    positions = {}
    for kind, details in sides.items():
        names = [detail["name"] for detail in details]
        positions[kind] = names.index(chosen(kind, names, ends.get(kind)))
    write_json(out / ENDS, positions)
