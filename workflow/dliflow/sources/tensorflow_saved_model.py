"""A SavedModel of TensorFlow 1 or 2: a folder with `saved_model.pb` and `variables`."""

from __future__ import annotations

from pathlib import Path

from dliflow.errors import DliflowError
from dliflow.interchange.form import chosen
from dliflow.sources.shared import tensorflow_network
from dliflow.sources.shared.tensorflow_network import export, predict

__all__ = ["export", "load", "predict"]

FRAMEWORK = "tensorflow"
SUFFIXES = ("saved_model.pb", "saved_model")
LAYOUT = "NHWC"


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
    except DecodeError as error:
        raise DliflowError(f"{folder}: saved_model.pb is broken or cut off") from error
    for part in described.meta_graphs:
        tensorflow_network.refuse_outward(part.graph_def, folder)
    try:
        model = tf.saved_model.load(str(folder))
    except (OSError, RuntimeError, ValueError, KeyError, tf.errors.OpError) as error:
        raise DliflowError(f"{folder}: TensorFlow cannot load the SavedModel: {error}") from error
    signatures = sorted(model.signatures)
    signature = source.get("options", {}).get("signature", "serving_default")
    if signature not in signatures:
        problem = f"{folder}: there is no signature '{signature}'"
        raise DliflowError(f"{problem}; set source.options.signature to one of: {', '.join(signatures) or 'none'}")
    function = model.signatures[signature]
    inputs = function.structured_input_signature[1]
    name = chosen("input", sorted(inputs), source.get("input"))
    output = chosen("output", sorted(function.structured_outputs), source.get("output"))

    def call(x):
        # The function does not keep the model, which holds its variables, alive.
        return model.signatures[signature](**{name: x})[output]

    shape, dtype = inputs[name].shape, inputs[name].dtype.name
    return tensorflow_network.Network(call, tuple(shape) if shape.rank else (None,) * 4, source["layout"], dtype)
