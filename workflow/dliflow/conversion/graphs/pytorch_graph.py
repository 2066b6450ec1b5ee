"""The interchange graph as an exported program of PyTorch, for models that do not come from PyTorch."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dliflow.errors import Skip
from dliflow.interchange.graph import Graph, symmetric


class Sizes(NamedTuple):
    """Whole shapes of an operation's first operand and its result, and the size of the batch."""

    before: tuple[int, ...]
    after: tuple[int, ...]
    batch: int

    def of(self, shape: tuple[int, ...]) -> list[int]:
        """A whole shape at this batch size."""
        return [size if size >= 0 else -size * self.batch for size in shape]

    def symmetric(self, *window):
        """The padding of a window, as torch takes it, or None."""
        return symmetric(self.before[2:], self.after[2:], *window)


def program(graph: Graph):
    """The `torch.export.ExportedProgram` of a graph, for batches of any size.

    Raises `Skip` for an operation that is not known here.
    """
    import torch

    unknown = sorted({node.op for node in graph.nodes} - set(OPERATIONS))
    if unknown:
        raise Skip(f"pytorch: operation {unknown[0]} is not taken")

    class Network(torch.nn.Module):
        """One operation after another."""

        def __init__(self):
            super().__init__()
            self.places = {name: f"constant{number}" for number, name in enumerate(graph.constants)}
            for name, place in self.places.items():
                value = torch.from_numpy(np.array(graph.constants[name]))
                self.register_parameter(place, torch.nn.Parameter(value, requires_grad=False))

        def forward(self, x):
            values = {name: getattr(self, place) for name, place in self.places.items()}
            values[graph.input] = x
            for node in graph.nodes:
                before, after = (graph.shapes.get(name, ()) for name in (node.inputs[0], node.output))
                sizes = Sizes(before, after, x.shape[0])
                operands = [values[name] for name in node.inputs]
                values[node.output] = OPERATIONS[node.op](torch, sizes, *operands, **node.attributes)
            return values[graph.output]

    # A batch of 1 would be taken for a constant.
    example = torch.zeros(2, *graph.shapes[graph.input][1:])
    batch = torch.export.Dim("batch", min=1, max=65536)
    return torch.export.export(Network().eval(), (example,), dynamic_shapes=({0: batch},))


def _padded(torch, x, pads, value=0.0):
    width = [number for pair in reversed(pads) for number in pair]
    return torch.nn.functional.pad(x, width, value=value)


def _pad(torch, sizes, x, *, pads, value, mode):
    if mode == "constant":
        return _padded(torch, x, pads, value)
    if any(any(pair) for pair in pads[:-2]):
        raise Skip(f"pytorch: padding in mode {mode} of other than the last two axes is not taken")
    width = [number for pair in reversed(pads[-2:]) for number in pair]
    return torch.nn.functional.pad(x, width, mode)


def _conv(torch, sizes, x, weight, bias=None, *, strides, dilations, pads, group):
    padding = sizes.symmetric(weight.shape[2:], strides, dilations, pads)
    if padding is None:
        x, padding = _padded(torch, x, pads), (0, 0)
    return torch.nn.functional.conv2d(x, weight, bias, strides, padding, dilations, group)


def _max_pool(torch, sizes, x, *, kernel, strides, dilations, pads):
    padding = sizes.symmetric(kernel, strides, dilations, pads)
    if padding is None or any(2 * pad > k for pad, k in zip(padding, kernel)):
        x, padding = _padded(torch, x, pads, float("-inf")), (0, 0)
    return torch.nn.functional.max_pool2d(x, kernel, strides, padding, dilations)


def _average_pool(torch, sizes, x, *, kernel, strides, pads):
    padding = sizes.symmetric(kernel, strides, (1, 1), pads)
    if padding is None or any(2 * pad > k for pad, k in zip(padding, kernel)):
        x, padding = _padded(torch, x, pads), (0, 0)
    return torch.nn.functional.avg_pool2d(x, kernel, strides, padding)


def _clip(torch, sizes, x, *, low, high):
    if low == 0 and high is None:
        return torch.nn.functional.relu(x)
    if low is None or high is None:
        return torch.clamp(x, low, high)
    return torch.nn.functional.hardtanh(x, low, high)  # the form that the quantizer knows


def _slice(torch, sizes, x, *, axis, start, stop, step):
    part = (*[slice(None)] * axis, slice(start, stop, step))
    return x[part]


def _resize(torch, sizes, x, *, size, mode, coordinates):
    if mode == "nearest":
        return torch.nn.functional.interpolate(x, size, mode="nearest")
    if coordinates == "asymmetric":
        raise Skip("pytorch: linear Resize with asymmetric coordinates is not taken")
    corners = coordinates == "align_corners"
    return torch.nn.functional.interpolate(x, size, mode="bilinear", align_corners=corners)


def _mean(torch, sizes, x, *, axes, keepdims):
    if (axes, keepdims) == ((2, 3), True):
        return torch.nn.functional.adaptive_avg_pool2d(x, 1)  # the form that the quantizer knows
    return torch.mean(x, axes, keepdims)


def _named(name):
    return lambda torch, sizes, *operands: getattr(torch, name)(*operands)


def _function(name):
    return lambda torch, sizes, x, **attributes: getattr(torch.nn.functional, name)(x, **attributes)


OPERATIONS = {
    **{name: _named(name.lower()) for name in ("Abs", "Erf", "Exp", "Log", "Neg", "Reciprocal", "Sigmoid", "Sqrt")},
    **{name: _named(name.lower()) for name in ("Add", "Div", "MatMul", "Mul", "Pow", "Sub", "Tanh")},
    **{name: _function(name.lower()) for name in ("Elu", "Gelu", "HardSwish", "Relu", "Softplus")},
    "AveragePool": _average_pool,
    "Broadcast": lambda torch, sizes, x, *, shape: x.expand(sizes.of(shape)),
    "Clip": _clip,
    "Concat": lambda torch, sizes, *values, axis: torch.cat(values, axis),
    "Conv": _conv,
    "Dense": lambda torch, sizes, x, weight, bias=None: torch.nn.functional.linear(x, weight, bias),
    "Gather": lambda torch, sizes, x, *, axis, indices: torch.index_select(x, axis, torch.tensor(indices.tolist())),
    "HardSigmoid": lambda torch, sizes, x, *, alpha, beta: torch.clamp(x * alpha + beta, 0, 1),
    "InstanceNorm": lambda torch, sizes, x, scale, bias, *, epsilon: torch.nn.functional.instance_norm(
        x, weight=scale, bias=bias, eps=epsilon
    ),
    "LayerNorm": lambda torch, sizes, x, scale, bias, *, axes, epsilon: torch.nn.functional.layer_norm(
        x, scale.shape, scale, bias, epsilon
    ),
    "LeakyRelu": lambda torch, sizes, x, *, alpha: torch.nn.functional.leaky_relu(x, alpha),
    "Max": _named("maximum"),
    "MaxPool": _max_pool,
    "Min": _named("minimum"),
    "Pad": _pad,
    "ReduceMax": lambda torch, sizes, x, *, axes, keepdims: torch.amax(x, axes, keepdims),
    "ReduceMean": _mean,
    "ReduceSum": lambda torch, sizes, x, *, axes, keepdims: torch.sum(x, axes, keepdims),
    "Reshape": lambda torch, sizes, x, *, shape: x.reshape(sizes.of(shape)),
    "Resize": _resize,
    "Slice": _slice,
    "Softmax": lambda torch, sizes, x, *, axis: torch.softmax(x, axis),
    "Transpose": lambda torch, sizes, x, *, axes: x.permute(axes),
}
"""What each operation of `dliflow.interchange.graph` is here."""
