"""ONNX graphs spelled in the way that every importer understands, where several ways say the same."""

from __future__ import annotations

from typing import Any, Optional

import numpy as np

from dliflow.errors import DliflowError
from dliflow.interchange import patterns
from dliflow.interchange.inference import Shapes, at, whole
from dliflow.interchange.settling import constant, say_shape


def before_folding(model) -> None:
    """What makes operators that `onnxoptimizer` can take together, or leaves some for it to remove."""
    _mean_before_transpose(model.graph)
    _multiply_matrices(model)
    _halve_last(model.graph)


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
    """Spell GELU as `(x * (1 + erf(x / sqrt(2)))) * 0.5`.

    PyTorch's exporter writes `x * (0.5 * (1 + erf))`, on which OpenCV 5.0.0 ends with a segmentation fault.
    """
    import onnx

    network = patterns.Network(graph)
    for gelu in network.gelus():
        last = network.makers[gelu.output]
        half = constant(graph, "half", np.array(0.5, np.float32))
        twice = onnx.helper.make_node("Mul", [gelu.x, gelu.one_more], [f"{gelu.output}_twice"])
        once = onnx.helper.make_node("Mul", [twice.output[0], half], [gelu.output])
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
    import onnx

    terms, result = equation.replace(" ", "").split("->")
    labels = terms.split(",")
    sizes = {
        label: size for term, name in zip(labels, node.input) for label, size in zip(term, shapes[name]) if size != 1
    }
    summed = [label for label in labels[0] if label in labels[1] and label not in result]
    both = [label for label in labels[0] if label in labels[1] and label in result]
    alone = [[label for label in term if label in result and label not in both] for term in labels]
    plain = all(
        len(set(term)) == len(term) and shapes[name] == tuple(sizes.get(label, 1) for label in term)
        for term, name in zip(labels, node.input)
    )
    if not plain or any(set(term) - {*both, *summed, *one} for term, one in zip(labels, alone)):
        return [node]
    output, before = node.output[0], []

    def size(group):
        return int(np.prod([sizes.get(label, 1) for label in group]))

    def ordered(name, present, wanted, new):
        if present != wanted:
            order = [present.index(label) for label in wanted]
            before.append(onnx.helper.make_node("Transpose", [name], [new], perm=order))
        return new if present != wanted else name

    def reshaped(name, shape, new):
        before.append(onnx.helper.make_node("Reshape", [name, ""], [new]))
        say_shape(graph, before[-1], shape)
        return new

    orders = ([both, alone[0], summed], [both, summed, alone[1]])
    factors = []
    for number, (name, term, groups) in enumerate(zip(node.input, labels, orders)):
        name = ordered(name, list(term), [label for group in groups for label in group], f"{output}_order{number}")
        factors.append(reshaped(name, tuple(size(group) for group in groups), f"{output}_factor{number}"))
    before.append(onnx.helper.make_node("MatMul", factors, [f"{output}_product"]))
    parted = [*both, *alone[0], *alone[1]]
    name = reshaped(f"{output}_product", tuple(sizes.get(label, 1) for label in parted), f"{output}_parted")
    if ordered(name, parted, list(result), output) == name:
        before[-1].output[0] = output
    return before


def after_folding(model) -> None:
    """Say the same in the way that every importer understands.

    Padding is given in numbers, where the file says SAME. OpenCV (4.14 and 5.0) takes any product with a HardSigmoid
    of slope 1/6 for a HardSwish, without a look at what the other factor is, and so computes squeeze-and-excite blocks
    wrongly: the slope becomes one unit in the last place smaller. OpenCV 5.0 also counts, in windows of average
    pooling that reach over the edge (`ceil_mode`), what lies beyond as padding: without padding, `count_include_pad`
    is said to be off.
    """
    slope = np.float32(1 / 6)
    shapes: Optional[Shapes] = None
    weights = {item.name: tuple(item.dims) for item in model.graph.initializer}
    for node in model.graph.node:
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
