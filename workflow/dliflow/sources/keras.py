"""A whole model saved by Keras: a `.keras` file, or a `.h5` file of Keras 1 or 2."""

from __future__ import annotations

import os
from pathlib import Path

from dliflow.errors import DliflowError
from dliflow.sources.shared import tensorflow_network
from dliflow.sources.shared.tensorflow_network import export, predict

__all__ = ["export", "load", "predict"]

FRAMEWORK = "tensorflow"
SUFFIXES = (".keras", ".h5", ".hdf5")
LAYOUT = "NHWC"


def load(path: Path, source: dict) -> tensorflow_network.Network:
    """Build the model from its description; code that a file may carry (Lambda layers) is not run."""
    if not path.exists():
        raise DliflowError(f"{path}: there is no such file")
    os.environ["KERAS_BACKEND"] = "tensorflow"
    tensorflow_network.tensorflow()
    import keras

    try:
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises whatever its layers raise
        reason = " ".join(str(error).split())
        if path.suffix != ".keras" and "model config" in reason.lower():
            reason = "it holds weights only; save the whole model with model.save('NAME.keras')"
        raise DliflowError(f"{path}: Keras cannot load the model: {reason}") from error
    for kind in ("input", "output"):
        values = getattr(model, f"{kind}s")
        if len(values) != 1:
            raise DliflowError(f"{path}: the model has {len(values)} {kind}s; image classifiers have one")

    def call(x):
        return model(x, training=False)

    return tensorflow_network.Network(call, tuple(model.inputs[0].shape), source["layout"])
