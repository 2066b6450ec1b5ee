"""The interchange graph in TensorFlow's operations; the frameworks `tensorflow` and `tflite` are made of it.

The kernels of both want NHWC, so values of four axes are kept in it. A batch comes in the model's own layout
and is transposed by the network's first operation, which is timed like any other.
"""

from __future__ import annotations

import numpy as np

from dliflow.errors import Skip
from dliflow.interchange.graph import Graph

NHWC = (0, 2, 3, 1)  # where each axis of NHWC lies in NCHW
NCHW = (0, 3, 1, 2)


def function(graph: Graph, framework: str, dtype: str = "float32"):
    """The `tf.function` of a graph: float32 NCHW in, float32 scores out, weights and arithmetic in `dtype`.

    Raises `Skip`, in the framework's name, for an operation that is not known here.
    """
    import tensorflow as tf

    unknown = sorted({node.op for node in graph.nodes} - set(OPERATIONS))
    if unknown:
        raise Skip(f"{framework}: operation {unknown[0]} is not taken")
    kind = tf.as_dtype(dtype)
    shape = (None, *graph.shapes[graph.input])

    @tf.function(input_signature=[tf.TensorSpec(shape, tf.float32, "input")], autograph=False)
    def run(x):
        values = {name: value.astype(kind.as_numpy_dtype) for name, value in graph.constants.items()}
        values[graph.input] = tf.transpose(tf.cast(x, kind), NHWC) if len(shape) == 4 else tf.cast(x, kind)
        for node in graph.nodes:
            operands = [values[name] for name in node.inputs]
            values[node.output] = OPERATIONS[node.op](tf, *operands, **node.attributes)
        return {"scores": tf.cast(values[graph.output], tf.float32)}

    return run


def _same(x, kernel, strides, dilations, pads) -> bool:
    """Whether TensorFlow's own "SAME" is the padding that is asked for."""
    for size, k, s, d, pad in zip(x.shape[1:3], kernel, strides, dilations, pads):
        total = max((-(-size // s) - 1) * s + (k - 1) * d + 1 - size, 0)
        if pad != (total // 2, total - total // 2):
            return False
    return True


def _padding(x, kernel, strides, dilations, pads):
    """The `padding` of a convolution."""
    if not np.any(pads):
        return "VALID"
    return "SAME" if _same(x, kernel, strides, dilations, pads) else [(0, 0), *pads, (0, 0)]


def _conv(tf, x, weight, bias=None, *, strides, dilations, pads, group):
    padding = _padding(x, weight.shape[2:], strides, dilations, pads)
    if group == x.shape[-1] and strides[0] == strides[1] and not (max(strides) > 1 and max(dilations) > 1):
        weight = weight.reshape(group, -1, *weight.shape[2:]).transpose(2, 3, 0, 1)
        if not isinstance(padding, str):  # with oneDNN, TensorFlow 2.21 aborts on a depthwise kernel's own padding
            x, padding = tf.pad(x, padding), "VALID"
        x = tf.nn.depthwise_conv2d(x, weight, (1, *strides, 1), padding, dilations=dilations)
    else:
        x = tf.nn.conv2d(x, weight.transpose(2, 3, 1, 0), strides, padding, dilations=dilations)
        if group > 1 and bias is not None:
            return tf.add(x, bias)  # TensorFlow would fuse `bias_add` into a kernel that knows no groups
    return x if bias is None else tf.nn.bias_add(x, bias)


def _dense(tf, x, weight, bias=None):
    x = tf.matmul(x, weight.T)
    return x if bias is None else tf.nn.bias_add(x, bias)


def _max_pool(tf, x, *, kernel, strides, dilations, pads):
    padding = _padding(x, kernel, strides, dilations, pads)
    if not isinstance(padding, str):
        if any(2 * max(pad) > k or d > 1 for pad, k, d in zip(pads, kernel, dilations)):
            raise Skip("MaxPool with padding of more than half its kernel, or dilated, is not taken")
        # Mirrored values are in the window anyway: they pad like minus infinity, but quantize well.
        x, padding = tf.pad(x, padding, "SYMMETRIC"), "VALID"
    return tf.nn.pool(x, kernel, "MAX", strides, padding, dilations=dilations)


def _average_pool(tf, x, *, kernel, strides, pads):
    x = tf.pad(x, [(0, 0), *pads, (0, 0)]) if np.any(pads) else x  # "SAME" would not count the zeros
    return tf.nn.avg_pool2d(x, kernel, strides, "VALID")


def _binary(name):
    def run(tf, *operands):
        return getattr(tf, name)(*(value.transpose(NHWC) if is_image(value) else value for value in operands))

    def is_image(value):
        return isinstance(value, np.ndarray) and value.ndim == 4

    return run


def _clip(tf, x, *, low, high):
    if low == 0 and high in (6, None):  # these two are fused into the operation before
        return tf.nn.relu6(x) if high else tf.nn.relu(x)
    x = x if low is None else tf.maximum(x, low)
    return x if high is None else tf.minimum(x, high)


def _hard_sigmoid(tf, x, *, alpha, beta):
    return tf.nn.relu6(x * (6 * alpha) + 6 * beta) * (1 / 6)


def _place(axis, rank):
    """Where an axis of the graph lies here."""
    return NCHW[axis] if rank == 4 else axis


def _pad(tf, x, *, pads, value):
    order = NHWC if len(pads) == 4 else range(len(pads))
    return tf.pad(x, [pads[axis] for axis in order], constant_values=value)


def _transpose(tf, x, *, axes):
    return tf.transpose(x, [NCHW[axes[axis]] for axis in NHWC] if len(axes) == 4 else axes)


def _reshape(tf, x, *, shape):
    if len(x.shape) == 4 and tuple(x.shape[1:3]) != (1, 1):
        x = tf.transpose(x, NCHW)
    if len(shape) == 3 and shape[1:] == (1, 1):
        return tf.reshape(x, (-1, 1, 1, shape[0]))
    x = tf.reshape(x, (-1, *shape))
    return tf.transpose(x, NHWC) if len(shape) == 3 else x


OPERATIONS = {
    "Add": _binary("add"),
    "AveragePool": _average_pool,
    "Clip": _clip,
    "Concat": lambda tf, *values, axis: tf.concat(values, _place(axis, len(values[0].shape))),
    "Conv": _conv,
    "Dense": _dense,
    "Div": _binary("divide"),
    "GlobalAveragePool": lambda tf, x: tf.reduce_mean(x, (1, 2), keepdims=True),
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": lambda tf, x: x * tf.nn.relu6(x + 3) * (1 / 6),  # the form that TFLite's converter knows
    "LeakyRelu": lambda tf, x, *, alpha: tf.nn.leaky_relu(x, alpha),
    "MaxPool": _max_pool,
    "Mul": _binary("multiply"),
    "Pad": _pad,
    "Relu": lambda tf, x: tf.nn.relu(x),
    "Reshape": _reshape,
    "Sigmoid": lambda tf, x: tf.sigmoid(x),
    "Softmax": lambda tf, x, *, axis: tf.nn.softmax(x, _place(axis, len(x.shape))),
    "Sub": _binary("subtract"),
    "Transpose": _transpose,
}
"""What each operation of `dliflow.interchange.graph` is here."""
