"""A frozen graph of TensorFlow: one `.pb` file with a GraphDef whose weights are constants."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Optional

from dliflow.errors import DliflowError
from dliflow.interchange.form import chosen
from dliflow.sources.shared import tensorflow_network, tensorflow_operations
from dliflow.sources.shared.tensorflow_network import export, predict
from dliflow.wording import suggestion

__all__ = ["export", "load", "predict"]

FRAMEWORK = "tensorflow"
SUFFIXES = (".pb",)
LAYOUT = "NHWC"


def load(path: Path, source: dict) -> tensorflow_network.Network:
    """Import the graph; the input is the only placeholder, the output the only result that nothing reads.

    `source.options` gives other placeholders (`phase_train`) their values; one with a default has it.
    """
    tf = tensorflow_network.tensorflow()
    from google.protobuf.message import DecodeError

    graph = tf.compat.v1.GraphDef()
    try:
        graph.ParseFromString(path.read_bytes())
    except FileNotFoundError as error:
        raise DliflowError(f"{path}: there is no such file") from error
    except DecodeError as error:
        raise DliflowError(f"{path}: not a frozen graph of TensorFlow") from error
    if not graph.node:
        raise DliflowError(f"{path}: not a frozen graph of TensorFlow, or an empty one")
    if any(node.op in ("Variable", "VariableV2", "VarHandleOp") for node in graph.node):
        raise DliflowError(f"{path}: the graph has variables; freeze it, or take the SavedModel that it came from")
    in_functions = [node for function in graph.library.function for node in function.node_def]
    tensorflow_operations.refuse_others([*graph.node, *in_functions], graph.library, path)
    _give_values(graph, source, path)
    placeholders = {node.name: node.attr["dtype"].type for node in graph.node if node.op == "Placeholder"}
    images = [name for name, dtype in placeholders.items() if dtype != tf.bool.as_datatype_enum]
    start = _end(graph, "input", images, source.get("input"))
    result = _end(graph, "output", _results(graph, start.partition(":")[0]), source.get("output"))
    try:
        imported = tf.compat.v1.wrap_function(lambda: tf.import_graph_def(graph, name=""), [])
        function = imported.prune(imported.graph.get_tensor_by_name(start), result)
    except Exception as error:  # an input without a value has no public class
        others = [name for name in placeholders if f"{name}:0" != start]
        like = {name: "false" if placeholders[name] == tf.bool.as_datatype_enum else "1" for name in others[:1]}
        hint = "".join(f"; has '{name}' a value? Set source.options: {{{name}: {like[name]}}}" for name in like)
        raise DliflowError(f"{path}: TensorFlow cannot import the graph: {error}{hint}") from error
    shape, dtype = function.inputs[0].shape, function.inputs[0].dtype.name
    return tensorflow_network.Network(function, tuple(shape) if shape.rank else (None,) * 4, source["layout"], dtype)


def _end(graph, kind: str, names: list[str], wanted: Optional[str]) -> str:
    """The input's or output's name with its number. An entry may name any value, as `NAME` or `NAME:0`."""
    inner = wanted is not None and wanted.split(":")[0] in {node.name for node in graph.node}
    name = chosen(kind, [wanted] if wanted and inner else names, wanted)
    return name if ":" in name else f"{name}:0"


def _results(graph, start: str) -> list[str]:
    """Names of what is computed of the input and read by nothing."""
    takers = defaultdict(list)
    for node in graph.node:
        for name in node.input:
            takers[name.lstrip("^").split(":")[0]].append(node)
    reached, left = {start}, [start]
    while left:
        new = [node.name for node in takers[left.pop()] if node.name not in reached]
        reached.update(new)
        left += new
    ends = [node for node in graph.node if node.name in reached and not takers[node.name]]
    return [node.name for node in ends if node.op not in ("NoOp", "Assert")]


def _give_values(graph, source: dict, path: Path) -> None:
    """Make a constant of each placeholder that `source.options` names, and an Identity of each that has a default.

    Raises:
        DliflowError: for a name that is no placeholder, or a value that it cannot have.
    """
    tf = tensorflow_network.tensorflow()
    given = source.get("options", {})
    placeholders = {node.name: node for node in graph.node if node.op.startswith("Placeholder")}
    for name, value in given.items():
        if name not in placeholders:
            raise DliflowError(
                f"{path}: source.options: there is no placeholder '{name}'{suggestion(name, placeholders)}"
            )
        node = placeholders[name]
        dtype = tf.dtypes.as_dtype(node.attr["dtype"].type)
        try:
            constant = tf.make_tensor_proto(value, dtype)
        except (TypeError, ValueError) as error:
            raise DliflowError(f"{path}: source.options.{name}: {value!r} is no {dtype.name}: {error}") from error
        node.op = "Const"
        del node.input[:]
        node.attr.pop("shape", None)
        node.attr["value"].tensor.CopyFrom(constant)
    for node in placeholders.values():
        if node.op == "PlaceholderWithDefault" and node.name != source.get("input"):
            node.op = "Identity"
            node.attr["T"].CopyFrom(node.attr.pop("dtype"))
            node.attr.pop("shape", None)
