"""A whole model saved by Keras: a `.keras` file, or a `.h5` file of Keras 1 or 2."""

from __future__ import annotations

import inspect
import io
import json
import operator
import os
import re
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Optional

from dliflow.errors import DliflowError
from dliflow.interchange.form import chosen
from dliflow.sources.shared import tensorflow_network
from dliflow.sources.shared.tensorflow_network import export, predict

__all__ = ["export", "load", "predict"]

FRAMEWORK = "tensorflow"
SUFFIXES = (".keras", ".h5", ".hdf5")
LAYOUT = "NHWC"
UNPACKED = 20  # times the file: of weights that a general tool has packed, most of them zeros


# Keys that Keras 2 wrote for every layer of a kind, and the value at which they say nothing; Keras 3 refuses them.
NEUTRAL = {
    **{"groups": 1, "renorm": False, "virtual_batch_size": None, "adjustment": None, "time_major": False},
    **{"softmax_robust_masking": False, "noise_shape": None},
}
FOR_TRAINING = ("_initializer", "_regularizer", "_constraint", "trainable", "rng_type")
FUNCTIONS = (
    *("broadcast_to", "cast", "clip_by_value", "concat", "einsum", "expand_dims", "gather", "identity", "image.resize"),
    *("linalg.matmul", "ones_like", "pad", "repeat", "reshape", "reverse", "roll", "shape", "slice", "split"),
    *("squeeze", "stack", "strided_slice", "tile", "transpose", "unstack", "where", "zeros_like"),
)
KERAS_2 = ("keras.src.engine.", "tf_keras.src.engine.")  # modules of models that were called in Python
MODELS = ("Functional", "Model", "Sequential")  # layers that are models
CONSTANT = "_CONSTANT_VALUE"  # in place of a layer's name, where a call's first argument is a number
HALVES = ("float16", "bfloat16")
SHAPES = ("query_shape", "key_shape", "value_shape")  # of attention, which the inputs tell as well


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


def _refuse_code(path: Path) -> None:
    """Refuse a file whose description names more than Keras's own layers, or whose weights lie in other files.

    Raises:
        DliflowError: naming what is refused.
    """
    import h5py

    if path.suffix == ".keras":
        with zipfile.ZipFile(path) as archive:
            description = _unpacked(archive, "config.json", path).decode("utf-8")
            weights: Any = io.BytesIO(_unpacked(archive, "model.weights.h5", path))
    else:
        weights = path
    with h5py.File(weights, "r") as file:
        _refuse_links(file, path)
        if path.suffix != ".keras":
            description = file.attrs.get("model_config", "null")  # none: then Keras says so
    described = json.loads(description)
    if described is not None:
        described.pop("compile_config", None)  # of training, and not read
    _refuse_classes(described, _allowed(), path)


def _allowed() -> set[str]:
    """The names of the classes that a description may hold."""
    import keras

    packages = [keras.layers, keras.initializers, keras.regularizers, keras.constraints, keras.dtype_policies]
    packages += [keras.optimizers, keras.losses, keras.metrics]  # of models inside of the model
    named = {name for package in packages for name, kind in vars(package).items() if isinstance(kind, type)}
    others = {*VALUES, "Functional", "Sequential", "Model", "TFOpLambda", "SlicingOpLambda"}
    return named.difference(REFUSED) | set(_of_applications()) | others


def _of_applications() -> dict[str, type]:
    """Layers that are not in Keras's list of them, but in networks of its applications."""
    from keras.src.applications import convnext, inception_resnet_v2

    kinds = (convnext.LayerScale, convnext.StochasticDepth, inception_resnet_v2.CustomScaleLayer)
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
        if module.startswith(KERAS_2):
            raise DliflowError(
                f"{path}: was written by Keras 2, whose '.keras' files are not read; there, save the model as NAME.h5, "
                "or as a SavedModel"
            )
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


def _in_keras_3(layer: type, config: dict[str, Any]) -> dict[str, Any]:
    """What a layer of Keras 3 takes of a config that Keras 2 wrote, where what is left out changes no score."""
    known: set[str] = set()
    for maker in (vars(base)["__init__"] for base in layer.__mro__ if "__init__" in vars(base)):
        parameters = inspect.signature(maker).parameters
        known.update(parameters)
        if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
            break  # what it does not take reaches no class above it
    taken = {}
    for key, value in config.items():
        neutral = (key in NEUTRAL and value == NEUTRAL[key]) or key in SHAPES or key.endswith(FOR_TRAINING)
        if key in known or not neutral:
            taken[key] = value
    if "name" in taken:
        taken["name"] = _name(taken["name"])
    if isinstance(taken.get("dtype"), dict) and taken["dtype"]["class_name"] == "Policy":  # of mixed precision
        taken["dtype"] = taken["dtype"]["config"]["name"]
    if "batch_input_shape" in taken:
        taken["input_shape"] = tuple(taken.pop("batch_input_shape")[1:])
    if isinstance(taken.get("axis"), list) and len(taken["axis"]) == 1:
        taken["axis"] = taken["axis"][0]
    return taken


def _name(name: str) -> str:
    """A layer's name in Keras 3, where it has no slash; MobileNetV3 had some."""
    return name.replace("/", "_")


def _operation(name: str):
    """The function of TensorFlow that Keras 2 wrote by name where a model was called in Python: `x / 127.5 - 1`."""
    import tensorflow as tf

    name = name.removeprefix("compat.v1.").replace("__operators__.add", "math.add")
    if name == "__operators__.getitem":
        return _part
    package, _, last = name.rpartition(".")
    computing = package in ("math", "nn") and not last.startswith("_") and hasattr(getattr(tf, package), last)
    if computing or name in FUNCTIONS:
        return operator.attrgetter(name)(tf)
    raise DliflowError(f"the operation tf.{name} is not read; save the model with Keras 3, or as a SavedModel")


def _part(value: Any, slice_spec: Any, var: Any = None) -> Any:
    """`value[slice_spec]`, for which Keras 2 wrote a slice as a dict."""
    parts = slice_spec if isinstance(slice_spec, (list, tuple)) else [slice_spec]
    ends = ("start", "stop", "step")
    return value[tuple(slice(*map(part.get, ends)) if isinstance(part, dict) else part for part in parts)]


def _place(place: Sequence, kinds: dict[str, str]) -> list:
    """Where a tensor comes from, `[layer, call, tensor]`. Keras 2 counted a model's own making as its first call."""
    layer, call, tensor = place
    return [layer, call - 1 if kinds[layer] in MODELS and call else call, tensor]


def _call_in_keras_3(node: Any, kinds: dict[str, str]) -> Any:
    """A call of a layer in Keras 3's words, in which tensors may stand anywhere: `x + y`, `1 - x`, `attention(x, y)`.

    Keras 2 wrote `[layer, node, tensor, other arguments]` for the first argument, or for each tensor in it. Among the
    other arguments a tensor is `[layer, node, tensor]`.

    Args:
        kinds: the layers' classes by their names.
    """
    if not isinstance(node, list):
        return node

    def value(part: Any) -> Any:
        if isinstance(part, (list, tuple)):
            if len(part) == 3 and isinstance(part[0], str) and part[0] in kinds:
                described = {"shape": [], "dtype": "float32", "keras_history": _place(part, kinds)}
                return {"class_name": "__keras_tensor__", "config": described}
            return [value(each) for each in part]
        if isinstance(part, dict):
            return {key: value(each) for key, each in part.items()}
        return {"class_name": "__ellipsis__", "config": {}} if part is Ellipsis else part

    given = [node] if isinstance(node[0], str) else node
    values = [part[2] if part[0] == CONSTANT else value(part[:3]) for part in given]
    others = value(given[-1][3]) if len(given[-1]) > 3 else {}
    return {"args": [values if len(values) > 1 else values[0]], "kwargs": others}


def _layers_of_keras_2() -> dict[str, type]:
    """The layers by name, each of which reads what Keras 2 wrote, and its layer for functions of TensorFlow."""
    import keras
    from keras import layers

    class Functional(keras.Model):
        @classmethod
        def from_config(cls, config, custom_objects=None):
            kinds = {layer["name"]: layer["class_name"] for layer in config["layers"]}
            for layer in config["layers"]:
                layer["inbound_nodes"] = [_call_in_keras_3(node, kinds) for node in layer["inbound_nodes"]]
            for key in ("input_layers", "output_layers"):
                if isinstance(config[key], list) and len(config[key]) == 1:
                    (config[key],) = config[key]  # a tensor alone, which Keras 3 gives back in a list otherwise
            ends = config["output_layers"]
            if (
                isinstance(ends, list) and isinstance(ends[0], str) and kinds[ends[0]] == "Sequential"
            ):  # of a Functional Keras 3 knows it
                config["output_layers"] = _place(ends, kinds)
            return keras.Model.from_config(config, custom_objects=custom_objects)

    class Function(keras.Operation):
        def __init__(self, function, name):
            super().__init__(name)
            self.function = _operation(function)

        @classmethod
        def from_config(cls, config):
            return cls(config["function"], _name(config["name"]))

        def call(self, *values, name=None, **options):
            return self.function(*values, **options)

    def reader(layer):
        def from_config(cls, config):
            return layer.from_config(_in_keras_3(layer, config))

        return type(layer.__name__, (layer,), {"from_config": classmethod(from_config)})

    kinds = {name: kind for name, kind in vars(layers).items() if isinstance(kind, type)} | _of_applications()
    readers = {name: reader(kind) for name, kind in kinds.items() if name not in ("Layer", "InputLayer")}
    functions = dict.fromkeys(("TFOpLambda", "SlicingOpLambda"), Function)
    return {**readers, **functions, "Functional": Functional, "Model": Functional}


def load(path: Path, source: dict) -> tensorflow_network.Network:
    """Build the model from its description, which may hold Keras's own layers only: no code of the file is run."""
    if not path.exists():
        raise DliflowError(f"{path}: there is no such file")
    os.environ["KERAS_BACKEND"] = "tensorflow"
    tensorflow_network.tensorflow()
    import keras

    older = _layers_of_keras_2() if path.suffix != ".keras" else None
    try:
        _refuse_code(path)
        model = keras.saving.load_model(path, custom_objects=older, compile=False, safe_mode=True)
    except DliflowError:
        raise
    except Exception as error:  # Keras raises whatever its layers raise, with all of the config before the reason
        reason = " ".join(str(error).rpartition("Exception encountered:")[2].split())
        if path.suffix != ".keras" and "no model config" in reason.lower():
            reason = "it holds weights only; save the whole model with model.save('NAME.keras')"
        raise DliflowError(f"{path}: Keras cannot load the model: {reason}") from error
    if len(model.inputs) != 1:
        raise DliflowError(f"{path}: the model has {len(model.inputs)} inputs; image classifiers have one")
    chosen("input", [tensor._keras_history.operation.name for tensor in model.inputs], source.get("input"))
    model = _with_output(model, source.get("output"))
    for layer in model._flatten_layers():
        if layer.compute_dtype in HALVES:  # of a training in mixed precision; its weights are float32
            layer.dtype_policy = "float32"

    def call(x):
        return model(x, training=False)

    taken = model.inputs[0]
    return tensorflow_network.Network(call, tuple(taken.shape), source["layout"], taken.dtype)


def _with_output(model: Any, wanted: Optional[str]) -> Any:
    """The model with its only output, or that of the layer that an entry's `source.output` names."""
    import keras

    layers = {layer.name: layer for layer in model.layers}
    if wanted in layers:
        return keras.Model(model.inputs, layers[wanted].output)
    outputs = {tensor._keras_history.operation.name: tensor for tensor in model.outputs}
    scores = outputs[chosen("output", list(outputs), wanted)]
    nested = isinstance(getattr(model, "_outputs_struct", None), (dict, list, tuple))
    return keras.Model(model.inputs, scores) if nested else model
