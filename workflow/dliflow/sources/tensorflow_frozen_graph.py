"""A frozen graph of TensorFlow: one `.pb` file with a GraphDef whose weights are constants."""

from __future__ import annotations

from pathlib import Path

from dliflow.errors import DliflowError
from dliflow.interchange.form import chosen
from dliflow.sources.shared import tensorflow_network
from dliflow.sources.shared.tensorflow_network import export, predict

__all__ = ["export", "load", "predict"]

FRAMEWORK = "tensorflow"
SUFFIXES = (".pb",)
LAYOUT = "NHWC"


def load(path: Path, source: dict) -> tensorflow_network.Network:
    """Import the graph; the input is the only placeholder, the output the only result that nothing reads."""
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
    tensorflow_network.refuse_outward(graph, path)
    read = {name.lstrip("^").split(":")[0] for node in graph.node for name in node.input}
    results = [node.name for node in graph.node if node.name not in read and node.op not in ("NoOp", "Assert", "Const")]
    nodes = [node.name for node in graph.node]
    ends = {}
    for kind, names in (("input", [n.name for n in graph.node if n.op == "Placeholder"]), ("output", results)):
        wanted = source.get(kind)
        # An entry may name any value, as `NAME` or `NAME:0`; without a name there has to be one candidate.
        name = chosen(kind, names if wanted is None or wanted.split(":")[0] not in nodes else [wanted], wanted)
        ends[kind] = name if ":" in name else f"{name}:0"
    try:
        imported = tf.compat.v1.wrap_function(lambda: tf.import_graph_def(graph, name=""), [])
        function = imported.prune(imported.graph.get_tensor_by_name(ends["input"]), ends["output"])
    except (ValueError, KeyError, tf.errors.OpError) as error:
        raise DliflowError(f"{path}: TensorFlow cannot import the graph: {error}") from error
    shape = function.inputs[0].shape
    return tensorflow_network.Network(function, tuple(shape) if shape.rank else (None,) * 4, source["layout"])
