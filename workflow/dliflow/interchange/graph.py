"""The interchange graph as a short list of plain operations, for frameworks that cannot read ONNX.

What `interchange` promises is taken as given. All that needs shapes is settled here: padding is what is really read,
average pooling has one divisor, linear layers have their weights as (out, in), and Flatten, Squeeze and Reshape are one
operation. What remains, in NCHW:

| operation                          | attributes                                                      |
|------------------------------------|-----------------------------------------------------------------|
| Conv (x, weight[, bias])           | strides, dilations, pads ((top, bottom), (left, right)), group  |
| MaxPool                            | kernel, strides, dilations, pads                                |
| AveragePool                        | kernel, strides, pads; zeros of the padding count               |
| GlobalAveragePool                  | none; keeps (1, 1)                                              |
| Dense (x, weight[, bias])          | none                                                            |
| Add, Sub, Mul, Div (a, b)          | none; a constant is a scalar or has the rank of the other one   |
| Clip                               | low, high; None where open                                      |
| HardSigmoid, LeakyRelu             | alpha and beta, alpha                                           |
| HardSwish, Relu, Sigmoid           | none                                                            |
| Concat, Softmax                    | axis, counted from 0                                            |
| Pad                                | pads, one (before, after) for each axis; value                  |
| Reshape                            | shape, without the batch                                        |
| Transpose                          | axes                                                            |
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional

import numpy as np

from dliflow.errors import Skip

_UNARY = {"Relu": {}, "Sigmoid": {}, "HardSwish": {}, "LeakyRelu": {"alpha": 0.01}}
_UNARY["HardSigmoid"] = {"alpha": 0.2, "beta": 0.5}
_BINARY = ("Add", "Sub", "Mul", "Div")
_RESHAPES = ("Flatten", "Reshape", "Squeeze", "Unsqueeze")


@dataclass
class Node:
    """One operation; `inputs` name earlier outputs, the graph's input or its constants."""

    op: str
    inputs: list[str]
    output: str
    attributes: dict[str, Any] = field(default_factory=dict)


@dataclass
class Graph:
    """A classifier with one input and one output; the batch is the first axis of every value."""

    input: str
    output: str
    nodes: list[Node]
    constants: dict[str, np.ndarray]
    shapes: dict[str, tuple[int, ...]]
    """Shapes of the values that are not constant, without the batch."""


def read(path: Path, framework: str) -> Graph:
    """Read an ONNX file.

    Raises `Skip`, in the framework's name, for an operator or a use of it that is not taken.
    """
    import onnx

    model = onnx.shape_inference.infer_shapes(onnx.load(str(path)), data_prop=True)
    return _Reader(model, framework).graph()


def symmetric(before, after, kernel, strides, dilations, pads) -> Optional[tuple[int, ...]]:
    """The padding of a window for frameworks that take one number for both ends; None if that gives another size.

    Args:
        before: height and width of the input.
        after: those of the output.
        kernel, strides, dilations, pads: as in the table of operations.
    """
    for size, wanted, k, s, d, (begin, _) in zip(before, after, kernel, strides, dilations, pads):
        if (size + 2 * begin - (k - 1) * d - 1) // s + 1 != wanted:
            return None
    return tuple(begin for begin, _ in pads)


class _Reader:
    """The state of one translation."""

    def __init__(self, model, framework: str):
        import onnx

        onnx_graph = model.graph
        self.framework = framework
        self.source = onnx_graph
        self.constants = {item.name: onnx.numpy_helper.to_array(item) for item in onnx_graph.initializer}
        self.nodes: list[Node] = []
        self.shapes: dict[str, tuple[int, ...]] = {}
        for value in [*onnx_graph.input, *onnx_graph.value_info, *onnx_graph.output]:
            tensor = value.type.tensor_type
            sizes = [size.dim_value for size in tensor.shape.dim]  # 0 for a symbol
            if tensor.HasField("shape") and sizes and all(sizes[1:]):
                self.shapes[value.name] = tuple(sizes[1:])

    def graph(self) -> Graph:
        """Translate all nodes, and keep the constants that the operations take."""
        import onnx

        for node in self.source.node:
            attributes = {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute}
            try:
                self.translate(node, list(node.input), attributes)
            except Skip as error:
                why = f" ({error})" if str(error) else ""
                reason = f"ONNX operator {node.op_type} '{node.name}' is not taken{why}"
                raise Skip(f"{self.framework}: {reason}") from None
        used = {name for node in self.nodes for name in node.inputs} & set(self.constants)
        constants = {name: self.constants[name].astype(np.float32) for name in sorted(used)}
        return Graph(self.source.input[0].name, self.source.output[0].name, self.nodes, constants, self.shapes)

    def translate(self, node, inputs, attributes) -> None:
        """Add the operations of one ONNX node."""
        method = getattr(self, f"_{node.op_type.lower()}", None)
        if len(node.output) > 1:
            raise Skip("with more than one output")
        if node.op_type in _RESHAPES:
            self.reshape(inputs[0], node.output[0])
        elif node.op_type in _BINARY:
            self.binary(node.op_type, inputs, node.output[0])
        elif node.op_type in _UNARY:
            defaults = _UNARY[node.op_type]
            values = {name: attributes.get(name, value) for name, value in defaults.items()}
            self.add(node.op_type, inputs[:1], node.output[0], **values)
        elif method:
            method(inputs, attributes, node.output[0])
        else:
            raise Skip("")

    def add(self, op: str, inputs: list[str], output: str, **attributes: Any) -> None:
        """Append an operation."""
        self.nodes.append(Node(op, [name for name in inputs if name], output, attributes))

    def constant(self, name: str, value: Any) -> str:
        """A new float32 constant."""
        self.constants[name] = np.asarray(value, np.float32)
        return name

    def value(self, inputs: list[str], index: int, default: Any = None) -> Any:
        """A constant that an operator takes as an input, as a list or number."""
        if index >= len(inputs) or not inputs[index]:
            return default
        if inputs[index] not in self.constants:
            raise Skip(f"its input {index} is not constant")
        return self.constants[inputs[index]].tolist()

    def shape(self, name: str) -> tuple[int, ...]:
        """The static shape of a value, without the batch."""
        if name not in self.shapes:
            raise Skip("sizes that are not static")
        return self.shapes[name]

    def reshape(self, x: str, output: str) -> None:
        """Any change of shape that leaves the batch alone."""
        shape = self.shape(output)
        if int(np.prod(shape)) != int(np.prod(self.shape(x))):
            raise Skip("the batch does not stay the first axis")
        self.add("Reshape", [x], output, shape=shape)

    def binary(self, op: str, inputs: list[str], output: str) -> None:
        """Arithmetic of two values, or of one and a constant that is the same for each image."""
        ranks = {len(self.shape(name)) + 1 for name in inputs if name not in self.constants}
        if len(ranks) != 1:
            raise Skip("of values of different rank")
        names = []
        for name in inputs:
            if name in self.constants:
                value = self.constants[name]
                shape = (1,) * (max(ranks) - value.ndim) + value.shape if value.size > 1 else ()
                if shape and (len(shape) > max(ranks) or shape[0] != 1):
                    raise Skip("with a constant for each image of the batch")
                name = self.constant(f"{output}/{name}", value.reshape(shape))
            names.append(name)
        self.add(op, names, output)

    def weights(self, names: list[str]) -> list[np.ndarray]:
        """Operands that have to be constant."""
        if not all(name in self.constants for name in names if name):
            raise Skip("its weights are not constant")
        return [self.constants[name] for name in names if name]

    def window(self, x: str, output: str, attributes: dict[str, Any], kernel) -> dict[str, Any]:
        """Strides, dilations and the padding that is really read: more with `ceil_mode`, less where strides end."""
        if len(kernel) != 2:
            raise Skip("two spatial axes are")
        strides, dilations = attributes.get("strides", [1, 1]), attributes.get("dilations", [1, 1])
        begins = attributes.get("pads", [0, 0, 0, 0])[:2]
        pads = []
        for axis in range(2):
            size, outs = self.shape(x)[1 + axis], self.shape(output)[1 + axis]
            total = (outs - 1) * strides[axis] + (kernel[axis] - 1) * dilations[axis] + 1 - size
            pads.append((begins[axis], max(total - begins[axis], 0)))
        return {"strides": tuple(strides), "dilations": tuple(dilations), "pads": tuple(pads)}

    def _conv(self, inputs, attributes, output):
        window = self.window(inputs[0], output, attributes, self.weights(inputs[1:])[0].shape[2:])
        self.add("Conv", inputs, output, group=attributes.get("group", 1), **window)

    def _maxpool(self, inputs, attributes, output):
        kernel = tuple(attributes["kernel_shape"])
        window = self.window(inputs[0], output, attributes, kernel)
        self.add("MaxPool", inputs, output, kernel=kernel, **window)

    def _averagepool(self, inputs, attributes, output):
        kernel = tuple(attributes["kernel_shape"])
        window = self.window(inputs[0], output, attributes, kernel)
        if set(window.pop("dilations")) != {1}:
            raise Skip("dilations are not")
        counted = attributes.get("pads", [0] * 4) if attributes.get("count_include_pad", 0) else [0] * 4
        counts = []
        for axis in range(2):  # the divisor: how many places of each window lie inside what counts
            size, outs = self.shape(inputs[0])[1 + axis], self.shape(output)[1 + axis]
            starts = np.arange(outs) * window["strides"][axis] - window["pads"][axis][0]
            ends = np.minimum(starts + kernel[axis], size + counted[2 + axis])
            counts.append(ends - np.maximum(starts, -counted[axis]))
        factor = kernel[0] * kernel[1] / np.outer(*counts)[None, None]
        uniform = np.all(factor == 1)
        pooled = output if uniform else f"{output}/pooled"
        self.add("AveragePool", inputs, pooled, kernel=kernel, **window)
        if not uniform:
            self.shapes[pooled] = self.shape(output)
            self.add("Mul", [pooled, self.constant(f"{output}/factor", factor)], output)

    def _globalaveragepool(self, inputs, attributes, output):
        self.add("GlobalAveragePool", inputs, output)

    def _reducemean(self, inputs, attributes, output):
        axes = self.value(inputs, 1)
        rank = len(self.shape(inputs[0])) + 1
        if rank != 4 or not axes or sorted(axis % rank for axis in axes) != [2, 3]:
            raise Skip("over other than the two spatial axes")
        if attributes.get("keepdims", 1):
            return self.add("GlobalAveragePool", inputs[:1], output)
        kept = f"{output}/kept"
        self.shapes[kept] = (*self.shape(output), 1, 1)
        self.add("GlobalAveragePool", inputs[:1], kept)
        return self.reshape(kept, output)

    def _batchnormalization(self, inputs, attributes, output):
        gamma, beta, mean, variance = (value.astype(np.float64) for value in self.weights(inputs[1:]))
        scale = gamma / np.sqrt(variance + attributes.get("epsilon", 1e-5))
        sizes = (1, -1, *[1] * (len(self.shape(inputs[0])) - 1))
        shift = beta - mean * scale
        scaled = f"{output}/scaled"
        self.shapes[scaled] = self.shape(inputs[0])
        self.add("Mul", [inputs[0], self.constant(f"{output}/scale", scale.reshape(sizes))], scaled)
        self.add("Add", [scaled, self.constant(f"{output}/shift", shift.reshape(sizes))], output)

    def _gemm(self, inputs, attributes, output):
        if attributes.get("transA", 0):
            raise Skip("with transA")
        weight, *bias = self.weights(inputs[1:])
        weight = weight * np.float32(attributes.get("alpha", 1.0))
        weight = weight if attributes.get("transB", 0) else weight.T
        names = [inputs[0], self.constant(f"{output}/weight", weight)]
        if bias:
            bias = np.broadcast_to(bias[0] * np.float32(attributes.get("beta", 1.0)), (1, len(weight)))[0]
            names.append(self.constant(f"{output}/bias", bias))
        self.add("Dense", names, output)

    def _matmul(self, inputs, attributes, output):
        (weight,) = self.weights(inputs[1:])
        if weight.ndim != 2 or len(self.shape(inputs[0])) != 1:
            raise Skip("other than (batch, in) by (in, out)")
        self.add("Dense", [inputs[0], self.constant(f"{output}/weight", weight.T)], output)

    def _clip(self, inputs, attributes, output):
        self.add("Clip", inputs[:1], output, low=self.value(inputs, 1), high=self.value(inputs, 2))

    def _concat(self, inputs, attributes, output):
        self.add("Concat", inputs, output, axis=self.axis(attributes["axis"], output))

    def _softmax(self, inputs, attributes, output):
        self.add("Softmax", inputs, output, axis=self.axis(attributes.get("axis", -1), output))

    def axis(self, axis: int, name: str) -> int:
        """An axis counted from 0; never that of the batch."""
        axis %= len(self.shape(name)) + 1
        if axis == 0:
            raise Skip("along the batch")
        return axis

    def _pad(self, inputs, attributes, output):
        if attributes.get("mode", b"constant") != b"constant":
            raise Skip(f"in mode {attributes['mode'].decode()}")
        pads, rank = self.value(inputs, 1), len(self.shape(inputs[0])) + 1
        axes = self.value(inputs, 3, list(range(rank)))
        pairs = [(0, 0)] * rank
        for place, axis in enumerate(axes):
            pairs[axis % rank] = (pads[place], pads[place + len(axes)])
        if pairs[0] != (0, 0) or min(min(pair) for pair in pairs) < 0:
            raise Skip("along the batch, or cropping")
        value = float(np.ravel(self.value(inputs, 2, 0.0))[0])
        self.add("Pad", inputs[:1], output, pads=tuple(pairs), value=value)

    def _transpose(self, inputs, attributes, output):
        axes = tuple(attributes["perm"])
        if axes[0] != 0:
            raise Skip("that moves the batch")
        self.add("Transpose", inputs, output, axes=axes)
