"""The one form in which every ONNX graph is handed to the frameworks, whatever source it comes from.

Its readers may rely on this, which `write` checks in what it has made:

- one input `input`, float32 NCHW, and one output `scores` of two axes, for batches of any size;
- operators of opset 18 in ONNX's own domain, as `onnx.checker` takes them: no attribute of an older opset, and newer
  operators as those of which ONNX makes them;
- float32 throughout: what a file has in float16, bfloat16 or float64 is computed in float32;
- every node leads to the scores, and none is a Constant, an Identity or a Dropout that does nothing: what depends on
  constants only is an initializer, and what nothing reads is not there;
- padding in numbers, never `auto_pad`.

Batch norm is folded into convolutions where that can be done. Where it can be done, too, no size is computed: each
reshape has its sizes as constants, -1 for the one that carries the batch. What an operator needs repeated for each
image, and cannot broadcast, is an Expand to sizes that begin with the Shape of the input.

It runs in the environment of each source format that gives ONNX: numpy, onnx and onnxoptimizer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Optional

from dliflow.errors import DliflowError
from dliflow.interchange import functions, settling, spelling
from dliflow.interchange.inference import OPSET, at, check, drop_dead, fold, read_names

PASSES = [
    "eliminate_identity",
    "fuse_consecutive_transposes",
    "eliminate_nop_transpose",
    "eliminate_nop_pad",
    "eliminate_nop_with_unit",
    "fuse_pad_into_conv",
    "fuse_bn_into_conv",
    "fuse_add_bias_into_conv",
    "eliminate_deadend",
    "set_unique_name_for_nodes",
]
"""What onnxoptimizer does to a graph. Its other passes are for transformers, or make graphs that importers refuse."""


def write(model: Any, shape: tuple[int, ...], layout: str, out: Path) -> int:
    """Bring an ONNX model into that form and write it to `out / "model.onnx"`.

    Args:
        model: an `onnx.ModelProto`; it is used up.
        shape: (C, H, W) of one input.
        layout: of the model's input, "NCHW" or "NHWC"; `input` is NCHW in any case.
        out: an existing folder.

    Returns:
        The number of scores.

    Raises:
        DliflowError: for a model that is not one float32 image in, one row of scores out, whose batch size is fixed
            by more than reshapes, or that does not come out in the form.
    """
    import onnx
    import onnxoptimizer

    _refuse_of_batch(model.graph)
    model = functions.written_out(model, functions.is_newer)
    widen(model.graph)
    drop_dead(model.graph)
    batch = _check(model, shape, layout)
    model = _at_opset(model)
    fold(model.graph)
    settling.open_batch(model, batch)
    _ends(model.graph, layout)
    scores = _scores(model)
    spelling.before_folding(model)
    model = onnxoptimizer.optimize(onnx.shape_inference.infer_shapes(model), PASSES, fixed_point=True)
    fold(model.graph)  # a folded batch norm is left as arithmetic on constants
    model = onnxoptimizer.optimize(model, ["eliminate_unused_initializer"])
    spelling.after_folding(model)
    _strip(model)
    read = read_names(model.graph)
    for unused in [item for item in model.graph.initializer if item.name not in read]:
        model.graph.initializer.remove(unused)
    model.ir_version = 8  # that of the opset; older versions of what reads it take no newer one
    del model.opset_import[:]
    model.opset_import.append(onnx.helper.make_opsetid("", OPSET))
    check(model)
    _check_form(model.graph)
    (out / "model.onnx").write_bytes(model.SerializeToString(deterministic=True))
    return scores


# What is taken.


def _refuse_of_batch(graph) -> None:
    """Refuse an operator by which an image's scores depend on the others of its batch, as its default is."""
    for node in graph.node:
        axes = next((list(item.ints) for item in node.attribute if item.name == "axes"), [0, 2, 3])
        if node.op_type == "MeanVarianceNormalization" and 0 in axes:
            raise DliflowError(
                f"the model's MeanVarianceNormalization '{node.name}' is over the images of a batch: its scores of one "
                "image depend on the others"
            )


def _check(model, shape: tuple[int, ...], layout: str) -> int:
    """Refuse what cannot be taken; make the input's shape the entry's. Returns the file's batch size, 0 for any."""
    import onnx

    graph = model.graph
    initialized = {item.name for item in graph.initializer}
    inputs = [value for value in graph.input if value.name not in initialized]  # older files list the weights too
    del graph.input[:]
    graph.input.extend(inputs)
    for kind, values in (("input", graph.input), ("output", graph.output)):
        if len(values) != 1:
            names = ", ".join(value.name for value in values) or "none"
            fix = "; set source.output to one" if kind == "output" else ", and an image classifier has one"
            raise DliflowError(f"the model's {kind}s are {names}{fix}")
    for domain in sorted({node.domain for node in graph.node} - {"", "ai.onnx"}):
        operators = sorted({node.op_type for node in graph.node if node.domain == domain})
        raise DliflowError(
            f"the model uses {operators[0]} of the domain {domain}, which not every framework knows; export "
            "it anew, or take the file from before it was optimized"
        )
    unknown = sorted({node.op_type for node in graph.node if not onnx.defs.has(node.op_type, "")})
    if unknown:
        raise DliflowError(f"the model uses {unknown[0]}, which is no operator of ONNX")
    constants = initialized.union(*(node.output for node in graph.node if node.op_type == "Constant"))
    quantized = sorted(
        {
            node.op_type
            for node in graph.node
            if "Quantize" in node.op_type
            or "QLinear" in node.op_type
            or (node.op_type == "DequantizeLinear" and node.input[0] not in constants)
        }
    )
    if quantized:
        raise DliflowError(f"the model is quantized ({quantized[0]}): set source.precision: int8 to run it as it is")
    _float_ends(model)
    dims = graph.input[0].type.tensor_type.shape.dim
    file_shape = [dim.dim_value for dim in dims]  # 0 for a symbol
    for dim, size in zip(list(dims)[1:], check_input(file_shape, shape, layout)):
        dim.dim_value = size
    return file_shape[0]


def _float_ends(model) -> None:
    """Let a model that takes pixels as uint8 take the same numbers as float32; refuse another input or output.

    What only moves pixels (a transpose, a crop) does the same with float32, and a Cast of them to float32 does nothing.
    Nor does one of images to uint8: a model that begins with it takes pixels, whole numbers from 0 to 255.
    """
    import onnx

    graph, single = model.graph, onnx.TensorProto.FLOAT
    for kind, value in (("input", graph.input[0]), ("output", graph.output[0])):
        tensor = value.type.tensor_type
        if kind == "input" and tensor.elem_type == onnx.TensorProto.UINT8:
            tensor.elem_type = single
            del graph.value_info[:]
        elif tensor.elem_type != single:
            name = onnx.TensorProto.DataType.Name(tensor.elem_type).lower()
            taken = "float32 images or uint8 pixels are taken" if kind == "input" else "float32 scores are expected"
            raise DliflowError(f"the model's {kind} '{value.name}' is {name}; {taken}")
    if not any(node.op_type in ("Cast", "CastLike") for node in graph.node):
        return
    for node in graph.node:
        of_images = node.op_type == "Cast" and node.input[0] == graph.input[0].name
        if of_images and onnx.helper.get_node_attr_value(node, "to") == onnx.TensorProto.UINT8:
            node.op_type = "Identity"
            del node.attribute[:], graph.value_info[:]
    inferred = onnx.shape_inference.infer_shapes(model).graph
    values = (*inferred.input, *inferred.value_info, *inferred.output)
    types = {value.name: value.type.tensor_type.elem_type for value in values}
    for node in graph.node:
        if node.op_type not in ("Cast", "CastLike"):
            continue
        cast = node.op_type == "Cast"
        wanted = onnx.helper.get_node_attr_value(node, "to") if cast else types.get(node.input[1])
        if wanted is not None and wanted == types.get(node.input[0]):
            node.op_type = "Identity"
            del node.attribute[:], node.input[1:]


def widen(graph) -> None:
    """Make float16, bfloat16 and float64 float32, in weights, types and operators; the graph is changed in place."""
    import numpy as np
    import onnx

    kinds = onnx.TensorProto
    others, single = (kinds.FLOAT16, kinds.BFLOAT16, kinds.DOUBLE), kinds.FLOAT

    def widened(tensor):
        return onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(tensor).astype(np.float32), tensor.name)

    for value in (*graph.input, *graph.output, *graph.value_info):
        if value.type.tensor_type.elem_type in others:
            value.type.tensor_type.elem_type = single
    for tensor in graph.initializer:
        if tensor.data_type in others:
            tensor.CopyFrom(widened(tensor))
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t") and attribute.t.data_type in others:
                attribute.t.CopyFrom(widened(attribute.t))
            elif attribute.HasField("g"):
                widen(attribute.g)
            elif attribute.name in ("to", "dtype") and attribute.i in others:
                attribute.i = single


def check_dtype(file_dtype: str, entry_dtype: str) -> None:
    """Compare the input's dtype in a model's file with the entry's.

    Raises:
        DliflowError: with what to set, or with what there is, when they do not agree.
    """
    if file_dtype not in ("float32", "uint8", "int8", "int16"):
        raise DliflowError(f"the model's input is {file_dtype}; images come as float32, uint8, int8 or int16")
    if file_dtype != entry_dtype:
        raise DliflowError(f"the model's input is {file_dtype}: set input.dtype: {file_dtype}")


def check_input(file_shape: Sequence[Optional[int]], shape: tuple[int, ...], layout: str) -> tuple[int, ...]:
    """Compare the input's shape in a model's file with the entry's.

    Args:
        file_shape: that of the input in the file, the batch first; 0 or None where any size is taken.
        shape: (C, H, W) of one input, as the entry says.
        layout: the entry's, "NCHW" or "NHWC".

    Returns:
        The shape of one input in that layout.

    Raises:
        DliflowError: with what to set, when they do not agree.
    """
    shapes = {"NCHW": tuple(shape), "NHWC": (*shape[1:], shape[0])}

    def fits(expected):
        return len(file_shape) == 4 and all(
            not size or size == wanted for size, wanted in zip(file_shape[1:], expected)
        )

    if fits(shapes[layout]):
        return shapes[layout]
    other = "NHWC" if layout == "NCHW" else "NCHW"
    file_says = f"the model's input is ({', '.join(str(size or 'any') for size in file_shape)})"
    if fits(shapes[other]):
        raise DliflowError(f"{file_says}: set input.layout: {other}")
    wanted = ", ".join(map(str, shapes[layout]))
    grey = len(file_shape) == 4 and 1 in (file_shape[1], file_shape[3])
    hint = "; networks of grey images are not taken: images have three channels" if grey else ""
    raise DliflowError(f"{file_says}, the entry's input.size and input.layout say (batch, {wanted}){hint}")


def chosen(kind: str, names: Sequence[str], wanted: Optional[str]) -> str:
    """The name of the model's input or output: what the entry tells, by name or by number, or the only one there is.

    Args:
        kind: "input" or "output".
        names: those in the file.
        wanted: the entry's `source.input` or `source.output`.
    """
    if wanted is None and len(names) == 1:
        return names[0]
    if wanted is not None and wanted.isdecimal() and wanted not in names and int(wanted) < len(names):
        return names[int(wanted)]
    if wanted is None or wanted not in names:
        problem = "" if wanted is None else f"source.{kind}: there is no '{wanted}'; "
        raise DliflowError(f"{problem}the model's {kind}s are {', '.join(names) or 'none'}; set source.{kind} to one")
    return wanted


def only_input(name: str, names: Iterable[str], path: Path) -> None:
    """Refuse a file that needs values of more inputs than that of the images."""
    others = ", ".join(other for other in names if other != name)
    if others:
        raise DliflowError(
            f"{path}: beside '{name}' the model needs values of {others}; an image classifier has one input"
        )


def choose_output(model: Any, wanted: Optional[str]) -> None:
    """Keep only the output that an entry's `source.output` names: an output or any value of the graph.

    None keeps the only one.
    """
    import onnx

    graph = model.graph
    inner = {name for node in graph.node for name in node.output}
    names = [value.name for value in graph.output]
    name = wanted if wanted in inner else chosen("output", names, wanted)
    if names == [name]:
        return
    inferred = onnx.shape_inference.infer_shapes(model).graph
    described = {value.name: value for value in (*inferred.value_info, *inferred.output)}
    unknown = onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None)
    del graph.output[:]
    graph.output.append(described.get(name, unknown))


def _at_opset(model):
    """The model in the operators of `OPSET`."""
    import onnx

    model.ir_version = max(model.ir_version, 4)  # from here on initializers need not be inputs
    version = opset(model)
    if version == OPSET:
        return model
    del model.graph.value_info[:]
    try:
        model = onnx.version_converter.convert_version(model, OPSET)
    except Exception as error:  # its C++ code raises several kinds
        raise DliflowError(
            f"the model, of ONNX opset {version}, cannot be brought to opset {OPSET}: {error}"
        ) from error
    for node in model.graph.node:
        if node.op_type == "Resize" and version < 11:  # which had these alone; the converter leaves them out
            asymmetric = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
            node.attribute.extend(onnx.helper.make_attribute(*each) for each in asymmetric.items())
    return model


def opset(model) -> int:
    """The version of ONNX's own operators that a model has."""
    return next((item.version for item in model.opset_import if item.domain in ("", "ai.onnx")), 1)


# Input and output.


def _rename(graph, old: str, new: str) -> None:
    """Call a value `new`; what had that name gets another."""
    if old == new:
        return
    names = {new: f"{new}_of_the_file", old: new}
    for node in graph.node:
        for field in (node.input, node.output):
            for index, name in enumerate(field):
                field[index] = names.get(name, name)
    for item in [*graph.initializer, *graph.input, *graph.output]:
        item.name = names.get(item.name, item.name)


def _ends(graph, layout: str) -> None:
    """Name the input and the output; a transpose in front of a graph whose layout is another."""
    import onnx

    _rename(graph, graph.input[0].name, "input")
    if layout == "NHWC":
        for node in graph.node:
            node.input[:] = ["input_nhwc" if name == "input" else name for name in node.input]
        graph.node.insert(0, onnx.helper.make_node("Transpose", ["input"], ["input_nhwc"], perm=[0, 2, 3, 1]))
        dims = graph.input[0].type.tensor_type.shape.dim
        height, width, channels = (dim.dim_value for dim in list(dims)[1:])
        for dim, size in zip(list(dims)[1:], (channels, height, width)):
            dim.dim_value = size
    _rename(graph, graph.output[0].name, "scores")


def _scores(model) -> int:
    """Make the output (batch, scores); axes of size 1 go. Returns the number of scores."""
    import onnx

    graph = model.graph
    scores_shape = at(model, 1)[0].get("scores", ())
    sizes = [size for size in scores_shape[1:] if size != 1] or list(scores_shape[1:2])
    if len(sizes) != 1 or sizes[0] == 0:
        sizes_shown = ", ".join(str(size or "any") for size in scores_shape[1:])
        raise DliflowError(f"the model's output is (batch, {sizes_shown}), not a row of scores for each image")
    if len(scores_shape) > 2:
        _rename(graph, "scores", "scores_unflattened")
        graph.output[0].name = "scores"
        graph.node.append(onnx.helper.make_node("Flatten", ["scores_unflattened"], ["scores"], axis=1))
    described = onnx.helper.make_tensor_value_info("scores", onnx.TensorProto.FLOAT, ["batch", sizes[0]])
    graph.output[0].CopyFrom(described)
    return sizes[0]


# Notes, and the promise.


def _strip(model) -> None:
    """Take out the exporter's notes: they hold paths of this machine, and make equal graphs differ."""
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.initializer, *graph.input, *graph.output):
        del part.metadata_props[:]
        part.doc_string = ""
    del graph.value_info[:]
    del model.functions[:]
    graph.name = "network"
    model.producer_name = model.producer_version = model.domain = ""


def _check_form(graph) -> None:
    """Refuse a graph that does not keep what this module promises to its readers beyond ONNX's own rules."""
    read = read_names(graph)
    for node in graph.node:
        padded = any(attribute.name == "auto_pad" for attribute in node.attribute)
        if node.op_type in ("Constant", "Identity") or padded or not read.intersection(node.output):
            raise DliflowError(
                f"the model's {node.op_type} '{node.name}' cannot be brought into the interchange form; export the "
                "model with its constants folded and its padding in numbers"
            )
