"""What can be told of an ONNX graph before it runs: values that depend on constants only, and the shapes of all others.

A shape is whole: it has all axes, the batch among them. At one batch size its axes are numbers. Over all batch sizes
an axis is a number, or a multiple of the batch, which is written as a negative number: -1 is the batch, -64 is 64 times
the batch, as where windows of the images are folded into it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dliflow.errors import DliflowError

OPSET = 18
LARGE = 4096
"""Elements of a constant beyond which it is a weight: only its shape says anything about the shapes of others."""

Shapes = dict[str, tuple[int, ...]]


def check(model) -> None:
    """Refuse, by its name, an operator that is not as the model's opset has it, or a graph that does not hold together.

    Raises:
        DliflowError: with what `onnx.checker` says.
    """
    import onnx

    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        version = model.opset_import[0].version
        raise DliflowError(f"the model does not come out in opset {version}: {' '.join(str(error).split())}") from error


def read_names(graph) -> set[str]:
    """Names of the values that a node, or one inside it, or the graph's output takes."""
    return {value.name for value in graph.output}.union(*map(_read_by, graph.node))


def _read_by(node) -> set[str]:
    names = set(node.input) - {""}  # an optional input that is left out
    return names.union(*(read_names(attribute.g) for attribute in node.attribute))


def drop_dead(graph) -> None:
    """Take away nodes that lead to no output."""
    read = {value.name for value in graph.output}
    kept = []
    for node in reversed(graph.node):
        if read.intersection(node.output):
            read |= _read_by(node)
            kept.append(node)
    del graph.node[:]
    graph.node.extend(kept[::-1])


def fold(graph) -> None:
    """Compute what depends on constants only, and choose branches by them; take Dropout for the Identity it is, and
    optional outputs away that none reads."""
    import onnx
    from onnx.reference import ReferenceEvaluator

    constants = {item.name: item for item in graph.initializer}
    read = read_names(graph)
    kept = []
    waiting = list(graph.node)[::-1]
    while waiting:
        node = waiting.pop()
        if node.op_type == "If" and node.input[0] in constants:
            chosen = _branch(node, constants)
            read.update(name for part in chosen for name in part.input)
            waiting += chosen[::-1]
            continue
        while node.output[-1] not in read and _last_is_optional(node):
            del node.output[-1]
        if node.op_type == "Dropout" and len(node.output) == 1:
            node.op_type = "Identity"
            del node.input[1:], node.attribute[:]
        nested = any(attribute.type == onnx.AttributeProto.GRAPH for attribute in node.attribute)
        all_constant = all(name in constants for name in node.input if name)
        if nested or not all_constant or node.op_type.startswith("Random"):
            kept.append(node)
            continue
        operands = [constants[name] for name in node.input if name]
        outputs = [onnx.helper.make_empty_tensor_value_info(name) for name in node.output if name]
        alone = onnx.helper.make_graph([node], "constant", [], outputs, operands)
        version = 19 if node.op_type == "DequantizeLinear" else OPSET  # the evaluator has no older one
        opsets = [onnx.helper.make_opsetid("", version)]
        values = ReferenceEvaluator(onnx.helper.make_model(alone, opset_imports=opsets)).run(None, {})
        for output, value in zip(outputs, values):
            constants[output.name] = onnx.numpy_helper.from_array(np.asarray(value), output.name)
    ends = {value.name for value in graph.output} & set(constants)
    if ends:
        raise DliflowError(f"the model's output '{min(ends)}' does not depend on its input")
    del graph.node[:], graph.initializer[:], graph.value_info[:]
    graph.node.extend(kept)
    graph.initializer.extend(constants.values())


def _last_is_optional(node) -> bool:
    """Whether a node may do without its last output, as MaxPool without places: parts of a Split are not optional."""
    import onnx

    described = onnx.defs.get_schema(node.op_type, OPSET, "").outputs
    last = described[min(len(node.output), len(described)) - 1]
    return len(node.output) > 1 and last.option == onnx.defs.OpSchema.FormalParameterOption.Optional


def _branch(choice, constants: dict[str, Any]) -> list:
    """The nodes of an If whose condition is constant, with names of their own; its constants join the others."""
    import onnx

    taken = "then_branch" if onnx.numpy_helper.to_array(constants[choice.input[0]]) else "else_branch"
    (graph,) = (attribute.g for attribute in choice.attribute if attribute.name == taken)
    inner = [item.name for item in graph.initializer] + [name for node in graph.node for name in node.output if name]
    names = {name: f"{choice.output[0]}_{name}" for name in inner}

    def rename(nodes) -> None:
        for node in nodes:
            for field in (node.input, node.output):
                field[:] = [names.get(name, name) for name in field]
            for part in node.attribute:
                rename(part.g.node)

    for item in graph.initializer:
        item.name = names[item.name]
        constants[item.name] = item
    rename(graph.node)
    ends = [
        onnx.helper.make_node("Identity", [names.get(end.name, end.name)], [name])
        for end, name in zip(graph.output, choice.output)
    ]
    return [*graph.node, *ends]


def at(model, batch: int) -> tuple[Shapes, dict[str, Any]]:
    """What is known at one batch size.

    Args:
        model: an `onnx.ModelProto` of `OPSET`; it is left as it is.
        batch: the size of the first axis of its one input.

    Returns:
        Shapes of all values that are no constants, 0 where an axis is unknown, and the constants that the graph
        computes at this batch size (`onnx.TensorProto`), such as sizes to reshape to.

    Raises:
        DliflowError: where the graph does not hold together at this size.
    """
    import onnx

    copy = _without_weights(model)
    graph = copy.graph
    graph.input[0].type.tensor_type.shape.dim[0].dim_value = batch
    known = {item.name for item in model.graph.initializer}
    shapes: Shapes = {}
    while True:
        del graph.value_info[:]
        try:
            inferred = onnx.shape_inference.infer_shapes(copy, check_type=True, strict_mode=True).graph
        except onnx.shape_inference.InferenceError as error:
            raise DliflowError(f"the model cannot take a batch of {batch}: {' '.join(str(error).split())}") from error
        values = [*inferred.input, *inferred.value_info, *inferred.output]
        for value in values:
            tensor = value.type.tensor_type
            if value.name not in known and tensor.HasField("shape"):  # without it, even how many axes is unknown
                shapes[value.name] = tuple(dim.dim_value for dim in tensor.shape.dim)
        asked = [node for node in graph.node if node.op_type == "Shape" and all(shapes.get(node.input[0], (0,)))]
        if not asked:
            return shapes, {item.name: item for item in graph.initializer if item.name not in known}
        for node in asked:
            ends = {attribute.name: attribute.i for attribute in node.attribute}
            sizes = np.array(shapes[node.input[0]][ends.get("start", 0) : ends.get("end")], np.int64)
            graph.initializer.append(onnx.numpy_helper.from_array(sizes, node.output[0]))
            graph.node.remove(node)
        fold(graph)


def whole(model) -> Shapes:
    """Shapes of all values that are no constants, over all batch sizes; a value with an unknown axis is not there.

    Raises `DliflowError` where the graph does not hold together at a batch of 2 or 3.
    """
    (two, computed_two), (three, computed_three) = at(model, 2), at(model, 3)
    shapes = {name: over_batches(two[name], three[name]) for name in two.keys() & three.keys()}
    for name in computed_two.keys() & computed_three.keys():  # a constant that is repeated for each image
        shape = over_batches(tuple(computed_two[name].dims), tuple(computed_three[name].dims))
        if any(size < 0 for size in shape):
            shapes[name] = shape
    return {name: shape for name, shape in shapes.items() if all(shape)}


def over_batches(two: tuple[int, ...], three: tuple[int, ...]) -> tuple[int, ...]:
    """A whole shape, of those at a batch of 2 and of 3; 0 where an axis is neither a number nor a multiple."""
    if len(two) != len(three):
        return (0,)
    return tuple(a if a == b else -(a // 2) if 3 * a == 2 * b and a % 2 == 0 else 0 for a, b in zip(two, three))


def _without_weights(model):
    """A copy in which the images' weights are inputs, so that inference after inference copies no weights."""
    import onnx

    copy = onnx.ModelProto()
    copy.ir_version = model.ir_version
    copy.opset_import.extend(model.opset_import)
    copy.graph.name = model.graph.name
    for part in ("node", "input", "output"):
        getattr(copy.graph, part).extend(getattr(model.graph, part))
    copy.graph.output[0].type.tensor_type.ClearField("shape")
    needed = _read_before_images(model.graph)
    for item in model.graph.initializer:
        if np.prod(item.dims) > LARGE and item.data_type == onnx.TensorProto.FLOAT and item.name not in needed:
            described = onnx.helper.make_tensor_value_info(item.name, item.data_type, item.dims)
            copy.graph.input.append(described)
        else:
            copy.graph.initializer.append(item)
    return copy


def _read_before_images(graph) -> set[str]:
    """What is read by nodes that depend on the batch size alone, as where positions are repeated for each image."""
    alone, names = {item.name for item in graph.initializer}, set()
    for node in graph.node:
        if node.op_type == "Shape":
            alone.update(node.output)
        elif alone.issuperset(filter(None, node.input)):
            alone.update(node.output)
            names.update(node.input)
    return names
