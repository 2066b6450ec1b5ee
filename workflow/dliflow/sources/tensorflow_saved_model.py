"""A SavedModel of TensorFlow 1 or 2: a folder with `saved_model.pb` and `variables`."""

from __future__ import annotations

from pathlib import Path

from dliflow.errors import DliflowError
from dliflow.interchange.form import chosen, only_input
from dliflow.sources.shared import tensorflow_network, tensorflow_operations
from dliflow.sources.shared.tensorflow_network import export, predict

__all__ = ["export", "load", "predict"]

FRAMEWORK = "tensorflow"
SUFFIXES = ("saved_model.pb", "saved_model")
LAYOUT = "NHWC"


VARIABLES = ("variables", "local_variables")  # collections of TensorFlow 1: `VariableDef`s
INTERFACE = "api_implements"  # of a function: TensorFlow's optimizer may call any of the same name in place of another


def _check(meta_graph, folder: Path) -> None:
    """Refuse a MetaGraphDef that does more than compute: when it is loaded, or when a signature of it is called.

    The operations that save its variables are not among these: nothing calls them.
    """
    library, check = meta_graph.graph_def.library, tensorflow_operations.refuse_others
    for function in library.function:
        if INTERFACE in function.attr:
            raise DliflowError(f"{folder}: refused: TensorFlow may run function {function.signature.name} for others")
    if meta_graph.HasField("object_graph_def"):
        public = _public(meta_graph.object_graph_def)
        for function in library.function:
            if function.signature.name in public:
                check(function.node_def, library, folder)
        return
    nodes = tensorflow_operations.leading_to(meta_graph.graph_def, _run_in_tensorflow_1(meta_graph))
    check(nodes, library, folder, tensorflow_operations.COMPUTING | tensorflow_operations.RESTORING)


def _public(objects) -> set[str]:
    """The functions that a graph of objects can call: what it describes, and what an object names all the same."""
    named = [name for node in objects.nodes for name in node.function.concrete_functions]
    bare = [node.bare_concrete_function.concrete_function_name for node in objects.nodes]
    return {*objects.concrete_functions, *named, *bare}


def _run_in_tensorflow_1(meta_graph) -> list[str]:
    """What may be asked for of a graph of TensorFlow 1 (tensorflow/python/saved_model/load_v1_in_v2.py).

    That is what signatures give, restoring, initializers of tables and of all, and those of variables.
    """
    from tensorflow.core.framework.variable_pb2 import VariableDef

    signatures = meta_graph.signature_def.values()
    names = [value.name for signature in signatures for value in signature.outputs.values()]
    names += [meta_graph.saver_def.restore_op_name, meta_graph.saver_def.filename_tensor_name]
    for key, collection in meta_graph.collection_def.items():
        names += collection.node_list.value
        if key in VARIABLES:
            variables = map(VariableDef.FromString, collection.bytes_list.value)
            names += [name for one in variables for name in (one.initializer_name, one.initial_value_name)]
    return names


def load(path: Path, source: dict) -> tensorflow_network.Network:
    """Open the folder, or that of `saved_model.pb`, and take `source.options.signature` (default: serving_default)."""
    tf = tensorflow_network.tensorflow()
    folder = path.parent if path.name == "saved_model.pb" else path
    if not (folder / "saved_model.pb").exists():
        raise DliflowError(f"{folder}: not a SavedModel: there is no saved_model.pb in it")
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    try:
        described = SavedModel.FromString((folder / "saved_model.pb").read_bytes())
        for part in described.meta_graphs:
            _check(part, folder)
    except DecodeError as error:
        raise DliflowError(f"{folder}: saved_model.pb is broken or cut off") from error
    try:
        model = tf.saved_model.load(str(folder))
    except (OSError, RuntimeError, ValueError, KeyError, tf.errors.OpError) as error:
        raise DliflowError(f"{folder}: TensorFlow cannot load the SavedModel: {error}") from error
    signatures = sorted(model.signatures)
    signature = source.get("options", {}).get("signature", "serving_default")
    if signature not in signatures:
        there = f"set source.options.signature to one of: {', '.join(signatures)}"
        none = "it has none, so save it with signatures (model.export(FOLDER) of Keras gives it one)"
        raise DliflowError(f"{folder}: there is no signature '{signature}'; {there if signatures else none}")
    function = model.signatures[signature]
    inputs = function.structured_input_signature[1]
    name = chosen("input", sorted(inputs), source.get("input"))
    only_input(name, inputs, folder)
    output = chosen("output", sorted(function.structured_outputs), source.get("output"))

    def call(x):
        # The function does not keep the model, which holds its variables, alive.
        return model.signatures[signature](**{name: x})[output]

    shape, dtype = inputs[name].shape, inputs[name].dtype.name
    return tensorflow_network.Network(call, tuple(shape) if shape.rank else (None,) * 4, source["layout"], dtype)
