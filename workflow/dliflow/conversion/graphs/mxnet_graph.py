"""The interchange graph as a symbol of MXNet, in its own NCHW, and the parameters that go with it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from dliflow.errors import Skip
from dliflow.interchange.graph import Graph, symmetric

LARGE = float(np.finfo(np.float32).max)


class Builder:
    """A symbol in the making; `parameters` fills as it grows."""

    def __init__(self, graph: Graph):
        self.graph = graph
        self.parameters: dict[str, Any] = {}
        self.name = ""
        """Name of the operation at hand."""
        self.shapes: list[tuple[int, ...]] = []
        """Shapes of its inputs and, last, of its output, as in the graph."""

    def symbol(self):
        """Build it; raises `Skip` for an operation that is not known here."""
        import mxnet as mx

        self.data = mx.sym.Variable("data", dtype="float32")
        values = {self.graph.input: self.data}
        for number, node in enumerate(self.graph.nodes):
            if node.op not in OPERATIONS:
                raise Skip(f"mxnet: operation {node.op} is not taken")
            self.name = f"{node.op.lower()}{number}"
            self.shapes = [self.shape(name) for name in (*node.inputs, node.output)]
            operands = [values.get(name, self.graph.constants.get(name)) for name in node.inputs]
            values[node.output] = OPERATIONS[node.op](self, mx.sym, *operands, **node.attributes)
        return values[self.graph.output]

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a value or constant."""
        constants = self.graph.constants
        return constants[name].shape if name in constants else self.graph.shapes[name]

    def parameter(self, value: np.ndarray, kind: str):
        """A variable for a constant; quantization knows weights and biases by the end of their names."""
        import mxnet as mx

        name = f"{self.name}_{kind}"
        self.parameters[name] = mx.nd.array(value)
        return mx.sym.Variable(name, shape=value.shape, dtype="float32")

    def taken(self, values) -> list:
        """Symbols of values, and of constants as parameters."""
        return [
            self.parameter(value, f"constant{place}") if isinstance(value, np.ndarray) else value
            for place, value in enumerate(values)
        ]

    def weighted(self, weight, bias) -> dict:
        """The arguments that give an operator its name, weight and bias."""
        named = {"name": self.name, "weight": self.parameter(weight, "weight"), "no_bias": bias is None}
        return named if bias is None else {**named, "bias": self.parameter(bias, "bias")}

    def symmetric(self, kernel, strides, dilations, pads):
        """The padding of the operation at hand, as MXNet takes it, or None."""
        return symmetric(self.shapes[0][2:], self.shapes[-1][2:], kernel, strides, dilations, pads)


def _sizes(shape) -> tuple[int, ...]:
    """A shape as MXNet's reshape takes it: the axis of the batch is what is left."""
    return tuple(max(size, -1) for size in shape)


def _padded(b, F, x, pads, value):
    if any(any(pair) for pair in pads[:-2]) or len(pads) != 4:
        raise Skip("mxnet: padding of other than the spatial axes is not taken")
    width = [number for pair in pads for number in pair]
    return F.pad(x, mode="constant", pad_width=tuple(width), constant_value=value)


def _conv(b, F, x, weight, bias=None, *, strides, dilations, pads, group):
    pad = b.symmetric(weight.shape[2:], strides, dilations, pads)
    if pad is None and set(dilations) == {1}:
        # A border of zeros in the weights has the same effect, without a padded copy of the image.
        pad = tuple(max(pair) for pair in pads)
        border = [(most - begin, most - end) for most, (begin, end) in zip(pad, pads)]
        weight = np.pad(weight, [(0, 0), (0, 0), *border])
    elif pad is None:
        x, pad = _padded(b, F, x, [(0, 0), (0, 0), *pads], 0.0), (0, 0)
    shape = {"kernel": weight.shape[2:], "stride": strides, "dilate": dilations, "pad": pad}
    return F.Convolution(x, num_filter=len(weight), num_group=group, **shape, **b.weighted(weight, bias))


def _dense(b, F, x, weight, bias=None):
    return F.FullyConnected(x, num_hidden=len(weight), flatten=False, **b.weighted(weight, bias))


def _pool(kind, outside):
    def run(b, F, x, *, kernel, strides, pads, dilations=(1, 1)):
        if set(dilations) != {1}:
            raise Skip("mxnet: dilated MaxPool is not taken")
        pad = b.symmetric(kernel, strides, dilations, pads)
        if pad is None:
            x, pad = _padded(b, F, x, [(0, 0), (0, 0), *pads], outside), (0, 0)
        return F.Pooling(x, kernel=kernel, stride=strides, pad=pad, pool_type=kind, name=b.name)

    return run


def _binary(elementwise, broadcast, operator):
    def run(b, F, *operands):
        numbers = [float(value) if isinstance(value, np.ndarray) and not value.ndim else value for value in operands]
        if any(isinstance(value, float) for value in numbers):
            return operator(F, *numbers)
        function = elementwise if b.shapes[0] == b.shapes[1] else broadcast
        return getattr(F, function)(*b.taken(operands), name=b.name)

    return run


def _clip(b, F, x, *, low, high):
    if low == 0 and high is None:
        return F.Activation(x, act_type="relu", name=b.name)
    return F.clip(x, a_min=-LARGE if low is None else low, a_max=LARGE if high is None else high, name=b.name)


def _broadcast(b, F, x, *, shape):
    (x,) = b.taken([x])
    return _widened(b, F, x, b.shapes[0], shape)


def _widened(b, F, x, before, after):
    """A value in a shape into which numpy would broadcast it."""
    for axis, (size, wanted) in enumerate(zip(before, after)):
        if size == wanted:
            continue
        if wanted < -1:
            raise Skip("mxnet: Broadcast to an axis that holds more than the batch is not taken")
        if wanted == -1:
            x = F.broadcast_like(x, b.data, lhs_axes=(axis,), rhs_axes=(0,))
        else:
            x = F.broadcast_axis(x, axis=axis, size=wanted)
    return x


def _matmul(b, F, *operands):
    outer = b.shapes[-1][:-2]
    stacks = []
    for value, shape in zip(b.taken(operands), b.shapes):
        wide = _widened(b, F, value, shape, (*outer, *shape[-2:]))
        stacks.append(F.reshape(wide, shape=_sizes((math.prod(outer), *shape[-2:]))))
    product = F.batch_dot(*stacks, name=b.name)
    return F.reshape(product, shape=_sizes(b.shapes[-1]))


def _layer_norm(b, F, x, scale, bias, *, axes, epsilon):
    if len(axes) > 1:  # MXNet knows one axis
        x = F.reshape(x, shape=_sizes((*b.shapes[0][: -len(axes)], scale.size)))
    gamma, beta = b.parameter(scale.ravel(), "gamma"), b.parameter(bias.ravel(), "beta")
    x = F.LayerNorm(x, gamma, beta, axis=-1, eps=epsilon, name=b.name)
    return F.reshape(x, shape=_sizes(b.shapes[0])) if len(axes) > 1 else x


def _instance_norm(b, F, x, scale, bias, *, epsilon):
    return F.InstanceNorm(x, b.parameter(scale, "gamma"), b.parameter(bias, "beta"), eps=epsilon, name=b.name)


def _gelu(b, F, x, *, approximate):
    if approximate == "none":
        return F.LeakyReLU(x, act_type="gelu", name=b.name)
    return 0.5 * x * (1 + F.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)))


def _reduce(name):
    def run(b, F, x, *, axes, keepdims):
        return getattr(F, name)(x, axis=axes, keepdims=keepdims, name=b.name)

    return run


def _mean(b, F, x, *, axes, keepdims):
    if len(b.shapes[0]) != 4 or sorted(axes) != [2, 3]:
        return F.mean(x, axis=axes, keepdims=keepdims, name=b.name)
    x = F.Pooling(x, kernel=(1, 1), global_pool=True, pool_type="avg", name=b.name)  # this one has an INT8 form
    return x if keepdims else F.reshape(x, shape=_sizes(b.shapes[-1]))


def _take(b, F, x, axis, indices, kind="indices"):
    return F.take(x, b.parameter(np.asarray(indices, np.float32), kind), axis=axis, mode="clip")


def _resize(b, F, x, *, size, mode, coordinates):
    """Along one axis after the other: the two rows that each new one lies between, by their shares."""
    for axis, new in zip((2, 3), size):
        old, places = b.shapes[0][axis], np.arange(new)
        if coordinates == "align_corners":
            places = places * (old - 1) / max(new - 1, 1)
        elif coordinates == "half_pixel":
            places = (places + 0.5) * old / new - 0.5
        else:
            places = places * old / new
        places = np.clip(places, 0, old - 1)
        low = np.floor(places)
        share = places - low if mode == "linear" else np.zeros(new)
        near = _take(b, F, x, axis, low, f"low{axis}")
        if share.any():
            far = _take(b, F, x, axis, np.minimum(low + 1, old - 1), f"high{axis}")
            weight = b.parameter(share.reshape((1, 1, -1, 1) if axis == 2 else (1, 1, 1, -1)), f"share{axis}")
            near = F.broadcast_add(near, F.broadcast_mul(far - near, weight))
        x = near
    return x


def _pad(b, F, x, *, pads, value, mode):
    if mode == "reflect":
        if len(pads) != 4 or any(pads[0] + pads[1]):
            raise Skip("mxnet: Pad in mode reflect of other than the spatial axes is not taken")
        return F.pad(x, mode="reflect", pad_width=tuple(number for pair in pads for number in pair))
    for axis, (before, after) in enumerate(pads):  # MXNet pads two axes of images only
        if before or after:
            border = F.zeros_like(F.slice_axis(x, axis=axis, begin=0, end=1)) + value
            x = F.concat(*[border] * before, x, *[border] * after, dim=axis)
    return x


def _slice(b, F, x, *, axis, start, stop, step):
    if step == 1:  # `slice` goes to oneDNN, which without AVX-512 could not cut what a convolution gave
        return F.slice_axis(x, axis=axis, begin=start, end=stop, name=b.name)
    left = (None,) * axis
    return F.slice(x, begin=(*left, start), end=(*left, stop), step=(*left, step), name=b.name)


def _activation(kind):
    return lambda b, F, x: F.Activation(x, act_type=kind, name=b.name)


def _unary(name):
    return lambda b, F, x: getattr(F, name)(x, name=b.name)


OPERATIONS = {
    "Abs": _unary("abs"),
    "Add": _binary("elemwise_add", "broadcast_add", lambda F, x, y: x + y),
    "AveragePool": _pool("avg", 0.0),
    "Broadcast": _broadcast,
    "Clip": _clip,
    "Concat": lambda b, F, *values, axis: F.concat(*b.taken(values), dim=axis, name=b.name),
    "Conv": _conv,
    "Dense": _dense,
    "Div": _binary("elemwise_div", "broadcast_div", lambda F, x, y: x / y),
    "Elu": lambda b, F, x, *, alpha: F.LeakyReLU(x, act_type="elu", slope=alpha, name=b.name),
    "Erf": _unary("erf"),
    "Exp": _unary("exp"),
    "Gather": lambda b, F, x, *, axis, indices: _take(b, F, x, axis, indices),
    "Gelu": _gelu,
    "HardSigmoid": lambda b, F, x, *, alpha, beta: F.hard_sigmoid(x, alpha=alpha, beta=beta, name=b.name),
    "HardSwish": lambda b, F, x: x * F.hard_sigmoid(x, alpha=1 / 6, beta=0.5),
    "InstanceNorm": _instance_norm,
    "LayerNorm": _layer_norm,
    "LeakyRelu": lambda b, F, x, *, alpha: F.LeakyReLU(x, act_type="leaky", slope=alpha, name=b.name),
    "Log": _unary("log"),
    "MatMul": _matmul,
    "Max": _binary("broadcast_maximum", "broadcast_maximum", lambda F, x, y: F.maximum(x, y)),
    "MaxPool": _pool("max", -LARGE),
    "Min": _binary("broadcast_minimum", "broadcast_minimum", lambda F, x, y: F.minimum(x, y)),
    "Mul": _binary("elemwise_mul", "broadcast_mul", lambda F, x, y: x * y),
    "Neg": _unary("negative"),
    "Pad": _pad,
    "Pow": _binary("broadcast_power", "broadcast_power", lambda F, x, y: F.pow(x, y)),
    "Reciprocal": _unary("reciprocal"),
    "ReduceMax": _reduce("max"),
    "ReduceMean": _mean,
    "ReduceSum": _reduce("sum"),
    "Relu": _activation("relu"),
    "Reshape": lambda b, F, x, *, shape: F.reshape(x, shape=_sizes(shape), name=b.name),
    "Resize": _resize,
    "Sigmoid": _activation("sigmoid"),
    "Slice": _slice,
    "Softmax": lambda b, F, x, *, axis: F.softmax(x, axis=axis, name=b.name),
    "Softplus": _activation("softrelu"),
    "Sqrt": _unary("sqrt"),
    "Sub": _binary("elemwise_sub", "broadcast_sub", lambda F, x, y: x - y),
    "Tanh": _activation("tanh"),
    "Transpose": lambda b, F, x, *, axes: F.transpose(x, axes=axes, name=b.name),
}
"""What each operation of `dliflow.interchange.graph` is here."""
