"""What Keras 2 wrote of a model, in Keras 3's words, and the functions of TensorFlow that it calls by name."""

from __future__ import annotations

import inspect
import operator
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from dliflow.errors import DliflowError
from dliflow.sources.shared.tensorflow_operations import COMPUTING

RENAMED = dict.fromkeys(
    ("BatchNormalizationV1", "BatchNormalizationV2", "SyncBatchNormalization"), "BatchNormalization"
)
IDLE = ("RandomHeight", "RandomWidth")  # layers that change something in training alone, and are no more in Keras 3
FUNCTIONAL = ("Functional", "Model")
CALLING = ("TFOpLambda", "SlicingOpLambda", "TensorFlowOpLayer")  # layers that call a function of TensorFlow
CONSTANT = "_CONSTANT_VALUE"  # in place of a layer's name, where a call's first argument is a number

OF_TRAINING = ("_initializer", "_regularizer", "_constraint")
# Keys that Keras 2 wrote for every layer of a kind, and the value at which they say nothing; Keras 3 refuses them.
NEUTRAL = {
    **{"groups": 1, "renorm": False, "virtual_batch_size": None, "adjustment": None, "time_major": False},
    **{"softmax_robust_masking": False, "noise_shape": None},
}
# What says nothing at any value: of training, and shapes of attention, which the inputs tell as well.
SILENT = ("trainable", "rng_type", "query_shape", "key_shape", "value_shape")

PARTS = "_layer_checkpoint_dependencies"  # where weights of layers lie in a .keras file of Keras 2.12 and 2.13

HARD_SIGMOID = "hard_sigmoid_of_keras_2"  # Keras 3 has another function under its name
ACTIVATIONS = (
    *("elu", "exponential", "gelu", "hard_sigmoid", "linear", "mish", "relu", "selu", "sigmoid", "softmax", "softplus"),
    *("softsign", "swish", "tanh"),
)
FUNCTIONS = (
    *("broadcast_to", "cast", "clip_by_value", "concat", "einsum", "expand_dims", "gather", "identity", "image.resize"),
    *("linalg.matmul", "ones_like", "pad", "repeat", "reshape", "reverse", "roll", "shape", "slice", "split"),
    *("squeeze", "stack", "strided_slice", "tile", "transpose", "unstack", "where", "zeros_like"),
)


def in_keras_3(described: Any, kinds: dict[str, type]) -> Any:
    """A description, or a part of one at any depth, of which Keras 3 makes the same model.

    Args:
        kinds: Keras 3's layers by their names.
    """
    if isinstance(described, list):
        return [in_keras_3(part, kinds) for part in described]
    if not isinstance(described, dict):
        return described
    if not {"class_name", "config"} <= described.keys():
        return {key: in_keras_3(value, kinds) for key, value in described.items()}
    name, config = RENAMED.get(described["class_name"], described["class_name"]), described["config"]
    module, registered = "keras", None
    if name in IDLE:
        name, config = "Activation", {"name": config["name"], "activation": "linear"}
    if name in FUNCTIONAL:
        name, config = "Model", _functional(config, kinds)
    elif name == "Sequential":
        config = _sequential(config, kinds)
    elif name in kinds:
        module = re.sub(r"^keras\.src\.layers\..*", "keras.layers", kinds[name].__module__)
        config = _layer(kinds[name], in_keras_3(config, kinds))
    elif name in CALLING:
        registered = name
    elif (name, config) == ("function", "hard_sigmoid"):
        module, config, registered = "builtins", HARD_SIGMOID, HARD_SIGMOID
    else:
        return {**described, "config": in_keras_3(config, kinds)}
    return {"module": module, "class_name": name, "config": config, "registered_name": registered}


def _layer(kind: type, config: dict[str, Any]) -> dict[str, Any]:
    """What a layer of Keras 3 takes of a config that Keras 2 wrote, where what is left out changes no score."""
    known: set[str] = set()
    for maker in (vars(base)["__init__"] for base in kind.__mro__ if "__init__" in vars(base)):
        parameters = inspect.signature(maker).parameters
        known.update(parameters)
        if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
            break  # what it does not take reaches no class above it
    taken = {}
    for key, value in config.items():
        neutral = key in SILENT or (key in NEUTRAL and value == NEUTRAL[key])
        if key.endswith("activation") and value == "hard_sigmoid":
            value = in_keras_3({"class_name": "function", "config": value}, {})
        if not key.endswith(OF_TRAINING) and (key in known or not neutral):
            taken[key] = value
    if "name" in taken:
        taken["name"] = plain(taken["name"])
    if isinstance(taken.get("dtype"), dict):  # of mixed precision
        taken["dtype"] = taken["dtype"]["config"]["name"]
    if "batch_input_shape" in taken:
        shape = taken.pop("batch_input_shape")
        taken.update({"batch_shape": shape} if "batch_shape" in known else {"input_shape": shape[1:]})
    if isinstance(taken.get("axis"), list) and len(taken["axis"]) == 1:
        (taken["axis"],) = taken["axis"]
    return taken


def plain(name: str) -> str:
    """A layer's name in Keras 3, where it has no slash; MobileNetV3 had some."""
    return name.replace("/", "_")


def _sequential(config: Any, kinds: dict[str, type]) -> dict[str, Any]:
    """Layers one after another; before Keras 2.2.3 they were all that there was."""
    whole = config if isinstance(config, dict) else {"layers": config}
    shape = whole.get("build_input_shape")  # that of the batch with which the model was first called
    return {
        "name": plain(whole.get("name", "sequential")),
        "layers": in_keras_3(whole["layers"], kinds),
        "build_input_shape": [None, *shape[1:]] if shape else None,
    }


def _functional(config: dict[str, Any], kinds: dict[str, type]) -> dict[str, Any]:
    """Layers that call one another, in Keras 3's words.

    Keras 2 counted the making of most models inside as their first call. Each call that a description has is one whose
    result is taken, so the least that is taken is the first.
    """
    layers = config["layers"]
    names = {layer["name"] for layer in layers}
    firsts: dict[str, int] = {}
    for name, call, _ in _places([config["output_layers"], *(layer["inbound_nodes"] for layer in layers)], names):
        firsts[name] = min(call, firsts.get(name, call))
    models = {layer["name"] for layer in layers if layer["class_name"] in FUNCTIONAL}

    def ends(part: Any) -> Any:
        if isinstance(part, dict):
            return {key: ends(value) for key, value in part.items()}
        if not isinstance(part[0], str):
            return [ends(each) for each in part]
        name, call, tensor = part[:3]  # of models inside Keras 3 counts their making, but here alone
        return [name, call - firsts.get(name, 0) + (name in models), tensor]

    called = []
    for layer in layers:
        alone = layer["class_name"] not in CALLING
        nodes = [_call(node, firsts, alone) for node in layer["inbound_nodes"]]
        called.append({**in_keras_3(layer, kinds), "name": layer["name"], "inbound_nodes": nodes})
    # Without `trainable`: weights of a model inside lie in the order of what its layers say of themselves.
    return {
        **{"name": plain(config["name"]), "layers": called},
        **{key: _one(ends(config[key])) for key in ("input_layers", "output_layers")},
    }


def _one(parts: Any) -> Any:
    """A part alone in a list, by itself."""
    return parts[0] if isinstance(parts, list) and len(parts) == 1 else parts


def _is_place(part: Any, names: Any) -> bool:
    """Whether it says where a tensor comes from: `[layer, call, tensor]`."""
    return isinstance(part, list) and len(part) >= 3 and isinstance(part[0], str) and part[0] in names


def _places(part: Any, names: set[str]) -> Iterator[list]:
    """Where the tensors come from that calls and outputs take."""
    if _is_place(part, names):
        yield part[:3]
        part = part[3:]
    for each in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        yield from _places(each, names)


def _call(node: Any, firsts: dict[str, int], alone: bool) -> dict[str, Any]:
    """A call of a layer, in which tensors may stand anywhere: `x + y`, `1 - x`, `attention(x, y)`.

    Keras 2 wrote `[layer, call, tensor, other arguments]` for the first argument, or for each tensor in it. Among the
    other arguments a tensor is `[layer, call, tensor]`.

    Args:
        firsts: the number of the first call of each layer whose result is taken.
        alone: whether a tensor that is alone in a list was meant by itself; all layers but functions wrote it so.
    """
    others: dict[str, Any] = {}

    def value(part: Any) -> Any:
        if _is_place(part, firsts):
            name, call, tensor = part[:3]
            config = {"shape": [], "dtype": "float32", "keras_history": [name, call - firsts[name], tensor]}
            return {"class_name": "__keras_tensor__", "config": config}
        if isinstance(part, list):
            return [value(each) for each in part]
        if not isinstance(part, dict):
            return part
        if part.get("class_name") == "__ellipsis__":
            return {"class_name": "__ellipsis__", "config": {}}
        return {key: value(each) for key, each in part.items()}

    def first(part: Any) -> Any:
        if isinstance(part, dict):
            return {key: first(each) for key, each in part.items()}
        if not isinstance(part[0], str):
            return [first(each) for each in part]
        others.update(value(part[3] if len(part) > 3 else {}))
        return part[2] if part[0] == CONSTANT else value(part[:3])

    given = first(node)
    return {"args": [_one(given) if alone else given], "kwargs": others}


def rename(weights: Any) -> None:
    """Give the groups in the weights of a `.keras` file, which are open for writing, the names that Keras 3 looks for.

    Layers of a class are numbered. Where Keras 2 called them `_layer_checkpoint_dependencies`, it counted those with
    weights twice. The parts of a layer lost the underscore before their names.
    """
    numbers: Counter[str] = Counter()
    groups = [name for name, part in weights.items() if hasattr(part, "items")]
    for group in sorted(groups, key=lambda group: _numbered(group)[1]):
        rename(weights[group])
        name = "layers" if group == PARTS else group.lstrip("_")
        if weights.name.endswith(PARTS):
            kind, _ = _numbered(group)
            name = f"{kind}_{numbers[kind]}".removesuffix("_0")
            numbers[kind] += 1
        if name not in weights:
            weights.move(group, name)


def _numbered(name: str) -> tuple[str, int]:
    """The class and the number of `conv2d_1`; the first one of a class has none."""
    kind, _, number = name.rpartition("_")
    return (kind, int(number)) if kind and number.isdigit() else (name, 0)


def function(config: dict[str, Any]) -> Any:
    """The function that a layer calls: a node of a graph before Keras 2.4, and after it one of TensorFlow by its name.

    Keras 2 wrote such layers where a model was called in Python: `x / 127.5 - 1`.

    Raises:
        DliflowError: for one that is not known to compute only.
    """
    return _node(config) if "node_def" in config else _named(config["function"])


def _node(config: dict[str, Any]) -> Any:
    """An operation with its attributes, and with its constant operands at their places."""
    import tensorflow as tf
    from google.protobuf import json_format
    from tensorflow.python.framework import op_def_registry

    node = json_format.ParseDict(config["node_def"], tf.compat.v1.NodeDef())
    if node.op not in COMPUTING:
        raise DliflowError(f"the operation {node.op} is not read; save the model with Keras 3, or as a SavedModel")
    run, described = getattr(tf.raw_ops, node.op), op_def_registry.get(node.op)
    asked = inspect.signature(run).parameters
    attributes = {name: _attribute(value) for name, value in node.attr.items() if name in asked}
    constants = sorted((int(place), value) for place, value in (config["constants"] or {}).items())

    def call(*tensors):
        values = tf.nest.flatten(tensors)
        for place, value in constants:
            values.insert(place, value)
        operands = {}
        for operand in described.input_arg:
            count = node.attr[operand.number_attr].i if operand.number_attr else 0
            operands[operand.name] = [values.pop(0) for _ in range(count)] if count else values.pop(0)
        return run(**operands, **attributes)

    return call


def _attribute(value: Any) -> Any:
    """What an attribute of a node holds."""
    kind = value.WhichOneof("value")
    if kind == "list":
        return [each for _, parts in value.list.ListFields() for each in parts]
    return getattr(value, kind)


def _named(name: str) -> Any:
    """A function by the name that it has in TensorFlow."""
    import tensorflow as tf

    name = name.removeprefix("compat.v1.").replace("__operators__.add", "math.add")
    if name == "__operators__.getitem":
        return _part
    package, _, last = name.rpartition(".")
    if package == "keras.activations" and last in ACTIVATIONS:
        return _activation(last)
    computing = package in ("math", "nn") and not last.startswith("_") and hasattr(getattr(tf, package), last)
    if computing or name in FUNCTIONS:
        return operator.attrgetter(name)(tf)
    raise DliflowError(f"the operation tf.{name} is not read; save the model with Keras 3, or as a SavedModel")


def _activation(name: str) -> Any:
    """Keras's function of this name, as Keras 2 had it."""
    from keras import activations

    if name == "hard_sigmoid":
        return hard_sigmoid
    if name == "relu":
        return lambda x, alpha=0.0, **options: activations.relu(x, alpha, **options)
    return getattr(activations, name)


def hard_sigmoid(x: Any) -> Any:
    """The one of Keras 2. That of Keras 3 has a slope of 1/6."""
    import tensorflow as tf

    return tf.clip_by_value(0.2 * x + 0.5, 0.0, 1.0)


def _part(value: Any, slice_spec: Any, var: Any = None) -> Any:
    """`value[slice_spec]`, for which Keras 2 wrote a slice as a dict."""
    parts = slice_spec if isinstance(slice_spec, (list, tuple)) else [slice_spec]
    ends = ("start", "stop", "step")
    return value[tuple(slice(*map(part.get, ends)) if isinstance(part, dict) else part for part in parts)]
