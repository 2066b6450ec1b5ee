"""TensorFlow's models: a SavedModel that is built from the interchange graph."""

from __future__ import annotations

from dliflow.conversion.graphs import tensorflow_graph
from dliflow.frameworks.tensorflow import MODEL
from dliflow.interchange import graph

DTYPES = {"fp32": "float32", "bf16": "bfloat16"}


def convert(source, out, precision, calibration):
    """Build the network from the graph and save it with a symbolic batch."""
    import tensorflow as tf

    network = graph.read(source / "model.onnx", "tensorflow")
    run = tensorflow_graph.function(network, "tensorflow", DTYPES[precision])
    # A function that is the module's attribute too would be saved, with its weights, a second time.
    tf.saved_model.save(tf.Module(), str(out / MODEL), signatures=run)
