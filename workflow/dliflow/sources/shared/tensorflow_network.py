"""A trained network of TensorFlow as one function, whatever file it comes from: scores of it, and ONNX.

The source formats `tensorflow_frozen_graph`, `tensorflow_saved_model` and `keras` are made of it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

import numpy as np

from dliflow.errors import DliflowError
from dliflow.images import batches
from dliflow.interchange import form

APART = ("_XlaMustCompile", "_noinline")  # of a function, and of each call of it


@dataclass
class Network:
    """A function of one tensor."""

    call: Callable[[Any], Any]
    shape: tuple[Optional[int], ...]
    """The input's shape as the file tells it, with the batch; None where any size is taken."""
    layout: str
    """The input's layout as the model's entry tells it."""
    dtype: str = "float32"
    """The input's dtype as the file tells it."""


def tensorflow():
    """The package, without its messages of start-up."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    import tensorflow as tf

    return tf


def converter():
    """The module `tf2onnx.convert`, without faults of 1.17.0.

    Its transpose optimizer takes a scalar that is added to a convolution (a hard swish has one) for a bias, fails, and
    leaves all transposes between NHWC and NCHW in the graph. It does not know Erfc, of which TensorFlow makes GELU.
    """
    import tf2onnx
    from tf2onnx.handler import tf_op
    from tf2onnx.optimizer.transpose_optimizer import TransposeOptimizer as Optimizer

    whole = Optimizer._add_handler

    def handler(self, transpose, node):
        constant = node.inputs[1] if node.inputs[1].is_const() else None
        if constant is not None and constant.get_tensor_value(as_list=False).ndim == 0:
            return self._handle_node_having_branches(transpose, node)
        return whole(self, transpose, node)

    Optimizer._add_handler = handler

    @tf_op("Erfc")
    class Erfc:
        """`1 + erf(-x)`; GELU's x is negative already."""

        @classmethod
        def version_9(cls, ctx, node, **options):
            shapes, dtypes, output = node.output_shapes, node.output_dtypes, node.output[0]
            scaled = node.inputs[0]
            ctx.remove_node(node.name)
            if scaled.type == "Mul" and scaled.inputs[0].type == "Neg":
                turned = ctx.make_node("Mul", [scaled.inputs[0].input[0], scaled.input[1]])
            else:
                turned = ctx.make_node("Neg", [scaled.output[0]])
            erf = ctx.make_node("Erf", turned.output)
            one = ctx.make_const(tf2onnx.utils.make_name("one"), np.ones((), np.float32))
            ctx.make_node("Add", [erf.output[0], one.output[0]], outputs=[output], shapes=shapes, dtypes=dtypes)

    return tf2onnx.convert


def predict(network: Network, batch: np.ndarray) -> np.ndarray:
    """Scores in TensorFlow itself, float32 (batch, scores); batch by batch where the file's batch size is fixed.

    Raises:
        DliflowError: when the input is of another dtype, layout or size, or the output is no scores.
    """
    tf = tensorflow()
    form.check_dtype(network.dtype, batch.dtype.name)
    one = batch.shape[1:]
    form.check_input(network.shape, one if network.layout == "NCHW" else (one[2], *one[:2]), network.layout)
    size = network.shape[0] or len(batch)
    outputs = [network.call(tf.constant(part)) for part in batches.parts(batch, size)]
    if not outputs[0].dtype.is_floating:
        raise DliflowError(
            f"the model gives {outputs[0].dtype.name}: classes, it seems, where scores are needed; name the scores by "
            "source.output, or save the model without its ArgMax"
        )
    rows = [scores.numpy().reshape(size, -1) for scores in outputs]
    return np.concatenate(rows)[: len(batch)].astype(np.float32)


def export(network: Network, shape: tuple[int, ...], out: Path) -> int:
    """Make the weights constants, let tf2onnx translate the graph, and write the interchange file."""
    tf = tensorflow()
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    wanted = (network.shape[0], *form.check_input(network.shape, shape, network.layout))
    function = tf.function(network.call, autograph=False)
    concrete = function.get_concrete_function(tf.TensorSpec(wanted, network.dtype, "input"))
    frozen = convert_variables_to_constants_v2(concrete)
    model, _ = converter().from_graph_def(
        _inlinable(frozen.graph.as_graph_def()),
        input_names=[frozen.inputs[0].name],
        output_names=[frozen.outputs[0].name],
        opset=form.OPSET,
    )
    return form.write(model, shape, network.layout, out)


def _inlinable(definition: Any) -> Any:
    """The graph whose functions can be inlined: XLA would compile some apart, as Keras's for grouped convolutions."""
    functions = definition.library.function
    for part in (*definition.node, *functions, *(node for function in functions for node in function.node_def)):
        for name in APART:
            if name in part.attr:
                del part.attr[name]
    return definition
