"""Write a small network in every format of TensorFlow, and files that must be refused.

Usage: python make_keras.py FOLDER
"""

from __future__ import annotations

import json
import shutil
import sys
import zipfile
from pathlib import Path

import h5py
import keras
import numpy as np
import tensorflow as tf
from keras import layers
from keras.src.applications import convnext, inception_resnet_v2
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2


def network():
    """SAME padding with strides, batch norm, hard swish, squeeze and excite, layers of applications, edge pooling."""
    inputs = layers.Input((64, 64, 3))
    x = layers.Normalization()(inputs)
    x = layers.Conv2D(8, 3, 2, "same", use_bias=False)(x)
    x = layers.Activation("hard_silu")(layers.BatchNormalization()(x))
    x = layers.ReLU(6)(layers.BatchNormalization()(layers.DepthwiseConv2D(3, 2, "same", use_bias=False)(x)))
    gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
    gate = layers.Conv2D(8, 1, activation="sigmoid")(gate)
    x = layers.Multiply()([x, gate])
    x = inception_resnet_v2.CustomScaleLayer(0.5)([x, convnext.LayerScale(0.5, 8)(x)])
    x = layers.Concatenate()([layers.MaxPooling2D(3, 2, "same")(x), layers.AveragePooling2D(3, 2, "same")(x)])
    x = layers.Dropout(0.5)(layers.Dense(16, "relu", name="features")(layers.Flatten()(x)))
    return keras.Model(inputs, layers.Dense(16, "softmax", name="scores")(x))


# What Keras 2 wrote of `x / 2`, `1 - x`, `x - y`, `x + 1` and `x[..., ::-1]`; all of them together change nothing.
TURNED = {"slice_spec": [{"class_name": "__ellipsis__"}, {"start": None, "stop": None, "step": -1}]}
FUNCTIONS = {
    "half": ("math.truediv", ["images", 0, 0, {"y": 2.0, "name": None}]),
    "rest": ("math.subtract", ["_CONSTANT_VALUE", -1, 1.0, {"y": ["half", 0, 0], "name": None}]),
    "difference": ("math.subtract", ["half", 0, 0, {"y": ["rest", 0, 0], "name": None}]),
    "whole": ("__operators__.add", ["difference", 0, 0, {"y": 1.0, "name": None}]),
    "turned": ("__operators__.getitem", ["whole", 0, 0, TURNED]),
    "back": ("__operators__.getitem", ["turned", 0, 0, TURNED]),
}


def called_in_keras_2(node: dict) -> list:
    """A call in the words of Keras 2."""
    (given,) = node["args"]
    return [
        [*tensor["config"]["keras_history"], node["kwargs"]]
        for tensor in (given if isinstance(given, list) else [given])
    ]


def as_keras_2(model, folder: Path) -> None:
    """Files with what Keras 2 wrote of its layers, and of a model called in Python, and Keras 3 does not."""
    x = images = layers.Input((64, 64, 3), name="images")
    for name in FUNCTIONS:  # layers that stand for them until the description is rewritten
        x = layers.Add(name=name)([x, images])
    functions = {**FUNCTIONS, "same": ("math.add", [model.name, 1, 0, {"y": 0.0, "name": None}])}
    x = layers.Rescaling(5, -2.5)(layers.Rescaling(1, name="same")(model(x)))
    whole = keras.Model(images, layers.Activation("linear", name="hard")(x))
    whole.save(folder / "keras2.h5")
    with h5py.File(folder / "keras2.h5", "r+") as file:
        described = json.loads(file.attrs["model_config"])
        (inner,) = (layer["config"]["layers"] for layer in described["config"]["layers"] if layer["name"] == model.name)
        for layer in (*described["config"]["layers"], *inner):
            config, layer["inbound_nodes"] = layer["config"], [*map(called_in_keras_2, layer["inbound_nodes"])]
            if layer in inner and layer["class_name"] != "InputLayer":
                config["dtype"] = {"class_name": "Policy", "config": {"name": "mixed_float16"}}
            if layer["class_name"] == "DepthwiseConv2D":
                config.update(groups=1, kernel_initializer={"class_name": "GlorotUniform", "config": {}})
            elif layer["class_name"] == "BatchNormalization":
                config.update(axis=[3], renorm=False, name=f"{config['name']}/of")
            elif layer["name"] == "hard":
                config.update(activation="hard_sigmoid")  # 0.2 x + 0.5; Keras 3's has another slope
            elif layer["class_name"] == "Dropout":
                config.update(rng_type="stateful")
            elif layer["name"] in functions:
                function, node = functions[layer["name"]]
                layer["class_name"] = "SlicingOpLambda" if function.endswith("getitem") else "TFOpLambda"
                layer["config"] = {
                    **{"name": layer["name"], "trainable": True, "dtype": "float32"},
                    "function": function,
                }
                layer["inbound_nodes"] = [node]
                if layer["name"] == "half":  # as Keras 2.3 wrote it
                    types = {"T": {"type": "DT_FLOAT"}}
                    layer["class_name"], layer["inbound_nodes"] = "TensorFlowOpLayer", [[[*node[:3], {}]]]
                    layer["config"] = {
                        **{"name": "half", "node_def": {"name": "half", "op": "RealDiv", "attr": types}},
                        "constants": {"1": 2.0},
                    }
        file.attrs.update(model_config=json.dumps(described), keras_version="2.15.0")
    as_keras_2_13(whole, described, folder)


def as_keras_2_13(whole, described: dict, folder: Path) -> None:
    """A `.keras` file with a module that Keras 3 has not, and weights under the names of Keras 2.13."""
    whole.save(folder / "whole.keras")
    with zipfile.ZipFile(folder / "whole.keras") as archive:
        archive.extract("model.weights.h5", folder)
    with h5py.File(folder / "model.weights.h5", "r+") as file:
        inner = file["layers/functional/layers"]
        for name in sorted(inner, reverse=True):  # those with weights were counted twice
            kind, _, number = name.rpartition("_")
            if "vars" in inner[name] and number.isdigit():
                inner.move(name, f"{kind}_{2 * int(number)}")
        for group in (file["layers/functional"], file):
            group.move("layers", "_layer_checkpoint_dependencies")
    with zipfile.ZipFile(folder / "keras2.keras", "w") as archive:
        archive.writestr("config.json", json.dumps({**described, "module": "keras.src.engine.functional"}))
        archive.writestr("metadata.json", json.dumps({"keras_version": "2.13.1"}))
        archive.write(folder / "model.weights.h5", "model.weights.h5")
    for name, old in (("really_keras.h5", "good.keras"), ("really_h5.keras", "good.h5"), ("theano.h5", "keras2.h5")):
        shutil.copy(folder / old, folder / name)
    with h5py.File(folder / "theano.h5", "r+") as file:
        file.attrs["backend"] = "theano"


def grouped(folder: Path) -> None:
    """A convolution of groups, for which Keras has a function that XLA compiles, and GELU."""
    x = inputs = layers.Input((64, 64, 3))
    x = layers.Conv2D(16, 3, 2, "same", groups=4, activation=keras.activations.gelu)(layers.Conv2D(8, 3, 2)(x))
    model = keras.Model(inputs, layers.GlobalAveragePooling2D()(x))
    model.save(folder / "grouped.keras")
    model.export(folder / "grouped", verbose=False)


def several_and_mixed(model, folder: Path) -> None:
    """A model with two outputs, and one that was trained in mixed precision."""
    outputs = [model.get_layer(name).output for name in ("features", "scores")]
    keras.Model(model.inputs, outputs).save(folder / "two.keras")
    keras.config.set_dtype_policy("mixed_float16")
    mixed = network()
    keras.config.set_dtype_policy("float32")
    mixed.set_weights(model.get_weights())
    mixed.save(folder / "mixed.keras")


def other_signatures(folder: Path) -> None:
    """SavedModels without a signature, and with one that takes more than images."""
    tf.saved_model.save(tf.Module(), folder / "bare")
    taken = [tf.TensorSpec((None, 64, 64, 3), tf.float32, "x"), tf.TensorSpec((), tf.bool, "training")]
    run = tf.function(lambda x, training: {"y": tf.where(training, 0.0, tf.reduce_mean(x, [1, 2]))}, taken)
    tf.saved_model.save(tf.Module(), folder / "training", signatures=run)


def pixels_and_switch(model, folder: Path) -> None:
    """A SavedModel that takes pixels with its preprocessing inside, a frozen graph with a switch for training, and one
    with an operation that ONNX has not."""
    x = tf.TensorSpec((None, 64, 64, 3), tf.uint8, "x")
    run = tf.function(
        lambda x: {"scores": model(tf.cast(x, tf.float32) / 127.5 - 1, training=False)}, input_signature=[x]
    )
    holder = tf.Module()
    holder.model = model
    tf.saved_model.save(holder, folder / "pixels", signatures=run)
    taken = [tf.TensorSpec((None, 64, 64, 3), tf.float32, "x")]
    best = tf.function(lambda x: {"best": tf.argmax(model(x, training=False), 1)}, taken)
    tf.saved_model.save(holder, folder / "best", signatures=best)
    graph, weight = tf.Graph(), np.random.default_rng(1).normal(size=(3, 16)).astype(np.float32)
    with graph.as_default():
        images = tf.compat.v1.placeholder(tf.float32, (None, 64, 64, 3), "images")
        training = tf.compat.v1.placeholder(tf.bool, (), "phase_train")
        kept = tf.compat.v1.placeholder_with_default(tf.constant(1.0), (), "kept")
        y = tf.matmul(tf.reduce_mean(images, [1, 2]), weight)
        tf.compat.v1.disable_control_flow_v2()
        y = tf.compat.v1.cond(training, lambda: tf.compat.v1.nn.dropout(y, rate=1 - 0.5 * kept), lambda: tf.identity(y))
        tf.identity(y, "scores")
    (folder / "switch.pb").write_bytes(graph.as_graph_def().SerializeToString())
    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, (None, 64, 64, 3), "x")
        tf.identity(tf.math.lgamma(tf.reduce_mean(x, [1, 2])), "scores")
    (folder / "untranslated.pb").write_bytes(graph.as_graph_def().SerializeToString())


def reach_out(folder: Path) -> None:
    """Graphs and SavedModels with operations that write a file `ran`; one of TensorFlow 1 that does not."""
    v1, mark = tf.compat.v1, str(folder / "ran")
    writing = {
        "printing": lambda x: v1.raw_ops.PrintV2(input="x", output_stream=f"file://{mark}"),
        "saving": lambda x: v1.raw_ops.SaveV2(prefix=mark, tensor_names=["a"], shape_and_slices=[""], tensors=[x]),
        "merging": lambda x: v1.raw_ops.MergeV2Checkpoints(checkpoint_prefixes=[mark], destination_prefix=mark),
    }
    for name, write in writing.items():
        graph = tf.Graph()
        with graph.as_default():
            x = v1.placeholder(tf.float32, (None, 64, 64, 3), "x")
            with graph.control_dependencies([write(x)]):
                tf.reduce_mean(x, [1, 2], name="y")
        (folder / f"{name}.pb").write_bytes(graph.as_graph_def().SerializeToString())

    @tf.function(input_signature=[tf.TensorSpec((None, 64, 64, 3), tf.float32, "x")])
    def nested(x):
        def write():
            tf.io.write_file(mark, "")
            return tf.reduce_mean(x, [1, 2])

        return {"scores": tf.cond(tf.shape(x)[0] > 0, write, lambda: tf.reduce_mean(x, [1, 2]))}

    tf.saved_model.save(tf.Module(), folder / "nested", signatures=nested)
    call_unseen(nested, folder)
    for name in ("first", "first_writes"):
        with tf.Graph().as_default(), v1.Session() as session:
            x = v1.placeholder(tf.float32, (None, 64, 64, 3), "x")
            weight = v1.get_variable("weight", (3, 16), use_resource=True)
            y = tf.identity(tf.matmul(tf.reduce_mean(x, [1, 2]), weight), "y")
            session.run(v1.global_variables_initializer())
            builder = v1.saved_model.Builder(str(folder / name))
            described = v1.saved_model.predict_signature_def({"x": x}, {"y": y})
            builder.add_meta_graph_and_variables(
                session,
                ["serve"],
                signature_def_map={"serving_default": described},
                main_op=tf.io.write_file(mark, "") if name == "first_writes" else None,
            )
            builder.save()


def call_unseen(writing, folder: Path) -> None:
    """What writes is called by a placeholder's value, by an object of a function that is not described, by another."""
    taken = [tf.TensorSpec((None, 64, 64, 3), tf.float32, "x")]
    outer = tf.function(lambda x: writing(x)["scores"], taken)
    graph = tf.function(lambda x: tf.identity(outer(x), "y"), taken).get_concrete_function().graph.as_graph_def()
    (call,) = (node for node in graph.node if node.op == "StatefulPartitionedCall")
    given = call.attr["f"].func
    (function,) = (each for each in graph.library.function if each.signature.name == given.name)
    (inner,) = (node for node in function.node_def if node.op == "StatefulPartitionedCall")
    given.attr["g"].func.name = inner.attr["f"].func.name
    inner.attr["f"].placeholder = "g"
    function.signature.attr.add(name="g", type="func")
    (folder / "placeholder.pb").write_bytes(graph.SerializeToString())
    for name in ("undescribed", "swapped"):
        shutil.copytree(folder / "nested", folder / name)
        described = SavedModel.FromString((folder / name / "saved_model.pb").read_bytes())
        (part,) = described.meta_graphs
        if name == "undescribed":
            part.object_graph_def.concrete_functions.clear()
        else:
            part.graph_def.library.function[0].attr["api_implements"].s = b"any"
        (folder / name / "saved_model.pb").write_bytes(described.SerializeToString())


@keras.saving.register_keras_serializable("theirs")
class Theirs(layers.Layer):
    """A layer of somebody's own."""

    def call(self, x):
        return x


def foreign_layers(folder: Path) -> None:
    """Models with layers that are not Keras's own, and weights that HDF5 takes from another file."""
    keras.Sequential([layers.Input((4,)), Theirs()]).save(folder / "theirs.keras")
    keras.Sequential([layers.Input((4,)), layers.Lambda(lambda x: x)]).save(folder / "code.h5")
    keras.Sequential([layers.Input((1,), dtype="string"), layers.StringLookup(vocabulary=["a"])]).save(
        folder / "lookup.keras"
    )
    for name in ("linked", "apart"):
        (folder / f"{name}.h5").write_bytes((folder / "good.h5").read_bytes())
        with h5py.File(folder / f"{name}.h5", "r+") as file:
            group = file["model_weights"]
            if name == "linked":
                group["theirs"] = h5py.ExternalLink("/etc/passwd", "/")
            else:
                group.create_dataset("theirs", (4,), "f4", external=[("/etc/passwd", 0, 16)])


def main(folder: Path) -> None:
    """The files."""
    keras.utils.set_random_seed(0)
    rng, model = np.random.default_rng(0), network()
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.set_weights([rng.uniform(0.5, 1.5, value.shape) for value in layer.get_weights()])
        if isinstance(layer, layers.Normalization):
            layer.adapt(rng.normal(0.5, 2, (8, 64, 64, 3)))
    model.save(folder / "good.keras")
    model.save(folder / "good.h5")
    model.save_weights(folder / "only.weights.h5")
    model.export(folder / "saved", verbose=False)
    run = tf.function(lambda x: model(x, training=False)).get_concrete_function(
        tf.TensorSpec((1, 64, 64, 3), tf.float32, "x")
    )
    frozen = convert_variables_to_constants_v2(run)
    (folder / "one_image.pb").write_bytes(frozen.graph.as_graph_def().SerializeToString())
    (folder / "good.tflite").write_bytes(tf.lite.TFLiteConverter.from_keras_model(model).convert())
    as_keras_2(model, folder)
    grouped(folder)
    several_and_mixed(model, folder)
    other_signatures(folder)
    pixels_and_switch(model, folder)
    keras.Sequential([layers.Input((4,)), layers.Lambda(lambda x: x)]).save(folder / "code.keras")
    reaching = tf.Graph()
    with reaching.as_default():
        x = tf.compat.v1.placeholder(tf.float32, (None, 64, 64, 3), "x")
        with reaching.control_dependencies([tf.io.write_file(str(folder / "ran"), "")]):
            tf.reduce_mean(x, [1, 2], name="y")
    (folder / "reaching.pb").write_bytes(reaching.as_graph_def().SerializeToString())
    reach_out(folder)
    foreign_layers(folder)
    for name in ("good.keras", "one_image.pb", "good.tflite"):
        whole = (folder / name).read_bytes()
        (folder / f"cut_{name}").write_bytes(whole[: len(whole) // 2])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
