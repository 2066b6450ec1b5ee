"""ONNX graphs spelled in the way that every importer understands, where several ways say the same."""

from __future__ import annotations

from typing import Any, Optional

import numpy as np

from dliflow.errors import DliflowError
from dliflow.interchange import patterns
from dliflow.interchange.inference import LARGE, Shapes, at, whole
from dliflow.interchange.settling import constant, say_shape


def before_folding(model) -> None:
    """What makes operators that `onnxoptimizer` can take together, or leaves some for it to remove."""
    _whole_windows(model)
    _in_pairs(model.graph)
    _reduce_by_sums(model.graph)
    _softplus_of_any(model.graph)
    _gather_backwards(model)
    _mean_before_transpose(model.graph)
    _multiply_matrices(model)
    _halve_last(model.graph)
    _prelu_by_channel(model)


def _whole_windows(model) -> None:
    """Pad pools in numbers, without `ceil_mode`, where importers differ in what that means.

    A last window that would begin in the padding behind the image is not computed, but onnx up to 1.23 counts it. And
    where `count_include_pad` counts the file's own padding, what `ceil_mode` adds to it must not count: the file's own
    becomes zeros of the image.
    """
    import onnx

    graph, nodes = model.graph, list(model.graph.node)
    for node in nodes:
        attributes = {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute}
        if not attributes.get("ceil_mode", 0) or attributes.get("auto_pad", b"NOTSET") != b"NOTSET":
            continue
        sizes = at(model, 2)[0].get(node.input[0], ())[2:]
        if not sizes or not all(sizes):
            continue
        pads = attributes.get("pads", [0] * 2 * len(sizes))
        begins, given = list(pads[: len(sizes)]), list(pads[len(sizes) :])
        ends, beyond = _ends_of_windows(sizes, begins, given, attributes)
        counted = attributes.get("count_include_pad", 0) and any(pads) and ends != given
        if not counted and not beyond:
            continue
        if counted:
            name = f"{node.output[0]}_padded"
            widths = constant(graph, f"{name}_by", np.array([0, 0, *begins, 0, 0, *given]))
            pad = onnx.helper.make_node("Pad", [node.input[0], widths], [name])
            graph.node.insert(list(graph.node).index(node), pad)
            node.input[0] = name
            begins, ends = [0] * len(sizes), [new - old for new, old in zip(ends, given)]
        unsaid = ("ceil_mode", "pads", "count_include_pad") if counted or not any(pads) else ("ceil_mode", "pads")
        for item in [item for item in node.attribute if item.name in unsaid]:
            node.attribute.remove(item)
        node.attribute.append(onnx.helper.make_attribute("pads", [*begins, *ends]))


def _ends_of_windows(
    sizes: tuple[int, ...], begins: list[int], given: list[int], attributes: dict[str, Any]
) -> tuple[list[int], bool]:
    """The padding behind the image that a pool with `ceil_mode` needs without it, and whether a window begins there.

    Args:
        sizes: of the spatial axes.
        begins, given: the padding in the file, before and behind.
        attributes: of the pool.
    """
    ones = [1] * len(sizes)
    strides, dilations = attributes.get("strides", ones), attributes.get("dilations", ones)
    ends, beyond = [], False
    before = np.add(sizes, begins).tolist()  # where the padding behind the image begins
    for size, end, kernel, stride, dilation in zip(before, given, attributes["kernel_shape"], strides, dilations):
        reach = (kernel - 1) * dilation + 1
        last = -(-(size + end - reach) // stride) * stride  # where the last window begins
        beyond = beyond or last >= size
        ends.append(end if last >= size else max(last + reach - size, end))
    return ends, beyond


def _in_pairs(graph) -> None:
    """Spell Sum, Mean, Max and Min of several values as operators of two, one after another."""
    import onnx

    nodes = list(graph.node)
    del graph.node[:]
    for node in nodes:
        several = len(node.input) > 2 and node.op_type in ("Max", "Min")
        if not several and node.op_type not in ("Sum", "Mean"):
            graph.node.append(node)
            continue
        first, *others = node.input
        steps = _Steps(graph, node.output[0])
        for other in others:
            first = steps.add({"Sum": "Add", "Mean": "Add"}.get(node.op_type, node.op_type), [first, other])
        if node.op_type == "Mean":
            share = constant(graph, f"{node.output[0]}_share", np.array(1 / len(node.input), np.float32))
            first = steps.add("Mul", [first, share])
        graph.node.extend([*steps.nodes, onnx.helper.make_node("Identity", [first], list(node.output))])


def _reduce_by_sums(graph) -> None:
    """Spell reductions by ReduceSum, the one that MNN 3.6 computes along the axes that it is told."""
    before = {"ReduceL1": "Abs", "ReduceL2": "Mul", "ReduceSumSquare": "Mul", "ReduceLogSum": "Identity"}
    after = {"ReduceL2": "Sqrt", "ReduceLogSum": "Log"}
    nodes = list(graph.node)
    del graph.node[:]
    for node in nodes:
        if node.op_type == "ReduceLogSumExp" and len(node.input) == 2:
            graph.node.extend(_log_of_sum(graph, node))
            continue
        if node.op_type not in before:
            graph.node.append(node)
            continue
        steps, op = _Steps(graph, node.output[0]), before[node.op_type]
        x = steps.add(op, [node.input[0]] * (2 if op == "Mul" else 1))
        y = steps.add("ReduceSum", [x, *node.input[1:]], **{item.name: item.i for item in node.attribute})
        if node.op_type in after:
            steps.add(after[node.op_type], [y])
        graph.node.extend(steps.ending(node.output[0]))


def _log_of_sum(graph, node) -> list:
    """Nodes that subtract the largest value before Exp and add it behind Log, so that none overflows."""
    steps, (x, axes) = _Steps(graph, node.output[0]), node.input
    largest = steps.add("ReduceMax", [x, axes], keepdims=1)
    total = steps.add("ReduceSum", [steps.add("Exp", [steps.add("Sub", [x, largest])]), axes], keepdims=1)
    y = steps.add("Add", [steps.add("Log", [total]), largest])
    if any(item.name == "keepdims" and not item.i for item in node.attribute):
        steps.add("Squeeze", [y, axes])
    return steps.ending(node.output[0])


def _softplus_of_any(graph) -> None:
    """Spell Softplus as `relu(x) + log(1 + exp(-|x|))`: OpenCV, MNN and ncnn let the exponent of large `x` overflow.

    In Mish, which they recognise, Tanh makes one of that.
    """
    network = patterns.Network(graph)
    nodes = list(graph.node)
    del graph.node[:]
    for node in nodes:
        taker = network.only_taker(node.output[0])
        if node.op_type != "Softplus" or (taker is not None and taker.op_type == "Tanh"):
            graph.node.append(node)
            continue
        steps, one = _Steps(graph, node.output[0]), constant(graph, "one", np.array(1, np.float32))
        exponent = steps.add("Exp", [steps.add("Neg", [steps.add("Abs", list(node.input))])])
        rest = steps.add("Log", [steps.add("Add", [exponent, one])])
        steps.add("Add", [steps.add("Relu", list(node.input)), rest])
        graph.node.extend(steps.ending(node.output[0]))


def _gather_backwards(model) -> None:
    """Spell slices that go backwards, as where a network makes BGR of RGB, as Gather."""
    import onnx

    graph, nodes = model.graph, list(model.graph.node)
    values = {item.name: onnx.numpy_helper.to_array(item) for item in graph.initializer if np.prod(item.dims) <= LARGE}
    backwards = {node.output[0]: parts for node in nodes if (parts := _backwards(node, values))}
    if not backwards:
        return
    shapes = whole(model)
    del graph.node[:]
    for node in nodes:
        sizes, parts = shapes.get(next(iter(node.input), ""), ()), backwards.get(node.output[0], [])
        if not parts or not sizes or any(sizes[axis] < 0 for _, _, axis, _ in parts):
            graph.node.append(node)
            continue
        steps, name = _Steps(graph, node.output[0]), node.input[0]
        for start, end, axis, step in parts:
            places = constant(graph, f"{node.output[0]}_places{axis}", np.arange(sizes[axis])[start:end:step])
            name = steps.add("Gather", [name, places], axis=axis)
        graph.node.extend(steps.ending(node.output[0]))


def _backwards(node, values: dict[str, np.ndarray]) -> list[tuple[int, int, int, int]]:
    """Start, end, axis and step of each part of a slice that goes backwards along an axis; [] of any other node."""
    known = node.op_type == "Slice" and len(node.input) == 5 and all(name in values for name in node.input[1:])
    parts = [values[name].tolist() for name in node.input[1:]] if known else []
    return list(zip(*parts)) if parts and min(parts[3]) < 0 else []


def _mean_before_transpose(graph) -> None:
    """Average over the axes as they lie before a transpose, so that an NHWC model's pooling is NCHW again.

    With `keepdims` the transpose comes after it, where it meets its opposite.
    """
    import onnx

    constants = {item.name: item for item in graph.initializer}
    transposes = {node.output[0]: node for node in graph.node if node.op_type == "Transpose"}
    for node in [node for node in graph.node if node.op_type == "ReduceMean" and node.input[0] in transposes]:
        if len(node.input) < 2 or node.input[1] not in constants:
            continue
        transpose, output = transposes[node.input[0]], node.output[0]
        order = list(onnx.helper.get_node_attr_value(transpose, "perm"))
        asked = {axis % len(order) for axis in onnx.numpy_helper.to_array(constants[node.input[1]]).tolist()}
        kept = [place for axis, place in enumerate(order) if axis not in asked]
        keepdims = next((attribute.i for attribute in node.attribute if attribute.name == "keepdims"), 1)
        if not keepdims and kept != sorted(kept):
            continue
        axes = np.array(sorted(order[axis] for axis in asked), np.int64)
        node.input[:] = [transpose.input[0], constant(graph, f"{output}_axes", axes)]
        if keepdims:
            node.output[0] = f"{output}_before_transpose"
            after = onnx.helper.make_node("Transpose", [node.output[0]], [output], perm=order)
            graph.node.insert(list(graph.node).index(node) + 1, after)


def _halve_last(graph) -> None:
    """Spell GELU as `(x * (erf(x / sqrt(2)) + 1)) * 0.5`.

    PyTorch's exporter writes `x * (0.5 * (erf + 1))`, TensorFlow `1 + erf`: on both OpenCV 5.0.0 ends with a
    segmentation fault.
    """
    import onnx

    network = patterns.Network(graph)
    for gelu in network.gelus():
        last, one_more = (network.makers[name] for name in (gelu.output, gelu.one_more))
        if network.is_number(one_more.input[0], 1):
            one_more.input[:] = one_more.input[::-1]
        half = constant(graph, "half", np.array(0.5, np.float32))
        doubled = f"{gelu.output}_twice"
        twice = onnx.helper.make_node("Mul", [gelu.x, gelu.one_more], [doubled], doubled)
        once = onnx.helper.make_node("Mul", [doubled, half], [gelu.output], gelu.output)
        place = list(graph.node).index(last)
        graph.node.remove(last)
        graph.node.insert(place, once)
        graph.node.insert(place, twice)


def _multiply_matrices(model) -> None:
    """Spell Einsum of two operands as a product of matrices: OpenCV 5.0.0 refuses most of them above four axes."""
    import onnx

    graph = model.graph
    if not any(node.op_type == "Einsum" and len(node.input) == 2 for node in graph.node):
        return
    shapes = whole(model) | {item.name: tuple(item.dims) for item in graph.initializer}
    nodes = list(graph.node)
    del graph.node[:]
    for node in nodes:
        equation = onnx.helper.get_node_attr_value(node, "equation").decode() if node.op_type == "Einsum" else ""
        taken = "->" in equation and len(node.input) == 2 and all(name in shapes for name in node.input)
        graph.node.extend(_product(graph, node, equation, shapes) if taken else [node])


def _product(graph, node, equation: str, shapes: Shapes) -> list:
    """Nodes that merge the axes of each operand into (both, alone, summed), multiply, and part them again."""
    terms, result = equation.replace(" ", "").split("->")
    left, right = terms.split(",")
    operands = [(name, term, shapes[name]) for name, term in zip(node.input, (left, right))]
    sizes = {label: size for _, term, shape in operands for label, size in zip(term, shape) if size != 1}

    def sizes_of(labels):
        return tuple(sizes.get(label, 1) for label in labels)

    both = [label for label in left if label in right and label in result]
    summed = [label for label in left if label in right and label not in result]
    alone = [[label for label in term if label not in both and label in result] for term in (left, right)]
    for (_, term, shape), one in zip(operands, alone):
        if len(set(term)) < len(term) or sizes_of(term) != shape or set(term) - {*both, *summed, *one}:
            return [node]
    steps = _Steps(graph, node.output[0])
    factors = []
    for (name, term, _), groups in zip(operands, ([both, alone[0], summed], [both, summed, alone[1]])):
        order = [label for group in groups for label in group]
        name = steps.transpose(name, [term.index(label) for label in order])
        factors.append(steps.reshape(name, sizes_of(order), tuple(int(np.prod(sizes_of(group))) for group in groups)))
    merged = [int(np.prod(sizes_of(group))) for group in (both, *alone)]
    order = [*both, *alone[0], *alone[1]]
    name = steps.reshape(steps.add("MatMul", factors), tuple(merged), sizes_of(order))
    steps.transpose(name, [order.index(label) for label in result])
    return steps.ending(node.output[0])


def _prelu_by_channel(model) -> None:
    """Spell PRelu as `relu(x) - slope * relu(-x)`, unless each channel has one slope, or all have.

    OpenCV and ncnn take any slopes for those of the channels, MNN and OpenVINO those of one axis, in ONNX the last.
    OpenVINO knows this spelling again where the slopes have fewer axes than the value.
    """
    import onnx

    graph, nodes = model.graph, list(model.graph.node)
    asked = {node.input[1] for node in nodes if node.op_type == "PRelu"}
    slopes = {item.name: onnx.numpy_helper.to_array(item) for item in graph.initializer if item.name in asked}
    shapes = whole(model) if slopes else {}
    del graph.node[:]
    for node in nodes:
        slope = _several_slopes(node, slopes, shapes)
        if slope is None:
            graph.node.append(node)
            continue
        steps, x = _Steps(graph, node.output[0]), node.input[0]
        factor = constant(graph, f"{node.output[0]}_slope", slope)
        below = steps.add("Mul", [steps.add("Relu", [steps.add("Neg", [x])]), factor])
        steps.add("Sub", [steps.add("Relu", [x]), below])
        graph.node.extend(steps.ending(node.output[0]))


def _several_slopes(node, slopes: dict[str, np.ndarray], shapes: Shapes) -> Optional[np.ndarray]:
    """The slopes of a PRelu that has several in a channel, with as many axes as its value; None of any other node."""
    if node.op_type != "PRelu" or node.input[1] not in slopes or node.input[0] not in shapes:
        return None
    slope = slopes[node.input[1]]
    sizes = (1,) * (len(shapes[node.input[0]]) - slope.ndim) + slope.shape
    return slope.reshape(sizes) if max((*sizes[:1], *sizes[2:])) > 1 else None


class _Steps:
    """Nodes in the making; a step that would change nothing gives its operand back."""

    def __init__(self, graph, name: str):
        self.graph, self.name = graph, name
        self.nodes: list[Any] = []

    def add(self, op: str, inputs: list[str], **attributes: Any) -> str:
        """Append a node; returns what it gives."""
        import onnx

        output = f"{self.name}_step{len(self.nodes)}"
        self.nodes.append(onnx.helper.make_node(op, inputs, [output], **attributes))
        return output

    def ending(self, name: str) -> list:
        """The nodes, of which the last one gives this value."""
        self.nodes[-1].output[0] = name
        return self.nodes

    def transpose(self, name: str, order: list[int]) -> str:
        """Move axes."""
        return name if order == sorted(order) else self.add("Transpose", [name], perm=order)

    def reshape(self, name: str, before: tuple[int, ...], after: tuple[int, ...]) -> str:
        """Merge or part axes; the shapes are whole."""
        if before == after:
            return name
        output = self.add("Reshape", [name, ""])
        say_shape(self.graph, self.nodes[-1], after)
        return output


RESIZE = {"mode": "nearest", "nearest_mode": "round_prefer_floor", "coordinate_transformation_mode": "half_pixel"}


def _say_defaults(node) -> None:
    """Give attributes that ONNX has defaults for: MNN wants the strides of pools, it and OpenCV the modes of Resize."""
    import onnx

    attributes = {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute}
    defaults: dict[str, Any] = RESIZE if node.op_type == "Resize" else {}
    if node.op_type in ("AveragePool", "MaxPool"):
        defaults = {"strides": [1] * len(attributes["kernel_shape"])}
    missing = {name: value for name, value in defaults.items() if name not in attributes}
    node.attribute.extend(onnx.helper.make_attribute(*each) for each in missing.items())


def after_folding(model) -> None:
    """Say the same in the way that every importer understands.

    Padding is given in numbers, where the file says SAME, and some defaults are said. OpenCV (4.14 and 5.0) takes any
    product with a HardSigmoid of slope 1/6 for a HardSwish, without a look at what the other factor is, and so computes
    squeeze-and-excite blocks wrongly: the slope becomes one unit in the last place smaller. OpenCV 5.0 also counts, in
    windows of average pooling that reach over the edge (`ceil_mode`), what lies beyond as padding: without padding,
    `count_include_pad` is said to be off.
    """
    slope = np.float32(1 / 6)
    shapes: Optional[Shapes] = None
    weights = {item.name: tuple(item.dims) for item in model.graph.initializer}
    for node in model.graph.node:
        _say_defaults(node)
        attributes = {attribute.name: attribute for attribute in node.attribute}
        if "auto_pad" in attributes:
            shapes = shapes or at(model, 2)[0]
            _pad_in_numbers(node, attributes, shapes.get(node.input[0], ()), weights)
            attributes = {attribute.name: attribute for attribute in node.attribute}
        if node.op_type == "HardSigmoid" and "alpha" in attributes and np.float32(attributes["alpha"].f) == slope:
            attributes["alpha"].f = float(np.nextafter(slope, np.float32(0)))
        if node.op_type == "AveragePool" and "count_include_pad" in attributes:
            pads = attributes.get("pads")
            if pads is None or not any(pads.ints):
                attributes["count_include_pad"].i = 0


def _pad_in_numbers(node, attributes: dict[str, Any], size: tuple[int, ...], weights: Shapes) -> None:
    """Replace `auto_pad` by `pads`; `size` is the shape of the node's input."""
    import onnx

    mode = attributes["auto_pad"].s
    node.attribute.remove(attributes["auto_pad"])
    if mode not in (b"SAME_UPPER", b"SAME_LOWER"):
        return
    spatial = size[2:]
    if not spatial or not all(spatial):
        raise DliflowError(
            f"the model's {node.op_type} '{node.name}' is padded by auto_pad, and the size of its input is not known; "
            "export the model with its padding in numbers"
        )
    kernel = attributes["kernel_shape"].ints if "kernel_shape" in attributes else weights[node.input[1]][2:]
    ones = [1] * len(spatial)
    strides = attributes["strides"].ints if "strides" in attributes else ones
    dilations = attributes["dilations"].ints if "dilations" in attributes else ones
    totals = [
        max((-(-n // s) - 1) * s + (k - 1) * d + 1 - n, 0) for n, k, s, d in zip(spatial, kernel, strides, dilations)
    ]
    begins = [(total + (mode == b"SAME_LOWER")) // 2 for total in totals]
    if "pads" in attributes:
        node.attribute.remove(attributes["pads"])
    ends = [total - begin for total, begin in zip(totals, begins)]
    node.attribute.append(onnx.helper.make_attribute("pads", [*begins, *ends]))
