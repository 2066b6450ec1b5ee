"""ONNX operators as the plain operations of `graph`, one method for each operator."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from dliflow.errors import Skip
from dliflow.interchange import inference, patterns
from dliflow.interchange.graph import Graph, Node

UNARY: dict[str, dict[str, float]] = {
    **{name: {} for name in ("Abs", "Erf", "Exp", "HardSwish", "Log", "Neg", "Reciprocal", "Relu", "Sigmoid")},
    **{name: {} for name in ("Softplus", "Sqrt", "Tanh")},
    **{"Elu": {"alpha": 1.0}, "HardSigmoid": {"alpha": 0.2, "beta": 0.5}, "LeakyRelu": {"alpha": 0.01}},
}
"""Operators of one value with the defaults of their attributes."""
BINARY = ("Add", "Sub", "Mul", "Div", "Pow", "Max", "Min")
RESHAPES = ("Flatten", "Reshape", "Squeeze", "Unsqueeze")
REDUCTIONS = ("ReduceMean", "ReduceSum", "ReduceMax")
MADE_OF_OTHERS = ("Celu", "LogSoftmax", "Softsign")
"""Operators that ONNX itself makes of those that are read."""

Step = tuple[str, int, int, dict[str, Any]]
"""An operation along one axis: its name, the axis, the size that it leaves there, and further attributes."""


class Reader:
    """The state of one translation."""

    def __init__(self, model, shapes: inference.Shapes, framework: str):
        import onnx

        self.framework = framework
        self.source = model.graph
        self.constants = {item.name: onnx.numpy_helper.to_array(item) for item in model.graph.initializer}
        self.shapes = shapes
        self.uses = Counter(name for node in model.graph.node for name in node.input)
        self.nodes: list[Node] = []
        self.makers: dict[str, Node] = {}
        """Operations by the name of what they give."""
        gelus = patterns.Network(model.graph).gelus()
        self.gelus = {gelu.output: gelu.x for gelu in gelus}
        self.inner = {name for gelu in gelus for name in gelu.inner}
        """Values that only lead to one of these."""

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

    def translate(self, node, inputs: list[str], attributes: dict[str, Any]) -> None:
        """Add the operations of one ONNX node."""
        output = node.output[0]
        if node.op_type in ("Shape", "Concat") and output not in self.shapes:
            return None  # sizes that `Expand` takes: `shapes` has its result's
        if node.op_type == "Split":
            return self.split(inputs[0], list(node.output), attributes)
        if len(node.output) > 1:
            raise Skip("with more than one output")
        method = getattr(self, f"_{node.op_type.lower()}", None)
        if output in self.inner:
            return None
        if output in self.gelus:
            return self.add("Gelu", [self.gelus[output]], output, approximate="none")
        if node.op_type in RESHAPES:
            return self.reshape(inputs[0], output)
        if node.op_type in BINARY:
            return self.binary(node.op_type, inputs, output)
        if node.op_type in REDUCTIONS:
            return self.reduce(node.op_type, inputs, attributes, output)
        if node.op_type in UNARY:
            defaults = UNARY[node.op_type]
            values = {name: attributes.get(name, value) for name, value in defaults.items()}
            return self.add(node.op_type, inputs[:1], output, **values)
        if method:
            return method(inputs, attributes, output)
        raise Skip("")

    # What the methods share.

    def add(self, op: str, inputs: list[str], output: str, **attributes: Any) -> None:
        """Append an operation."""
        self.makers[output] = Node(op, [name for name in inputs if name], output, attributes)
        self.nodes.append(self.makers[output])

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

    def weights(self, names: list[str]) -> list[np.ndarray]:
        """Operands that have to be constant."""
        if not all(name in self.constants for name in names if name):
            raise Skip("its weights are not constant")
        return [self.constants[name] for name in names if name]

    def shape(self, name: str) -> tuple[int, ...]:
        """The whole shape of a value."""
        if name not in self.shapes:
            raise Skip("sizes that are not static")
        if sum(size < 0 for size in self.shapes[name]) != 1:
            raise Skip(f"'{name}' does not have the batch as one of its axes")
        return self.shapes[name]

    def axis(self, axis: int, name: str) -> int:
        """An axis of a value, counted from 0; never one that carries the batch."""
        axis %= len(self.shape(name))
        if self.shape(name)[axis] < 0:
            raise Skip("along the batch")
        return axis

    def reshape(self, x: str, output: str, shape: tuple[int, ...] = ()) -> None:
        """Any change of shape, to that of the output in the file or to another."""
        self.shapes[output] = shape or self.shape(output)
        self.add("Reshape", [x], output, shape=self.shape(output))

    def of_rank(self, name: str, rank: int, output: str) -> str:
        """A value or constant with as many axes, those in front of size 1."""
        if name in self.constants:
            value = self.constants[name]
            return self.constant(f"{output}/{name}", value.reshape((1,) * (rank - value.ndim) + value.shape))
        shape = self.shape(name)
        if len(shape) == rank:
            return name
        self.reshape(name, f"{output}/{name}", (1,) * (rank - len(shape)) + shape)
        return f"{output}/{name}"

    # Arithmetic.

    def binary(self, op: str, inputs: list[str], output: str) -> None:
        """Arithmetic of two values, or of one and a constant."""
        if len(inputs) == 1:
            return self.reshape(inputs[0], output)
        if len(inputs) > 2:
            raise Skip("of more than two values")
        if op == "Pow" and self.constants.get(inputs[1], np.zeros(2)).tolist() in (2, [2]):
            op, inputs = "Mul", [inputs[0], inputs[0]]
        if op == "Add" and self.biased(inputs, output):
            return None
        rank = len(self.shape(output))
        names = []
        for name in inputs:
            scalar = name in self.constants and self.constants[name].size == 1
            value = self.constants[name].item() if scalar else None
            names.append(self.constant(f"{output}/{name}", value) if scalar else self.of_rank(name, rank, output))
        self.add(op, names, output)

    def biased(self, inputs: list[str], output: str) -> bool:
        """Make a constant that is added to a linear layer its bias, where nothing else reads the layer's result."""
        for x, name in (inputs, inputs[::-1]):
            dense, bias = self.makers.get(x), self.constants.get(name)
            if bias is None or dense is None or (dense.op, len(dense.inputs), self.uses[x]) != ("Dense", 2, 1):
                continue
            width = len(self.constants[dense.inputs[1]])
            if bias.shape in ((1,) * axes + (width,) for axes in range(len(self.shape(x)))):
                self.nodes.remove(dense)
                self.add("Dense", [*dense.inputs, self.constant(f"{output}/bias", bias.reshape(width))], output)
                return True
        return False

    def _clip(self, inputs, attributes, output):
        low, high = self.value(inputs, 1), self.value(inputs, 2)
        if low is None and high is None:
            return self.reshape(inputs[0], output)
        return self.add("Clip", inputs[:1], output, low=low, high=high)

    def _selu(self, inputs, attributes, output):
        bent = f"{output}/elu"
        self.shapes[bent] = self.shape(output)
        self.add("Elu", inputs, bent, alpha=attributes.get("alpha", 1.6732632))
        self.add("Mul", [bent, self.constant(f"{output}/gamma", attributes.get("gamma", 1.050701))], output)

    def _mish(self, inputs, attributes, output):
        steps = [f"{output}/{op}" for op in ("softplus", "tanh")]
        self.shapes.update(dict.fromkeys(steps, self.shape(output)))
        self.add("Softplus", inputs, steps[0])
        self.add("Tanh", steps[:1], steps[1])
        self.add("Mul", [inputs[0], steps[1]], output)

    def _prelu(self, inputs, attributes, output):
        steps = [f"{output}/{op}" for op in ("above", "below", "times")]
        self.shapes.update(dict.fromkeys(steps, self.shape(output)))
        self.weights(inputs[1:])
        self.add("Relu", inputs[:1], steps[0])
        self.add("Clip", inputs[:1], steps[1], low=None, high=0.0)
        self.binary("Mul", [steps[1], inputs[1]], steps[2])
        self.add("Add", [steps[0], steps[2]], output)

    def _gemm(self, inputs, attributes, output):
        x = inputs[0]
        if attributes.get("transA", 0):
            x = f"{output}/turned"
            self.shapes[x] = self.shape(inputs[0])[::-1]
            self.add("Transpose", inputs[:1], x, axes=(1, 0))
        weight, *bias = self.weights(inputs[1:])
        weight = weight * np.float32(attributes.get("alpha", 1.0))
        weight = weight if attributes.get("transB", 0) else weight.T
        names = [x, self.constant(f"{output}/weight", weight)]
        if bias:
            bias = np.broadcast_to(bias[0] * np.float32(attributes.get("beta", 1.0)), (1, len(weight)))[0]
            names.append(self.constant(f"{output}/bias", bias))
        self.add("Dense", names, output)

    def _matmul(self, inputs, attributes, output):
        weight = self.constants.get(inputs[1])
        if weight is not None and weight.ndim == 2:
            self.shape(inputs[0])
            return self.add("Dense", [inputs[0], self.constant(f"{output}/weight", weight.T)], output)
        rank = len(self.shape(output))
        if any(name in self.constants and self.constants[name].ndim < 2 for name in inputs):
            raise Skip("by a vector")
        return self.add("MatMul", [self.of_rank(name, rank, output) for name in inputs], output)

    def _batchnormalization(self, inputs, attributes, output):
        gamma, beta, mean, variance = (value.astype(np.float64) for value in self.weights(inputs[1:]))
        scale = gamma / np.sqrt(variance + attributes.get("epsilon", 1e-5))
        sizes = (1, -1, *[1] * (len(self.shape(inputs[0])) - 2))
        shift = beta - mean * scale
        scaled = f"{output}/scaled"
        self.shapes[scaled] = self.shape(inputs[0])
        self.add("Mul", [inputs[0], self.constant(f"{output}/scale", scale.reshape(sizes))], scaled)
        self.add("Add", [scaled, self.constant(f"{output}/shift", shift.reshape(sizes))], output)

    def _instancenormalization(self, inputs, attributes, output):
        self.weights(inputs[1:])
        self.axis(1, inputs[0])
        self.add("InstanceNorm", inputs, output, epsilon=attributes.get("epsilon", 1e-5))

    def _layernormalization(self, inputs, attributes, output):
        shape = self.shape(inputs[0])
        first = attributes.get("axis", -1) % len(shape)
        if min(shape[first:]) < 0:
            raise Skip("along the batch")
        scale, *bias = self.weights(inputs[1:])
        names = [
            self.constant(f"{output}/{kind}", np.broadcast_to(value, shape[first:]))
            for kind, value in (("scale", scale), ("bias", bias[0] if bias else np.float32(0)))
        ]
        axes = tuple(range(first, len(shape)))
        self.add("LayerNorm", [inputs[0], *names], output, axes=axes, epsilon=attributes.get("epsilon", 1e-5))

    def _lrn(self, inputs, attributes, output):
        """Each value by a power of the mean square of those in the channels around its own."""
        x, width = inputs[0], attributes["size"]
        shape = self.shape(x)
        if len(shape) != 4 or shape[0] > 0:
            raise Skip("of other than images")
        columns = (shape[0], 1, shape[1], shape[2] * shape[3])
        window = {"kernel": (width, 1), "strides": (1, 1), "pads": (((width - 1) // 2, width // 2), (0, 0))}
        numbers = {"alpha": 1e-4, "bias": 1.0, "beta": 0.75, **attributes}

        def step(op, operands, kind, sizes, **how):
            self.shapes[f"{output}/{kind}"] = sizes
            self.add(op, operands, f"{output}/{kind}", **how)
            return f"{output}/{kind}"

        value = step("Mul", [x, x], "squares", shape)
        value = step("Reshape", [value], "columns", columns, shape=columns)
        value = step("AveragePool", [value], "means", columns, **window)
        value = step("Reshape", [value], "image", shape, shape=shape)
        for op, kind in (("Mul", "alpha"), ("Add", "bias"), ("Pow", "beta")):
            value = step(op, [value, self.constant(f"{output}/{kind}", numbers[kind])], f"by_{kind}", shape)
        self.add("Div", [x, value], output)

    # Windows and reductions.

    def window(self, x: str, output: str, attributes: dict[str, Any], kernel) -> dict[str, Any]:
        """Strides, dilations and the padding that is really read: more with `ceil_mode`, less where strides end."""
        if len(kernel) != 2:
            raise Skip("two spatial axes are")
        strides, dilations = attributes.get("strides", [1, 1]), attributes.get("dilations", [1, 1])
        begins = attributes.get("pads", [0, 0, 0, 0])[:2]
        pads = []
        for axis in range(2):
            size, outs = self.shape(x)[2 + axis], self.shape(output)[2 + axis]
            total = (outs - 1) * strides[axis] + (kernel[axis] - 1) * dilations[axis] + 1 - size
            pads.append((begins[axis], max(total - begins[axis], 0)))
        return {"strides": tuple(strides), "dilations": tuple(dilations), "pads": tuple(pads)}

    def _conv(self, inputs, attributes, output):
        weight = self.weights(inputs[1:])[0]
        if weight.ndim == 3:
            return self.conv_of_rows(inputs, attributes, output)
        window = self.window(inputs[0], output, attributes, weight.shape[2:])
        return self.add("Conv", inputs, output, group=attributes.get("group", 1), **window)

    def conv_of_rows(self, inputs: list[str], attributes: dict[str, Any], output: str) -> None:
        """A convolution with one spatial axis, as of images of one row."""
        image, rows = f"{output}/image", f"{output}/rows"
        for name, value in ((image, inputs[0]), (rows, output)):
            batch, channels, width = self.shape(value)
            self.shapes[name] = (batch, channels, 1, width)
        weight = self.constant(f"{output}/weight", self.constants[inputs[1]][:, :, None])
        before, after = attributes.get("pads", [0, 0])
        window = {name: [1, *attributes.get(name, [1])] for name in ("strides", "dilations")}
        self.reshape(inputs[0], image)
        self._conv([image, weight, *inputs[2:]], {**attributes, **window, "pads": [0, before, 0, after]}, rows)
        self.reshape(rows, output)

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
            size, outs = self.shape(inputs[0])[2 + axis], self.shape(output)[2 + axis]
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

    def reduce(self, op: str, inputs: list[str], attributes: dict[str, Any], output: str) -> None:
        """One value of those along some axes."""
        axes = self.value(inputs, 1)
        if not axes and attributes.get("noop_with_empty_axes", 0):
            return self.reshape(inputs[0], output)
        if not axes:
            raise Skip("over all axes")
        axes = tuple(sorted(self.axis(axis, inputs[0]) for axis in axes))
        return self.add(op, inputs[:1], output, axes=axes, keepdims=bool(attributes.get("keepdims", 1)))

    def _reducemin(self, inputs, attributes, output):
        above, below = f"{output}/negative", f"{output}/max"
        self.shapes.update({above: self.shape(inputs[0]), below: self.shape(output)})
        self.add("Neg", inputs[:1], above)
        self.reduce("ReduceMax", [above, *inputs[1:]], attributes, below)
        self.add("Neg", [below], output)

    def over_image(self, op: str, x: str, output: str) -> None:
        """A reduction over all axes behind the channels."""
        axes = tuple(self.axis(axis, x) for axis in range(2, len(self.shape(x))))
        self.add(op, [x], output, axes=axes, keepdims=True)

    def _globalaveragepool(self, inputs, attributes, output):
        self.over_image("ReduceMean", inputs[0], output)

    def _globalmaxpool(self, inputs, attributes, output):
        self.over_image("ReduceMax", inputs[0], output)

    def _softmax(self, inputs, attributes, output):
        self.add("Softmax", inputs, output, axis=self.axis(attributes.get("axis", -1), output))

    # Parts, places and sizes.

    def _concat(self, inputs, attributes, output):
        self.add("Concat", inputs, output, axis=self.axis(attributes["axis"], output))

    def split(self, x: str, outputs: list[str], attributes: dict[str, Any]) -> None:
        """Each part is a slice."""
        axis, start = self.axis(attributes.get("axis", 0), x), 0
        for output in outputs:
            stop = start + self.shape(output)[axis]
            self.add("Slice", [x], output, axis=axis, start=start, stop=stop, step=1)
            start = stop

    def _slice(self, inputs, attributes, output):
        starts, ends = self.value(inputs, 1), self.value(inputs, 2)
        axes, steps = self.value(inputs, 3, list(range(len(starts)))), self.value(inputs, 4, [1] * len(starts))
        shape, parts = self.shape(inputs[0]), []
        for start, end, axis, step in zip(starts, ends, axes, steps):
            axis %= len(shape)
            if shape[axis] < 0:
                if (start, step) == (0, 1) and end >= np.iinfo(np.int32).max:
                    continue
                raise Skip("along the batch")
            if step < 0:
                raise Skip("backwards")
            begin, stop, _ = slice(start, end, step).indices(shape[axis])
            parts.append(self.part(axis, begin, stop, step))
        self.one_by_one(inputs[0], parts, output)

    @staticmethod
    def part(axis: int, start: int, stop: int, step: int = 1) -> Step:
        """A Slice as a step of `one_by_one`."""
        return "Slice", axis, len(range(start, stop, step)), {"start": start, "stop": stop, "step": step}

    def one_by_one(self, x: str, steps: list[Step], output: str) -> None:
        """Operations along one axis each, one behind the other."""
        if not steps:
            self.reshape(x, output)
        shape = list(self.shape(x))
        for number, (op, axis, size, attributes) in enumerate(steps, 1):
            shape[self.axis(axis, x)] = size
            name = output if number == len(steps) else f"{output}/{number}"
            self.shapes[name] = tuple(shape)
            self.add(op, [x], name, axis=axis, **attributes)
            x = name

    def gathered(self, x: str, places: dict[int, np.ndarray], output: str) -> None:
        """A value with these of its places along each axis."""
        steps: list[Step] = [("Gather", axis, len(each), {"indices": each}) for axis, each in places.items()]
        self.one_by_one(x, steps, output)

    def _tile(self, inputs, attributes, output):
        times = {axis: count for axis, count in enumerate(self.value(inputs, 1)) if count > 1}
        shape = self.shape(inputs[0])
        if all(shape[axis] == 1 for axis in times):
            return self.add("Broadcast", inputs[:1], output, shape=self.shape(output))
        places = {self.axis(axis, inputs[0]): np.tile(np.arange(shape[axis]), count) for axis, count in times.items()}
        return self.gathered(inputs[0], places, output)

    def _gather(self, inputs, attributes, output):
        x = inputs[0]
        (indices,) = self.weights(inputs[1:])
        axis = self.axis(attributes.get("axis", 0), x)
        shape = self.shape(x)
        flat = np.where(indices < 0, indices + shape[axis], indices).astype(np.int64).ravel()
        name = output if indices.ndim == 1 else f"{output}/flat"
        self.shapes[name] = (*shape[:axis], len(flat), *shape[axis + 1 :])
        if np.array_equal(flat, np.arange(flat[0], flat[0] + len(flat))):
            start, stop = int(flat[0]), int(flat[0]) + len(flat)
            self.add("Slice", [x], name, axis=axis, start=start, stop=stop, step=1)
        else:
            self.add("Gather", [x], name, axis=axis, indices=flat)
        if name != output:
            self.reshape(name, output)

    def _gathernd(self, inputs, attributes, output):
        (indices,) = self.weights(inputs[1:])
        if attributes.get("batch_dims", 0) or indices.shape[-1] != 1:
            raise Skip("along more than one axis")
        self._gather([inputs[0], self.constant(f"{output}/indices", indices[..., 0])], {}, output)

    def _depthtospace(self, inputs, attributes, output):
        batch, channels, height, width = self.shape(inputs[0])
        side = attributes["blocksize"]
        rest = channels // side**2
        if attributes.get("mode", b"DCR") == b"DCR":
            sizes, order = (batch, side, side, rest, height, width), (0, 3, 4, 1, 5, 2)
        else:
            sizes, order = (batch, rest, side, side, height, width), (0, 1, 4, 2, 5, 3)
        self.rearranged(inputs[0], sizes, order, output)

    def _spacetodepth(self, inputs, attributes, output):
        batch, channels, height, width = self.shape(inputs[0])
        side = attributes["blocksize"]
        sizes = (batch, channels, height // side, side, width // side, side)
        self.rearranged(inputs[0], sizes, (0, 3, 5, 1, 2, 4), output)

    def rearranged(self, x: str, sizes: tuple[int, ...], order: tuple[int, ...], output: str) -> None:
        """A value with its axes parted, moved, and merged into those of the output."""
        parted, moved = f"{output}/parted", f"{output}/moved"
        self.reshape(x, parted, sizes)
        self.shapes[moved] = tuple(sizes[axis] for axis in order)
        self.add("Transpose", [parted], moved, axes=order)
        self.reshape(moved, output)

    def _castlike(self, inputs, attributes, output):
        self.constants[output] = self.weights(inputs[:1])[0]  # all numbers are float32

    def _expand(self, inputs, attributes, output):
        self.add("Broadcast", inputs[:1], output, shape=self.shape(output))

    def _pad(self, inputs, attributes, output):
        mode = attributes.get("mode", b"constant").decode()
        x, pads, shape = inputs[0], self.value(inputs, 1), self.shape(inputs[0])
        axes = self.value(inputs, 3, list(range(len(shape))))
        pairs = [(0, 0)] * len(shape)
        for place, axis in enumerate(axes):
            pairs[axis % len(shape)] = (pads[place], pads[place + len(axes)])
        axes = [self.axis(axis, x) for axis, pair in enumerate(pairs) if any(pair)]
        if min(min(pair) for pair in pairs) < 0:
            if mode != "constant":
                raise Skip(f"cropping in mode {mode}")
            x, pairs = self.cropped(x, pairs, output), [(max(before, 0), max(after, 0)) for before, after in pairs]
        if mode in ("edge", "wrap"):
            places = {axis: np.pad(np.arange(shape[axis]), pairs[axis], mode) for axis in axes}
            return self.gathered(x, places, output)
        value = float(np.ravel(self.value(inputs, 2, 0.0))[0])
        return self.add("Pad", [x], output, pads=tuple(pairs), value=value, mode=mode)

    def cropped(self, x: str, pairs: list[tuple[int, int]], output: str) -> str:
        """A value without what padding below 0 takes away."""
        shape, name = self.shape(x), f"{output}/cropped"
        parts = [
            self.part(axis, max(-before, 0), shape[axis] + min(after, 0))
            for axis, (before, after) in enumerate(pairs)
            if min(before, after) < 0
        ]
        self.one_by_one(x, parts, name)
        return name

    def _transpose(self, inputs, attributes, output):
        rank = len(self.shape(inputs[0]))
        self.add("Transpose", inputs, output, axes=tuple(attributes.get("perm", range(rank)[::-1])))

    def _resize(self, inputs, attributes, output):
        before, after = self.shape(inputs[0]), self.shape(output)
        mode = attributes.get("mode", b"nearest").decode()
        coordinates = attributes.get("coordinate_transformation_mode", b"half_pixel").decode()
        coordinates = coordinates.replace("pytorch_half_pixel", "half_pixel")  # they differ for outputs of size 1
        rounding = attributes.get("nearest_mode", b"round_prefer_floor").decode()
        if len(before) != 4 or before[:2] != after[:2] or before[0] != -1:
            raise Skip("of other than height and width")
        if mode == "nearest":
            # Where each pixel is repeated a whole number of times, most ways to choose the nearest one agree.
            repeated = all(new % old == 0 for old, new in zip(before[2:], after[2:]))
            if (coordinates, rounding) != ("asymmetric", "floor") and not (
                repeated and coordinates == "half_pixel" and rounding.startswith("round")
            ):
                raise Skip(f"to the nearest pixel by {rounding} of {coordinates} coordinates")
            coordinates = "asymmetric"
        elif mode != "linear" or coordinates not in ("asymmetric", "half_pixel", "align_corners"):
            raise Skip(f"in mode {mode} with {coordinates} coordinates")
        if attributes.get("antialias", 0) or attributes.get("exclude_outside", 0):
            raise Skip("with antialias or exclude_outside")
        self.add("Resize", inputs[:1], output, size=after[2:], mode=mode, coordinates=coordinates)
