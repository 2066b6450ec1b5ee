"""The interchange graph as a symbol of MXNet, in its own NCHW, and the parameters that go with it."""

from __future__ import annotations

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
        """Shapes of its inputs and, last, of its output, without the batch; () for a constant."""

    def symbol(self):
        """Build it; raises `Skip` for an operation that is not known here."""
        import mxnet as mx

        values = {self.graph.input: mx.sym.Variable("data", dtype="float32")}
        for number, node in enumerate(self.graph.nodes):
            if node.op not in OPERATIONS:
                raise Skip(f"mxnet: operation {node.op} is not taken")
            self.name = f"{node.op.lower()}{number}"
            self.shapes = [self.graph.shapes.get(name, ()) for name in (*node.inputs, node.output)]
            operands = [values.get(name, self.graph.constants.get(name)) for name in node.inputs]
            values[node.output] = OPERATIONS[node.op](self, mx.sym, *operands, **node.attributes)
        return values[self.graph.output]

    def parameter(self, value: np.ndarray, kind: str):
        """A variable for a constant; quantization knows weights and biases by the end of their names."""
        import mxnet as mx

        name = f"{self.name}_{kind}"
        self.parameters[name] = mx.nd.array(value)
        return mx.sym.Variable(name, shape=value.shape)

    def weighted(self, weight, bias) -> dict:
        """The arguments that give an operator its name, weight and bias."""
        named = {"name": self.name, "weight": self.parameter(weight, "weight"), "no_bias": bias is None}
        return named if bias is None else {**named, "bias": self.parameter(bias, "bias")}

    def symmetric(self, kernel, strides, dilations, pads):
        """The padding of the operation at hand, as MXNet takes it, or None."""
        return symmetric(self.shapes[0][1:], self.shapes[-1][1:], kernel, strides, dilations, pads)


def _padded(b, F, x, pads, value):
    if any(any(pair) for pair in pads[:-2]):
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
    return F.FullyConnected(x, num_hidden=len(weight), **b.weighted(weight, bias))


def _pool(kind, outside):
    def run(b, F, x, *, kernel, strides, pads, dilations=(1, 1)):
        if set(dilations) != {1}:
            raise Skip("mxnet: dilated pooling is not taken")
        pad = b.symmetric(kernel, strides, dilations, pads)
        if pad is None:
            x, pad = _padded(b, F, x, [(0, 0), (0, 0), *pads], outside), (0, 0)
        return F.Pooling(x, kernel=kernel, stride=strides, pad=pad, pool_type=kind, name=b.name)

    return run


def _global_average_pool(b, F, x):
    return F.Pooling(x, kernel=(1, 1), global_pool=True, pool_type="avg", name=b.name)


def _binary(elementwise, broadcast, operator):
    def run(b, F, *operands):
        def other(value):
            if not isinstance(value, np.ndarray):
                return value
            return b.parameter(value, "constant") if value.ndim else float(value)

        taken = [other(value) for value in operands]
        if any(isinstance(value, float) for value in taken):
            return operator(*taken)
        function = elementwise if b.shapes[0] == b.shapes[1] else broadcast
        return getattr(F, function)(*taken, name=b.name)

    return run


def _clip(b, F, x, *, low, high):
    if low == 0 and high is None:
        return F.Activation(x, act_type="relu", name=b.name)
    return F.clip(x, a_min=-LARGE if low is None else low, a_max=LARGE if high is None else high, name=b.name)


OPERATIONS = {
    "Add": _binary("elemwise_add", "broadcast_add", lambda x, y: x + y),
    "AveragePool": _pool("avg", 0.0),
    "Clip": _clip,
    "Concat": lambda b, F, *values, axis: F.concat(*values, dim=axis, name=b.name),
    "Conv": _conv,
    "Dense": _dense,
    "Div": _binary("elemwise_div", "broadcast_div", lambda x, y: x / y),
    "GlobalAveragePool": _global_average_pool,
    "HardSigmoid": lambda b, F, x, *, alpha, beta: F.hard_sigmoid(x, alpha=alpha, beta=beta, name=b.name),
    "HardSwish": lambda b, F, x: x * F.hard_sigmoid(x, alpha=1 / 6, beta=0.5),
    "LeakyRelu": lambda b, F, x, *, alpha: F.LeakyReLU(x, act_type="leaky", slope=alpha, name=b.name),
    "MaxPool": _pool("max", -LARGE),
    "Mul": _binary("elemwise_mul", "broadcast_mul", lambda x, y: x * y),
    "Pad": lambda b, F, x, *, pads, value: _padded(b, F, x, pads, value),
    "Relu": lambda b, F, x: F.Activation(x, act_type="relu", name=b.name),
    "Reshape": lambda b, F, x, *, shape: F.reshape(x, shape=(-1, *shape), name=b.name),
    "Sigmoid": lambda b, F, x: F.Activation(x, act_type="sigmoid", name=b.name),
    "Softmax": lambda b, F, x, *, axis: F.softmax(x, axis=axis, name=b.name),
    "Sub": _binary("elemwise_sub", "broadcast_sub", lambda x, y: x - y),
    "Transpose": lambda b, F, x, *, axes: F.transpose(x, axes=axes, name=b.name),
}
"""What each operation of `dliflow.interchange.graph` is here."""
