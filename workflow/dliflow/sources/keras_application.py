"""Weights of Keras Applications, which Keras itself puts into its network: `source.options.network` is its name."""

from __future__ import annotations

from pathlib import Path

from dliflow.libraries import keras
from dliflow.sources.shared import library_network, tensorflow_network
from dliflow.sources.shared.tensorflow_network import export, predict

__all__ = ["export", "load", "predict"]

FRAMEWORK = "tensorflow"
LAYOUT = "NHWC"


def load(path: Path, source: dict) -> tensorflow_network.Network:
    """The network with its weights."""
    model = library_network.load(keras, path, source)

    def call(x):
        return model(x, training=False)

    return tensorflow_network.Network(call, tuple(model.inputs[0].shape), source["layout"])
