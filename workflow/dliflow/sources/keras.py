"""A whole model saved by Keras: a `.keras` or a `.h5` file of Keras 2 or 3."""

from __future__ import annotations

import io
import json
import os
import re
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Optional

from dliflow.errors import DliflowError
from dliflow.interchange.form import chosen
from dliflow.sources.shared import keras_2, tensorflow_network
from dliflow.sources.shared.tensorflow_network import export, predict

__all__ = ["export", "load", "predict"]

FRAMEWORK = "tensorflow"
SUFFIXES = (".keras", ".h5", ".hdf5")
LAYOUT = "NHWC"
UNPACKED = 20  # times the file: of weights that a general tool has packed, most of them zeros
WEIGHTS = "model.weights.h5"  # in a .keras file
HALVES = ("float16", "bfloat16")

# Layers that run what a file brings, or read files that it names.
REFUSED = (
    *("Lambda", "TorchModuleWrapper", "TFSMLayer", "JaxLayer", "FlaxLayer", "StringLookup", "IntegerLookup"),
    *("TextVectorization", "Hashing", "HashedCrossing"),
)
VALUES = (
    *("__keras_tensor__", "__tensor__", "__numpy__", "__ellipsis__", "__slice__", "__tuple__", "TensorShape"),
    "Policy",
)
# Operations, which Keras writes where a model was called in Python, and the functions that layers take by name.
OPERATIONS = re.compile(r"keras\.src\.ops\.(numpy|nn|core|math|image|linalg)")
OF_FUNCTIONS = re.compile(r"builtins|keras\.(src\.)?(activations|initializers|ops)(\.\w+)*")


def _unpacked(archive: zipfile.ZipFile, name: str, path: Path) -> bytes:
    """A file in an archive, unless it is so much more than the archive that it was packed to fill the memory.

    Raises:
        DliflowError: naming it and its size, before it is unpacked.
    """
    size, packed = archive.getinfo(name).file_size, path.stat().st_size
    if size > UNPACKED * packed:
        raise DliflowError(
            f"{path}: refused: its '{name}' unpacks to {size:,} bytes, more than {UNPACKED} times the file's "
            f"{packed:,}; Keras packs nothing"
        )
    with archive.open(name) as stream:  # archive.read unpacks all that there is, however small it says to be
        return stream.read(size)


def _allowed() -> set[str]:
    """The names of the classes that a description may hold."""
    import keras

    packages = [keras.initializers, keras.regularizers, keras.constraints, keras.dtype_policies]
    packages += [keras.optimizers, keras.losses, keras.metrics]  # of models inside of the model
    named = {name for package in packages for name, kind in vars(package).items() if isinstance(kind, type)}
    others = {*VALUES, "Functional", "Sequential", "Model", *keras_2.CALLING}
    return {*_layers()}.difference(REFUSED) | named | others


def _layers() -> dict[str, type]:
    """Keras's layers by name."""
    import keras

    return {name: kind for name, kind in vars(keras.layers).items() if isinstance(kind, type)} | _unlisted()


def _unlisted() -> dict[str, type]:
    """Layers that are not in Keras's list of them, but in networks of its applications, or in its list before."""
    from keras.src.applications import convnext, inception_resnet_v2
    from keras.src.legacy.layers import ThresholdedReLU

    kinds = (convnext.LayerScale, convnext.StochasticDepth, inception_resnet_v2.CustomScaleLayer, ThresholdedReLU)
    return {kind.__name__: kind for kind in kinds}


def _refuse_classes(described: Any, allowed: set[str], path: Path) -> None:
    """Refuse classes, at any depth of a description, that are none of Keras's own, and those that run code."""
    if isinstance(described, list):
        for part in described:
            _refuse_classes(part, allowed, path)
    if not isinstance(described, dict):
        return
    if "class_name" in described and "config" in described:
        name, module = described["class_name"], str(described.get("module") or "keras")
        if name == "function":
            good = bool(OF_FUNCTIONS.fullmatch(module))
        else:
            good = bool(OPERATIONS.fullmatch(module)) or (name in allowed and module.split(".")[0] == "keras")
        if not good:
            raise DliflowError(
                f"{path}: refused: '{name}' of {module} is no layer of Keras's own, or runs code that the file brings; "
                "save the model without it, or as a SavedModel"
            )
    for value in described.values():
        _refuse_classes(value, allowed, path)


def _refuse_links(group: Any, path: Path) -> None:
    """Refuse weights that HDF5 would take from other files."""
    for name, item in _items(group):
        outside = item is None or (hasattr(item, "external") and (item.external or item.is_virtual))
        if outside:
            raise DliflowError(f"{path}: refused: its weights '{name}' are a link, or lie in another file")
        if not hasattr(item, "external"):
            _refuse_links(item, path)


def _items(group: Any) -> Iterator[tuple[str, Any]]:
    """What a group of HDF5 holds, by name; None for a link that is more than a name."""
    import h5py

    for name in group:
        hard = isinstance(group.get(name, getlink=True), h5py.HardLink)
        yield f"{group.name.rstrip('/')}/{name}", group[name] if hard else None


def _read(path: Path) -> tuple[dict[str, Any], str]:
    """What a file tells of its model, and the version of Keras that wrote it.

    Raises:
        DliflowError: when it holds no model, has another format than its name says, its weights lie in other files, or
            Keras 3 would read them wrongly.
    """
    import h5py

    if path.is_dir():
        raise DliflowError(f"{path}: is a folder: a SavedModel, it seems; set source.format: tensorflow_saved_model")
    zipped = path.suffix == ".keras"
    if (h5py.is_hdf5 if zipped else zipfile.is_zipfile)(path):
        right = ".h5" if zipped else ".keras"
        raise DliflowError(f"{path}: has another format than its name says; name it NAME{right}")
    if zipped:
        with zipfile.ZipFile(path) as archive:
            description = _unpacked(archive, "config.json", path)
            version = json.loads(_unpacked(archive, "metadata.json", path))["keras_version"]
            with h5py.File(io.BytesIO(_unpacked(archive, WEIGHTS, path)), "r") as file:
                _refuse_links(file, path)
        return json.loads(description), version
    with h5py.File(path, "r") as file:
        _refuse_links(file, path)
        description, version, backend = (
            file.attrs.get(key, none)
            for key, none in (("model_config", "null"), ("keras_version", "2"), ("backend", "tensorflow"))
        )
    described, version = json.loads(description), _text(version)
    if described is None:
        raise DliflowError(f"{path}: it holds weights only; save the whole model with model.save('NAME.keras')")
    if version.startswith("1.") or _text(backend) == "theano":  # whose kernels are turned around
        raise DliflowError(
            f"{path}: was written by Keras {version} on {_text(backend)}, which Keras 3 reads wrongly; load and save "
            "it with Keras 2.0 to 2.3 on TensorFlow, which turns the weights as needed"
        )
    return described, version


def _text(value: Any) -> str:
    """An attribute of HDF5, which some versions wrote as bytes."""
    return value.decode() if isinstance(value, bytes) else value


def _load_weights(model: Any, path: Path) -> None:
    """Give a model the weights of a file of Keras 2."""
    import h5py

    with tempfile.TemporaryDirectory() as folder:
        if path.suffix != ".keras":
            weights = Path(folder, "model.h5")  # of a name that ends in .weights.h5 Keras expects weights alone
            weights.symlink_to(path.resolve())
        else:
            weights = Path(folder, WEIGHTS)
            with zipfile.ZipFile(path) as archive:
                weights.write_bytes(_unpacked(archive, WEIGHTS, path))
            with h5py.File(weights, "r+") as file:
                keras_2.rename(file)
        model.load_weights(weights)


def _of_keras_2() -> dict[str, Any]:
    """What Keras 3 knows by none of the names in a description: functions of TensorFlow as layers, and a function."""
    import keras

    class Function(keras.Operation):
        def __init__(self, function, name):
            super().__init__(name)
            self.function = function

        @classmethod
        def from_config(cls, config):
            name = config["name"] if "function" in config else f"tf_op_layer_{config['name']}"
            return cls(keras_2.function(config), keras_2.plain(name))

        def call(self, *values, name=None, **options):
            return self.function(*values, **options)

    return {**dict.fromkeys(keras_2.CALLING, Function), keras_2.HARD_SIGMOID: keras_2.hard_sigmoid}


def load(path: Path, source: dict) -> tensorflow_network.Network:
    """Build the model from its description, which may hold Keras's own layers only: no code of the file is run."""
    if not path.exists():
        raise DliflowError(f"{path}: there is no such file")
    os.environ["KERAS_BACKEND"] = "tensorflow"
    tensorflow_network.tensorflow()
    import keras

    try:
        described, version = _read(path)
        older = version.startswith("2")
        if older:
            described = keras_2.in_keras_3(described, _layers())
        described.pop("compile_config", None)  # of training, and not read
        _refuse_classes(described, _allowed(), path)
        if older:
            model = keras.saving.deserialize_keras_object(described, custom_objects=_of_keras_2())
            _load_weights(model, path)
        else:
            model = keras.saving.load_model(path, custom_objects=_unlisted(), compile=False, safe_mode=True)
    except DliflowError:
        raise
    except Exception as error:  # Keras raises whatever its layers raise, with all of the config before the reason
        reason = " ".join(str(error).rpartition("Exception encountered:")[2].split())
        raise DliflowError(f"{path}: Keras cannot load the model: {reason}") from error
    if len(model.inputs) != 1:
        raise DliflowError(f"{path}: the model has {len(model.inputs)} inputs; image classifiers have one")
    chosen("input", [tensor._keras_history.operation.name for tensor in model.inputs], source.get("input"))
    model = _with_output(model, source.get("output"))
    for layer in model._flatten_layers():
        if layer.compute_dtype in HALVES:  # of a training in mixed precision; its weights are float32
            layer.dtype_policy = "float32"
        if hasattr(layer, "finalize_state"):  # Keras does so alone where a .h5 file has no model around the layer
            layer.finalize_state()

    def call(x):
        return model(x, training=False)

    taken = model.inputs[0]
    return tensorflow_network.Network(call, tuple(taken.shape), source["layout"], taken.dtype)


def _with_output(model: Any, wanted: Optional[str]) -> Any:
    """The model with its only output, or that of the layer that an entry's `source.output` names."""
    import keras

    outputs = {tensor._keras_history.operation.name: tensor for tensor in model.outputs}
    layers = {layer.name: layer for layer in model.layers}
    if wanted in layers and wanted not in outputs:
        return keras.Model(model.inputs, layers[wanted].output)
    scores = outputs[chosen("output", list(outputs), wanted)]
    nested = isinstance(getattr(model, "_outputs_struct", None), (dict, list, tuple))
    return keras.Model(model.inputs, scores) if nested else model
