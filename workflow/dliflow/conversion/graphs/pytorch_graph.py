"""The interchange graph as an exported program of PyTorch, for models that do not come from PyTorch."""

from __future__ import annotations

import numpy as np

from dliflow.errors import Skip
from dliflow.interchange.graph import Graph, symmetric


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
                sizes = (graph.shapes.get(node.inputs[0], ())[1:], graph.shapes.get(node.output, ())[1:])
                operands = [values[name] for name in node.inputs]
                values[node.output] = OPERATIONS[node.op](torch, sizes, *operands, **node.attributes)
            return values[graph.output]

    # A batch of 1 would be taken for a constant.
    example = torch.zeros(2, *graph.shapes[graph.input])
    batch = torch.export.Dim("batch", min=1, max=65536)
    return torch.export.export(Network().eval(), (example,), dynamic_shapes=({0: batch},))


def _padded(torch, x, pads, value=0.0):
    width = [number for pair in reversed(pads) for number in pair]
    return torch.nn.functional.pad(x, width, value=value)


def _conv(torch, sizes, x, weight, bias=None, *, strides, dilations, pads, group):
    padding = symmetric(sizes[0], sizes[1], weight.shape[2:], strides, dilations, pads)
    if padding is None:
        x, padding = _padded(torch, x, pads), (0, 0)
    return torch.nn.functional.conv2d(x, weight, bias, strides, padding, dilations, group)


def _max_pool(torch, sizes, x, *, kernel, strides, dilations, pads):
    padding = symmetric(sizes[0], sizes[1], kernel, strides, dilations, pads)
    if padding is None or any(2 * pad > k for pad, k in zip(padding, kernel)):
        x, padding = _padded(torch, x, pads, float("-inf")), (0, 0)
    return torch.nn.functional.max_pool2d(x, kernel, strides, padding, dilations)


def _average_pool(torch, sizes, x, *, kernel, strides, pads):
    padding = symmetric(sizes[0], sizes[1], kernel, strides, (1, 1), pads)
    if padding is None or any(2 * pad > k for pad, k in zip(padding, kernel)):
        x, padding = _padded(torch, x, pads), (0, 0)
    return torch.nn.functional.avg_pool2d(x, kernel, strides, padding)


def _clip(torch, sizes, x, *, low, high):
    if low == 0 and high is None:
        return torch.nn.functional.relu(x)
    if low is None or high is None:
        return torch.clamp(x, low, high)
    return torch.nn.functional.hardtanh(x, low, high)  # the form that the quantizer knows


def _binary(name):
    return lambda torch, sizes, *operands: getattr(torch, name)(*operands)


def _function(name):
    return lambda torch, sizes, x: getattr(torch.nn.functional, name)(x)


OPERATIONS = {
    "Add": _binary("add"),
    "AveragePool": _average_pool,
    "Clip": _clip,
    "Concat": lambda torch, sizes, *values, axis: torch.cat(values, axis),
    "Conv": _conv,
    "Dense": lambda torch, sizes, x, weight, bias=None: torch.nn.functional.linear(x, weight, bias),
    "Div": _binary("div"),
    "GlobalAveragePool": lambda torch, sizes, x: torch.nn.functional.adaptive_avg_pool2d(x, 1),
    "HardSigmoid": lambda torch, sizes, x, *, alpha, beta: torch.clamp(x * alpha + beta, 0, 1),
    "HardSwish": _function("hardswish"),
    "LeakyRelu": lambda torch, sizes, x, *, alpha: torch.nn.functional.leaky_relu(x, alpha),
    "MaxPool": _max_pool,
    "Mul": _binary("mul"),
    "Pad": lambda torch, sizes, x, *, pads, value: _padded(torch, x, pads, value),
    "Relu": _function("relu"),
    "Reshape": lambda torch, sizes, x, *, shape: x.reshape(x.shape[0], *shape),
    "Sigmoid": _binary("sigmoid"),
    "Softmax": lambda torch, sizes, x, *, axis: torch.softmax(x, axis),
    "Sub": _binary("sub"),
    "Transpose": lambda torch, sizes, x, *, axes: x.permute(axes),
}
"""What each operation of `dliflow.interchange.graph` is here."""
