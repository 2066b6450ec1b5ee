"""What Keras 2 wrote of a model becomes what Keras 3 reads."""

from __future__ import annotations

import pytest

from dliflow.sources.shared import keras_2


class Layer:
    def __init__(self, *, name=None, trainable=True, dtype=None, **options):
        pass


class InputLayer(Layer):
    def __init__(self, batch_shape=None, **options):
        pass


class Dense(Layer):
    def __init__(self, units, kernel_initializer=None, **options):
        pass


class DepthwiseConv2D(Layer):
    def __init__(self, kernel_size, **options):
        pass


class BatchNormalization(Layer):
    def __init__(self, axis=-1, **options):
        pass


class Activation(Layer):
    def __init__(self, activation, **options):
        pass


KINDS = {kind.__name__: kind for kind in (InputLayer, Dense, DepthwiseConv2D, BatchNormalization, Activation)}
for kind in KINDS.values():
    kind.__module__ = "keras.src.layers.theirs"
HARD = {
    **{"module": "builtins", "class_name": "function"},
    **dict.fromkeys(("config", "registered_name"), "hard_sigmoid_of_keras_2"),
}
MIXED = {"class_name": "PolicyV1", "config": {"name": "mixed_float16", "loss_scale": {"class_name": "Theirs"}}}


def described(kind: str, config: dict | list, nodes: list | None = None) -> dict:
    named = {} if nodes is None else {"name": config["name"], "inbound_nodes": nodes}
    return {"class_name": kind, "config": config, **named}


@pytest.mark.parametrize(
    ("kind", "config", "known", "taken"),
    [
        ("DepthwiseConv2D", {"kernel_size": 3, "groups": 1}, "DepthwiseConv2D", {"kernel_size": 3}),
        ("DepthwiseConv2D", {"groups": 2}, "DepthwiseConv2D", {"groups": 2}),  # which Keras 3 refuses by name
        ("Dense", {"kernel_initializer": {"class_name": "Theirs", "config": {}}}, "Dense", {}),
        ("Dense", {"trainable": False, "rng_type": "x"}, "Dense", {"trainable": False}),  # order of weights
        ("Dense", {"name": "a/b", "dtype": MIXED}, "Dense", {"name": "a_b", "dtype": "mixed_float16"}),
        ("InputLayer", {"batch_input_shape": [None, 8]}, "InputLayer", {"batch_shape": [None, 8]}),
        ("Dense", {"batch_input_shape": [None, 8]}, "Dense", {"input_shape": [8]}),
        ("Activation", {"activation": "hard_sigmoid"}, "Activation", {"activation": HARD}),  # Keras 3 has another one
        (
            *("Activation", {"activation": {"class_name": "function", "config": "hard_sigmoid", "module": "builtins"}}),
            *("Activation", {"activation": HARD}),
        ),
        ("RandomWidth", {"name": "w", "factor": 0.2}, "Activation", {"name": "w", "activation": "linear"}),
        ("BatchNormalizationV1", {"axis": [3], "renorm": False}, "BatchNormalization", {"axis": 3}),
    ],
)
def test_a_layer_has_what_keras_3_takes(kind, config, known, taken):
    assert keras_2.in_keras_3(described(kind, config), KINDS) == {
        **{"module": "keras.layers", "class_name": known, "config": taken, "registered_name": None}
    }


def test_a_list_of_layers_is_a_sequential_model():
    model = keras_2.in_keras_3(described("Sequential", [described("Dense", {"units": 2})]), KINDS)
    assert model["class_name"] == "Sequential"
    assert model["config"]["name"] == "sequential"
    assert [layer["config"] for layer in model["config"]["layers"]] == [{"units": 2}]


def test_what_is_not_keras_s_own_stays_to_be_refused_by_its_name():
    (layer,) = keras_2.in_keras_3([described("Theirs", {"code": 1})], KINDS)
    assert layer == {"class_name": "Theirs", "config": {"code": 1}}


def history(call: dict) -> list:
    """Where the tensors of a call come from."""
    (given,) = call["args"]
    return [part["config"]["keras_history"] for part in (given if isinstance(given, list) else [given])]


INNER = {"name": "inner", "layers": [], "input_layers": [["x", 0, 0]], "output_layers": [["x", 0, 0]]}
OUTER = {
    **{"name": "outer", "input_layers": [["x", 0, 0]], "output_layers": [["head", 1, 0], ["inner", 2, 0]]},
    "layers": [
        described("InputLayer", {"name": "x"}, []),
        described("Model", INNER, [[["x", 0, 0, {}]], [["late", 1, 0, {}]]]),
        described("Sequential", {"name": "late", "layers": []}, [[["x", 0, 0, {}]], [["late", 0, 0, {}]]]),
        described("Sequential", {"name": "head", "layers": []}, [[["inner", 1, 0, {"training": False}]]]),
    ],
}


def test_calls_of_models_are_counted_as_keras_3_counts_them():
    """From 0 on; where a model ends, one made of calls counts its making. Keras 2 let most models begin at 1."""
    config = keras_2.in_keras_3(described("Functional", OUTER), KINDS)["config"]
    _, inner, late, head = config["layers"]
    assert [history(call) for call in inner["inbound_nodes"]] == [[["x", 0, 0]], [["late", 1, 0]]]
    assert [history(call) for call in late["inbound_nodes"]] == [[["x", 0, 0]], [["late", 0, 0]]]
    assert [history(call) for call in head["inbound_nodes"]] == [[["inner", 0, 0]]]
    assert head["inbound_nodes"][0]["kwargs"] == {"training": False}
    assert config["input_layers"] == ["x", 0, 0]
    assert config["output_layers"] == [["head", 0, 0], ["inner", 2, 0]]


def test_a_list_of_one_tensor_is_a_list_where_a_function_is_called():
    parts = {"slice_spec": [{"class_name": "__ellipsis__"}, {"start": None, "stop": None, "step": -1}]}
    layers = [
        described("InputLayer", {"name": "x"}, []),
        described("TFOpLambda", {"name": "stack", "function": "stack"}, [[["x", 0, 0, {"axis": 1}]]]),
        described("SlicingOpLambda", {"name": "part", "function": "part"}, [["stack", 0, 0, parts]]),
        described("TFOpLambda", {"name": "less", "function": "less"}, [["_CONSTANT_VALUE", -1, 1, {"y": ["x", 0, 0]}]]),
    ]
    config = {"name": "m", "layers": layers, "input_layers": ["x", 0, 0], "output_layers": [["less", 0, 0]]}
    _, stack, part, less = keras_2.in_keras_3(described("Functional", config), KINDS)["config"]["layers"]
    (call,) = stack["inbound_nodes"]
    assert isinstance(call["args"][0], list)
    assert call["kwargs"] == {"axis": 1}
    (call,) = part["inbound_nodes"]
    assert call["kwargs"]["slice_spec"][0] == {"class_name": "__ellipsis__", "config": {}}
    (call,) = less["inbound_nodes"]
    assert call["args"] == [1]
    assert call["kwargs"]["y"]["config"]["keras_history"] == ["x", 0, 0]


class Group(dict):
    """What h5py's groups are here."""

    def __init__(self, name, parts):
        super().__init__({key: Group(f"{name}/{key}", value) if value else object() for key, value in parts.items()})
        self.name = name

    def move(self, old, new):
        assert new not in self
        self[new] = self.pop(old)


def test_weights_get_the_names_that_keras_3_looks_for():
    weights = {"vars": {"0": {}}}
    inner = {"_layer_checkpoint_dependencies": {"conv2d": weights, "conv2d_2": weights, "conv2d_10": weights}}
    group = Group("", {"_layer_checkpoint_dependencies": {"functional": inner, "re_lu": weights, "re_lu_1": weights}})
    keras_2.rename(group)
    assert group["layers"].keys() == {"functional", "re_lu", "re_lu_1"}
    assert group["layers"]["functional"]["layers"].keys() == {"conv2d", "conv2d_1", "conv2d_2"}
    group = Group("", {"layers": {"attention": {"_query_dense": weights}, "conv2d_3": weights}})
    keras_2.rename(group)
    assert group["layers"].keys() == {"attention", "conv2d_3"}
    assert group["layers"]["attention"].keys() == {"query_dense"}
