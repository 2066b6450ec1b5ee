"""Shapes of an ONNX graph settled as far as the batch allows, so that it computes no sizes while it runs.

What depends on the batch size alone is known for each batch size before the graph runs. At two of them it is computed
here. Values that come out the same are constants. A size that is a multiple of the batch can be left to be inferred by
the one reshape that needs it. A constant that is repeated for each image, such as a class token, is broadcast by what
reads it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dliflow.errors import DliflowError
from dliflow.interchange.inference import Shapes, at, fold, over_batches, read_names, whole

BROADCASTING = ("Add", "Sub", "Mul", "Div", "Pow", "Max", "Min", "MatMul", "Where")
"""Operators that repeat an operand along axes of size 1."""


def constant(graph, name: str, value: np.ndarray) -> str:
    """Add a constant; returns its name, which is another where that one is taken by another value."""
    import onnx

    initializers = {item.name: item for item in graph.initializer}
    while name in initializers and not np.array_equal(onnx.numpy_helper.to_array(initializers[name]), value):
        name += "_"
    if name not in initializers:
        graph.initializer.append(onnx.numpy_helper.from_array(value, name))
    return name


def open_batch(model, batch: int) -> None:
    """Settle all shapes, and free the graph of a batch size.

    Args:
        model: an `onnx.ModelProto`, changed in place.
        batch: the size in the file, 0 for any.

    Raises:
        DliflowError: for a batch size that is fixed by more than reshapes.
    """
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "batch"
    _resize_by_factors(model, batch or 1)
    if _refusal(model):
        _free_batch(model, batch or 1)
    refusal = _refusal(model)
    deciding = [node for node in model.graph.node if node.op_type in ("If", "Loop", "Scan")]
    if refusal and deciding:
        raise DliflowError(
            f"the model's {deciding[0].op_type} '{deciding[0].name}' decides while it runs what is computed; export "
            "the model without it"
        )
    if refusal:
        fixed = f"the model's batch size is fixed{f' to {batch}' if batch else ''}"
        raise DliflowError(f"{fixed}: {refusal}; export it with a batch of any size")
    _settle(model)
    if deciding:  # by sizes, which are constants now
        fold(model.graph)
        _settle(model)


def _resize_by_factors(model, batch: int) -> None:
    """Give each Resize factors in place of sizes, where they say the same: sizes have the batch among them."""
    graph = model.graph
    sized = [node for node in graph.node if node.op_type == "Resize" and len(node.input) > 3]
    shapes = at(model, batch)[0] if sized else {}
    for node in sized:
        before, after = (shapes.get(name, (0,)) for name in (node.input[0], node.output[0]))
        modes = {attribute.name: attribute for attribute in node.attribute}
        policy = modes["keep_aspect_ratio_policy"].s if "keep_aspect_ratio_policy" in modes else b"stretch"
        if len(before) != len(after) or not all(before + after) or policy != b"stretch":
            continue
        factors = (np.array(after) / before).astype(np.float32)
        short = factors.astype(np.float64) * before < after  # importers round what comes out down
        factors[short] = np.nextafter(factors[short], np.float32(np.inf))
        node.input[2:] = [constant(graph, f"{node.output[0]}_factors", factors)]
        for name in modes.keys() & {"axes", "keep_aspect_ratio_policy"}:
            node.attribute.remove(modes[name])


def _refusal(model) -> str:
    """Why the model does not give scores for each image of a batch of any size; "" if it does."""
    output = model.graph.output[0].name
    for batch in (2, 3):
        try:
            shapes = at(model, batch)[0]
        except DliflowError as error:
            return str(error)
        for node in model.graph.node:
            if node.op_type != "Reshape":
                continue
            before, after = shapes.get(node.input[0], (0,)), shapes.get(node.output[0], (0,))
            if all(before + after) and np.prod(before) != np.prod(after):
                return f"a batch of {batch} makes Reshape '{node.name}' turn {before} into {after}"
        if shapes.get(output, ())[:1] != (batch,):
            return f"a batch of {batch} gives scores of the shape {shapes.get(output, ())}"
    return ""


def _free_batch(model, batch: int) -> None:
    """Have each reshape infer its first size, where images lie one after another, and no Concat repeat a constant."""
    import onnx

    graph = model.graph
    shapes = at(model, batch)[0]
    constants = {item.name: item for item in graph.initializer}
    nodes, freed = list(graph.node), []
    del graph.node[:]
    for node in nodes:
        after = shapes.get(node.output[0], ())
        if node.op_type == "Reshape" and after and all(after):
            say_shape(graph, node, (-1, *after[1:]))
            freed.append(node.output[0])
        bases = {}
        if node.op_type == "Concat":
            values = {name: onnx.numpy_helper.to_array(constants[name]) for name in node.input if name in constants}
            bases = {name: _once(value, batch) for name, value in values.items() if _once(value, batch) is not None}
        if bases and len(set(node.input) - bases.keys()) == 1:
            images = {name: (-1, *shapes[name][1:]) for name in node.input if name in shapes}
            takers = [taker for taker in nodes if node.output[0] in taker.input]
            graph.node.extend(_added_to_padding(graph, node, bases, images, takers))
        else:
            graph.node.append(node)
    try:
        shapes = whole(model)
    except DliflowError:
        return  # `_refusal` tells why
    for node in graph.node:
        before = [size for size in shapes.get(node.input[0], ()) if size != 1] if node.output[0] in freed else []
        if before and before[0] > 0:
            raise DliflowError(
                f"the model's batch size is fixed to {batch}, and its Reshape '{node.name}' comes where the batch is "
                "not the first axis; export it with a batch of any size"
            )


def say_shape(graph, node, shape: tuple[int, ...]) -> None:
    """Give a reshape its sizes as constants; the one that carries the batch is inferred."""
    target = np.array([max(size, -1) for size in shape], np.int64)
    node.input[1] = constant(graph, f"{node.output[0]}_shape", target)
    del node.attribute[:]


# What depends on the batch size alone.


def _settle(model) -> None:
    """Replace it."""
    import onnx

    graph = model.graph
    (two, computed_two), (three, computed_three) = at(model, 2), at(model, 3)
    shapes = {name: over_batches(two[name], three[name]) for name in two.keys() & three.keys()}
    values = {
        name: tuple(onnx.numpy_helper.to_array(computed[name]) for computed in (computed_two, computed_three))
        for name in computed_two.keys() & computed_three.keys()
    }
    read = read_names(graph)
    graph.initializer.extend(
        onnx.numpy_helper.from_array(first, name)
        for name, (first, second) in values.items()
        if name in read and np.array_equal(first, second)
    )
    constants = {item.name for item in graph.initializer}
    kept = [node for node in graph.node if not constants.issuperset(node.output)]
    del graph.node[:]
    for node in kept:
        if node.output[0] not in values:
            _settle_sizes(graph, node, shapes, values)
            repeated = {name: values[name] for name in node.input if name in values and name not in constants}
            bases = {
                name: _once(two, 2)
                for name, (two, three) in repeated.items()
                if _once(two, 2) is not None and np.array_equal(_once(two, 2), _once(three, 3))
            }
            if node.op_type == "Concat" and bases and len(set(node.input) - bases.keys()) == 1:
                takers = [taker for taker in kept if node.output[0] in taker.input]
                graph.node.extend(_added_to_padding(graph, node, bases, shapes, takers))
                continue
            graph.node.extend(_repeated(graph, node, bases))
        graph.node.append(node)


def _settle_sizes(graph, node, shapes: Shapes, values: dict[str, Any]) -> None:
    """Let a node do without computed sizes."""
    before, after = (shapes.get(name, (0,)) for name in (*node.input[:1], node.output[0]))
    if not all(after):
        return
    if node.op_type == "Reshape":
        say_shape(graph, node, after)
    elif node.op_type == "Gather" and len(before) == 1 and all(map(_in_order, values.get(node.input[1], ([1],)))):
        node.op_type = "Reshape"  # PyTorch's `as_strided` of a whole value
        say_shape(graph, node, after)
    elif node.op_type == "Expand" and any(size < 0 for size in before):
        node.input[1] = constant(graph, f"{node.output[0]}_shape", np.array([max(size, 1) for size in after], np.int64))
    elif node.op_type == "Slice" and before == after and values.keys() & set(node.input[1:3]):
        node.op_type = "Identity"  # PyTorch slices the batch, too, from end to end
        del node.input[1:]


def _in_order(indices) -> bool:
    return np.array_equal(np.ravel(indices), np.arange(np.size(indices)))


def _repeated(graph, node, bases: dict[str, np.ndarray]) -> list:
    """Let a node broadcast what is repeated for each image; returns nodes to put before it."""
    import onnx

    before = []
    for place, name in enumerate(node.input):
        if name in bases and node.op_type in BROADCASTING:
            node.input[place] = constant(graph, f"{name}_once", bases[name])
        elif name in bases:
            shape = bases[name].shape
            rest = constant(graph, f"{name}_rest", np.array(shape[1:], np.int64))
            once = constant(graph, f"{name}_once", bases[name])
            output = node.input[place] = f"{node.output[0]}_operand{place}"
            before += [
                onnx.helper.make_node("Shape", [graph.input[0].name], [f"{output}_batch"], start=0, end=1),
                onnx.helper.make_node("Concat", [f"{output}_batch", rest], [f"{output}_shape"], axis=0),
                onnx.helper.make_node("Expand", [once, f"{output}_shape"], [output]),
            ]
    return before


def _once(value: np.ndarray, batch: int) -> Any:
    """What a constant repeats along its first axis for each image of a batch; None if it is something else."""
    repeated = value.dtype == np.float32 and value.shape[:1] == (batch,) and np.all(value == value[:1])
    return value[:1] if repeated else None


def _added_to_padding(graph, node, bases: dict[str, np.ndarray], shapes: Shapes, takers: list) -> list:
    """Nodes that concatenate constants, such as a class token, and the one operand that differs between images.

    The operand is padded with zeros, to which the constants are added: by the node behind, where that adds a constant
    anyway, such as the positions of tokens. Sums of zero and something are exact.
    """
    import onnx

    output = node.output[0]
    (operand,) = set(node.input) - bases.keys()
    sizes = shapes[operand]
    axis = onnx.helper.get_node_attr_value(node, "axis") % len(sizes)
    zeros = [1 if size < 0 else size for size in sizes]
    added = np.concatenate([bases.get(name, np.zeros(zeros, np.float32)) for name in node.input], axis)
    place = list(node.input).index(operand)
    widths = [sum(bases[name].shape[axis] for name in part) for part in (node.input[:place], node.input[place + 1 :])]
    pads = np.zeros((2, len(sizes)), np.int64)
    pads[:, axis] = widths
    node.op_type = "Pad"
    del node.attribute[:]
    node.input[:] = [operand, constant(graph, f"{output}_pads", pads.ravel())]
    initializers = {item.name: item for item in graph.initializer}
    if len(takers) == 1 and takers[0].op_type == "Add":
        for index, name in enumerate(takers[0].input):
            if name in initializers and len(initializers[name].dims) <= added.ndim:
                added = added + onnx.numpy_helper.to_array(initializers[name])
                takers[0].input[index] = constant(graph, f"{name}_added", added)
                return [node]
    node.output[0] = f"{output}_padded"
    return [node, onnx.helper.make_node("Add", [node.output[0], constant(graph, f"{output}_added", added)], [output])]
