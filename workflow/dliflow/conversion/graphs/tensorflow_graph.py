"""The interchange graph in TensorFlow's operations; the frameworks `tensorflow` and `tflite` are made of it.

A batch comes in the model's own layout; the first convolution transposes it, which is timed like any other operation.
"""

from __future__ import annotations

import numpy as np

from dliflow.conversion.graphs.tensorflow_values import Value, aligned, natural, reshaped
from dliflow.errors import Skip
from dliflow.interchange.graph import Graph

NHWC = (0, 2, 3, 1)  # the axes of NCHW in the order that the kernels for images want


def function(graph: Graph, framework: str, dtype: str = "float32", module=None):
    """The `tf.function` of a graph: float32 NCHW in, float32 scores out, weights and arithmetic in `dtype`.

    Args:
        module: a `tf.Module` that takes the weights of dense layers as variables. Each copy of the graph copies what
            it has as constants, but only of constants do TensorFlow's kernels know that they never change.

    Raises `Skip`, in the framework's name, for an operation that is not known here.
    """
    import tensorflow as tf

    unknown = sorted({node.op for node in graph.nodes} - set(OPERATIONS))
    if unknown:
        raise Skip(f"{framework}: operation {unknown[0]} is not taken")
    kind = tf.as_dtype(dtype)
    shape = graph.shapes[graph.input]
    constants = {name: _constant(value, kind.as_numpy_dtype) for name, value in graph.constants.items()}
    if module is not None:
        names = {node.inputs[1] for node in graph.nodes if node.op == "Dense"}
        module.weights = {name: tf.Variable(constants[name].tensor) for name in names}
        constants.update({name: Value(weight, (0, 1)) for name, weight in module.weights.items()})

    @tf.function(input_signature=[tf.TensorSpec((None, *shape[1:]), tf.float32, "input")], autograph=False)
    def run(x):
        values = {**constants, graph.input: Value(tf.cast(x, kind), natural(len(shape)))}
        for node in graph.nodes:
            operands = [values[name] for name in node.inputs]
            attributes = dict(node.attributes)
            if node.op == "Reshape":
                attributes["before"] = graph.shapes[node.inputs[0]]
            if node.op == "Broadcast":
                attributes["batch"] = tf.shape(x)[0]
            values[node.output] = OPERATIONS[node.op](tf, *operands, **attributes)
        scores = values[graph.output]
        return {"scores": tf.cast(scores.lying(tf, natural(len(scores.order))), tf.float32)}

    return run


def _constant(array, dtype) -> Value:
    return Value(array.astype(dtype, copy=False), natural(array.ndim))


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


def _max_pool(tf, x, *, kernel, strides, dilations, pads):
    if max(dilations) > 1:  # which TensorFlow takes without strides alone
        x = _repeated(tf, x, dilations, pads)
        pooled = tf.nn.pool(x, kernel, "MAX", (1, 1), "VALID", dilations=dilations)
        return pooled[:, :: strides[0], :: strides[1]]
    padding = _padding(x, kernel, strides, dilations, pads)
    if isinstance(padding, str):
        return tf.nn.max_pool2d(x, kernel, strides, padding)
    # Values that are in the window anyway pad like minus infinity, but quantize well.
    mirrored = all(2 * max(pad) <= k for pad, k in zip(pads, kernel))
    x = tf.pad(x, padding, "SYMMETRIC") if mirrored else _repeated(tf, x, dilations, pads)
    return tf.nn.max_pool2d(x, kernel, strides, "VALID")


def _repeated(tf, x, dilations, pads):
    """An image padded to any width with the outer rows that its windows read anyway, as many as a dilation."""
    for axis, (dilation, (before, after)) in enumerate(zip(dilations, pads), 1):
        size = x.shape[axis]
        places = [place % dilation for place in range(-before, 0)]
        places += [*range(size), *(size - dilation + place % dilation for place in range(after))]
        x = tf.gather(x, places, axis=axis) if before or after else x
    return x


def _average_pool(tf, x, *, kernel, strides, pads):
    x = tf.pad(x, [(0, 0), *pads, (0, 0)]) if np.any(pads) else x  # "SAME" would not count the zeros
    return tf.nn.avg_pool2d(x, kernel, strides, "VALID")


def _clip(tf, x, *, low, high):
    if low == 0 and high in (6, None):  # these two are fused into the operation before
        return tf.nn.relu6(x) if high else tf.nn.relu(x)
    if low is None and high == 0:
        return _negative_part(tf, x)
    x = x if low is None else tf.maximum(x, low)
    return x if high is None else tf.minimum(x, high)


def _negative_part(tf, x):
    return -tf.nn.relu(-x)  # TFLite's INT8 of `minimum` with 0 gives nothing but zeros


def _elu(tf, x, *, alpha):
    return tf.nn.elu(x) if alpha == 1 else tf.nn.relu(x) + alpha * tf.nn.elu(_negative_part(tf, x))


def _hard_sigmoid(tf, x, *, alpha, beta):
    return tf.nn.relu6(x * (6 * alpha) + 6 * beta) * (1 / 6)


def _resize(tf, x, *, size, mode, coordinates):
    resize = {"nearest": tf.raw_ops.ResizeNearestNeighbor, "linear": tf.raw_ops.ResizeBilinear}[mode]
    corners, centers = coordinates == "align_corners", coordinates == "half_pixel"
    return tf.cast(resize(images=x, size=size, align_corners=corners, half_pixel_centers=centers), x.dtype)


def _image(run):
    """An operation on images: NHWC in and out, its constants as they are."""

    def on_values(tf, x, *constants, **attributes):
        tensor = run(tf, x.lying(tf, NHWC), *(constant.tensor for constant in constants), **attributes)
        return Value(tensor, NHWC)

    return on_values


def _unary(run):
    """An operation on each number; `run` is one, or the name of TensorFlow's."""
    if isinstance(run, str):
        return lambda tf, x: Value(getattr(tf, run)(x.tensor), x.order)
    return lambda tf, x, **attributes: Value(run(tf, x.tensor, **attributes), x.order)


def _binary(name):
    def run(tf, *operands):
        tensors, order = aligned(tf, operands)
        return Value(getattr(tf, name)(*tensors), order)

    return run


def _add(tf, *operands):
    tensors, order = aligned(tf, operands)
    x, other = sorted(tensors, key=lambda tensor: isinstance(tensor, np.ndarray))
    if isinstance(other, np.ndarray) and other.ndim and other.shape[-1] != x.shape[-1]:
        # TensorFlow would add the constant to a bias before it, though it has other channels than the bias.
        return Value(tf.subtract(x, -other), order)
    return Value(tf.add(*tensors), order)


def _reduce(run):
    """An operation over axes; `run` takes a tensor, the places of the axes, and whether they stay."""

    def on_values(tf, x, *, axes, keepdims):
        left = [axis for axis in x.order if keepdims or axis not in axes]
        tensor = run(tf, x.tensor, list(map(x.place, axes)), keepdims)
        return Value(tensor, tuple(sorted(left).index(axis) for axis in left))

    return on_values


def _broadcast(tf, x, *, shape, batch):
    sizes = [shape[axis] for axis in x.order]
    tensor = tf.broadcast_to(x.tensor, tf.stack([-size * batch if size < 0 else size for size in sizes]))
    return Value(tensor, x.order)


def _concat(tf, *operands, axis):
    tensors, order = aligned(tf, operands)
    return Value(tf.concat(tensors, order.index(axis)), order)


def _dense(tf, x, weight, bias=None):
    order = x.order if x.order[-1] == len(x.order) - 1 else natural(len(x.order))
    tensor = x.lying(tf, order)
    sizes = [-1 if size is None else size for size in tensor.shape]
    if len(sizes) > 2:  # what both frameworks fuse has two axes
        tensor = tf.reshape(tensor, (-1, sizes[-1]))
    if isinstance(weight.tensor, np.ndarray):
        tensor = tf.matmul(tensor, weight.tensor.T)
    else:
        tensor = tf.matmul(tensor, weight.tensor, transpose_b=True)
    if bias is not None:
        tensor = tf.nn.bias_add(tensor, bias.tensor)
    return Value(tf.reshape(tensor, [*sizes[:-1], weight.tensor.shape[0]]) if len(sizes) > 2 else tensor, order)


def _matmul(tf, a, b):
    *outer, row, column = natural(len(b.order))
    turned = b.place(column) < b.place(row)  # the kernels read it either way
    b = b.lying(tf, (*outer, column, row) if turned else (*outer, row, column))
    order = (*outer, row, column)
    return Value(tf.matmul(a.lying(tf, order), b, transpose_b=turned), order)


def _layer_norm(tf, x, scale, bias, *, axes, epsilon):
    if [x.place(axis) for axis in axes] == [len(x.order) - 1]:  # oneDNN fuses this form, and takes vectors alone
        mean, variance = tf.nn.moments(x.tensor, -1, keepdims=True)
        normal = tf.nn.batch_normalization(x.tensor, mean, variance, bias.tensor, scale.tensor, epsilon)
        return Value(normal, x.order)
    sizes = (1,) * (len(x.order) - len(axes)) + scale.tensor.shape
    return _normal(tf, x, scale.tensor.reshape(sizes), bias.tensor.reshape(sizes), axes, epsilon)


def _instance_norm(tf, x, scale, bias, *, epsilon):
    axes = natural(len(x.order))[2:]
    sizes = (1, -1, *(1 for _ in axes))
    return _normal(tf, x, scale.tensor.reshape(sizes), bias.tensor.reshape(sizes), axes, epsilon)


def _normal(tf, x, scale, bias, axes, epsilon):
    """Over axes of the graph; scale and bias have as many axes as `x`."""
    mean, variance = tf.nn.moments(x.tensor, [x.place(axis) for axis in axes], keepdims=True)
    scale, bias = (Value(value, natural(value.ndim)).lying(tf, x.order) for value in (scale, bias))
    return Value((x.tensor - mean) * tf.math.rsqrt(variance + epsilon) * scale + bias, x.order)


def _gather(tf, x, *, axis, indices):
    return Value(tf.gather(x.tensor, indices.astype(np.int32), axis=x.place(axis)), x.order)


def _pad(tf, x, *, pads, value, mode):
    widths = [pads[axis] for axis in x.order]
    if mode == "constant" and any(widths[-1]):
        # The operation of `tf.pad` becomes part of a convolution behind it, without the channels that it pads.
        return Value(tf.raw_ops.PadV2(input=x.tensor, paddings=widths, constant_values=value), x.order)
    return Value(tf.pad(x.tensor, widths, mode, constant_values=value), x.order)


def _slice(tf, x, *, axis, start, stop, step):
    before = (slice(None),) * x.place(axis)
    part = (*before, slice(start, stop, step))
    return Value(x.tensor[part], x.order)


def _softmax(tf, x, *, axis):
    return Value(tf.nn.softmax(x.tensor, x.place(axis)), x.order)


def _transpose(tf, x, *, axes):
    return Value(x.tensor, tuple(map(tuple(axes).index, x.order)))


OPERATIONS = {
    "Abs": _unary("abs"),
    "Add": _add,
    "AveragePool": _image(_average_pool),
    "Broadcast": _broadcast,
    "Clip": _unary(_clip),
    "Concat": _concat,
    "Conv": _image(_conv),
    "Dense": _dense,
    "Div": _binary("divide"),
    "Elu": _unary(_elu),
    "Erf": _unary(lambda tf, x: tf.math.erf(x)),
    "Exp": _unary("exp"),
    "Gather": _gather,
    "Gelu": _unary(lambda tf, x, *, approximate: tf.nn.gelu(x, approximate == "tanh")),
    "HardSigmoid": _unary(_hard_sigmoid),
    "HardSwish": _unary(lambda tf, x: x * tf.nn.relu6(x + 3) * (1 / 6)),  # the form that TFLite's converter knows
    "InstanceNorm": _instance_norm,
    "LayerNorm": _layer_norm,
    "LeakyRelu": _unary(lambda tf, x, *, alpha: tf.nn.leaky_relu(x, alpha)),
    "Log": _unary(lambda tf, x: tf.math.log(x)),
    "MatMul": _matmul,
    "Max": _binary("maximum"),
    "MaxPool": _image(_max_pool),
    "Min": _binary("minimum"),
    "Mul": _binary("multiply"),
    "Neg": _unary("negative"),
    "Pad": _pad,
    "Pow": _binary("pow"),
    "Reciprocal": _unary(lambda tf, x: 1 / x),
    "ReduceMax": _reduce(lambda tf, x, axes, keep: tf.reduce_max(x, axes, keep)),
    "ReduceMean": _reduce(lambda tf, x, axes, keep: tf.reduce_mean(x, axes, keep)),
    "ReduceSum": _reduce(lambda tf, x, axes, keep: tf.reduce_sum(x, axes, keep)),
    "Relu": _unary(lambda tf, x: tf.nn.relu(x)),
    "Reshape": lambda tf, x, *, before, shape: reshaped(tf, x, before, shape),
    "Resize": _image(_resize),
    "Sigmoid": _unary("sigmoid"),
    "Slice": _slice,
    "Softmax": _softmax,
    # TFLite has no operation of this name; this form overflows nowhere.
    "Softplus": _unary(lambda tf, x: tf.nn.relu(x) + tf.math.log(1 + tf.exp(-tf.abs(x)))),
    "Sqrt": _unary("sqrt"),
    "Sub": _binary("subtract"),
    "Tanh": _unary("tanh"),
    "Transpose": _transpose,
}
"""What each operation of `dliflow.interchange.graph` is here."""
