"""A real MobileNetV2 in float32 in every source format, from Google's public int8 file.

Usage, with a framework environment's Python, PYTHONPATH=workflow:
    python tests/mobilenet_v2.py weights --tflite FILE --out weights.npz     (tensorflow, tflite)
    python tests/mobilenet_v2.py FORMAT --weights weights.npz --out PATH

The file's int8 weights (a scale for each channel) and int32 biases become float32. All formats take RGB pixels as
(x - 127.5) / 127.5, and give 1001 scores, 0 being the background: logits, or probabilities where the format is of
TensorFlow. Batch normalisation is written out, though its factors are 1, so that conversions have it to deal with.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

SIZE = 224
CLASSES = 1001
LAYERS = 53  # the last one is the classifier


def layers():
    """What the convolutions do, in the file's order: (stride, depthwise, activation, where a shortcut starts or None).

    The shortcut's number is that of the layer before which it leaves; it is added behind the layer that names it.
    """
    found = [(2, False, True, None), (1, True, True, None), (1, False, False, None)]
    for blocks, stride in [(2, 2), (3, 2), (4, 2), (3, 1), (3, 2), (1, 1)]:
        for index in range(blocks):
            start = len(found)
            found += [(1, False, True, None), (1 if index else stride, True, True, None)]
            found += [(1, False, False, start if index else None)]
    return [*found, (1, False, True, None)]


def read_weights(tflite: Path) -> dict[str, np.ndarray]:
    """Dequantize: `weight_N` (out, height, width, in / groups) and `bias_N`."""
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        from tensorflow.lite import Interpreter
    interpreter = Interpreter(str(tflite))
    interpreter.allocate_tensors()
    found = []
    for tensor in interpreter.get_tensor_details():
        scales = tensor["quantization_parameters"]["scales"]
        if len(scales) > 1:  # activations have one scale, weights and biases one for each channel
            axis = tensor["quantization_parameters"]["quantized_dimension"]
            values = interpreter.get_tensor(tensor["index"]).astype(np.float32)
            values *= scales.reshape([-1 if index == axis else 1 for index in range(values.ndim)])
            found.append(values.transpose(3, 1, 2, 0) if axis == 3 else values)  # depthwise: 1, height, width, out
    weights, biases = found[::2], found[1::2]
    assert len(weights) == len(biases) == LAYERS, len(found)
    assert all(weight.shape[0] == len(bias) for weight, bias in zip(weights, biases))
    named = {f"weight_{index:02}": weight for index, weight in enumerate(weights)}
    return {**named, **{f"bias_{index:02}": bias for index, bias in enumerate(biases)}}


def pairs(weights) -> list[tuple[np.ndarray, np.ndarray]]:
    """(weight, bias) of each layer."""
    return [(weights[f"weight_{index:02}"], weights[f"bias_{index:02}"]) for index in range(LAYERS)]


# PyTorch.


def pytorch_network(weights):
    """The project's architecture with these weights."""
    import torch

    from dliflow import architectures

    network = architectures.build("mobilenet_v2", {"classes": CLASSES, "padding": "same_upper"}).eval()
    modules = [module for module in network.modules() if isinstance(module, (torch.nn.Conv2d, torch.nn.Linear))]
    norms = [module for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    with torch.no_grad():
        for module, (weight, bias) in zip(modules, pairs(weights)):
            transposed = torch.from_numpy(np.ascontiguousarray(weight.transpose(0, 3, 1, 2)))
            module.weight.copy_(transposed.reshape(module.weight.shape))
            if module is modules[-1]:
                module.bias.copy_(torch.from_numpy(bias))
        for module, (_, bias) in zip(norms, pairs(weights)):
            module.running_var.fill_(1 - module.eps)
            module.bias.copy_(torch.from_numpy(bias))
    return network


def pytorch_state_dict(weights, out):
    """A .pth file."""
    import torch

    torch.save(pytorch_network(weights).state_dict(), out)


def pytorch_exported(weights, out):
    """A .pt2 file for any batch size."""
    import torch

    batch = {0: torch.export.Dim("batch", min=1, max=1024)}
    example = torch.zeros(2, 3, SIZE, SIZE)
    torch.export.save(torch.export.export(pytorch_network(weights), (example,), dynamic_shapes=(batch,)), out)


def torchscript(weights, out):
    """A traced .pt file."""
    import warnings

    import torch

    warnings.simplefilter("ignore", torch.jit.TracerWarning)  # sizes become constants, and are meant to
    torch.jit.save(torch.jit.trace(pytorch_network(weights), torch.zeros(2, 3, SIZE, SIZE)), out)


def onnx(weights, out):
    """An .onnx file as torch exports it."""
    import torch

    batch = {0: torch.export.Dim("batch")}
    example = (torch.zeros(2, 3, SIZE, SIZE),)
    torch.onnx.export(pytorch_network(weights), example, out, dynamic_shapes=(batch,), external_data=False)


# TensorFlow.


def tensorflow_frozen_graph(weights, out):
    """A GraphDef with the names of the one that Google published: `input`, `MobilenetV2/Predictions/Reshape_1`."""
    import tensorflow as tf

    v1, folder = tf.compat.v1, "MobilenetV2"
    with tf.Graph().as_default() as graph:
        x = v1.placeholder(tf.float32, (None, SIZE, SIZE, 3), "input")
        values = []
        for index, ((stride, depthwise, activation, shortcut), (weight, bias)) in enumerate(
            zip(layers(), pairs(weights))
        ):
            values.append(x)
            name = f"{folder}/layer_{index}"
            if depthwise:
                kernel = tf.constant(weight.transpose(1, 2, 0, 3), name=f"{name}/depthwise_weights")
                x = tf.nn.depthwise_conv2d(x, kernel, (1, stride, stride, 1), "SAME", name=f"{name}/depthwise")
            else:
                kernel = tf.constant(weight.transpose(1, 2, 3, 0), name=f"{name}/weights")
                x = tf.nn.conv2d(x, kernel, stride, "SAME", name=f"{name}/Conv2D")
            one, zero = np.ones_like(bias), np.zeros_like(bias)
            norm = {"mean": zero, "variance": one - np.float32(1e-3), "epsilon": 1e-3, "is_training": False}
            x = v1.nn.fused_batch_norm(x, one, bias, **norm, name=f"{name}/BatchNorm/FusedBatchNorm")[0]
            x = tf.nn.relu6(x, f"{name}/Relu6") if activation else x
            x = x if shortcut is None else tf.add(x, values[shortcut], f"{name}/add")
        weight, bias = pairs(weights)[-1]
        x = tf.nn.avg_pool2d(x, 7, 1, "VALID", name=f"{folder}/Logits/AvgPool")
        x = tf.nn.conv2d(x, weight.transpose(1, 2, 3, 0), 1, "SAME", name=f"{folder}/Logits/Conv2d_1c_1x1/Conv2D")
        x = tf.nn.bias_add(x, bias, name=f"{folder}/Logits/Conv2d_1c_1x1/BiasAdd")
        logits = tf.squeeze(x, (1, 2), f"{folder}/Logits/Squeeze")
        x = tf.reshape(logits, (-1, CLASSES), f"{folder}/Predictions/Reshape")
        x = tf.nn.softmax(x, name=f"{folder}/Predictions/Softmax")
        tf.reshape(x, tf.shape(logits, name=f"{folder}/Predictions/Shape"), f"{folder}/Predictions/Reshape_1")
    Path(out).write_bytes(graph.as_graph_def().SerializeToString())


def keras_network(weights):
    """The network in Keras' layers."""
    import keras

    x = start = keras.Input((SIZE, SIZE, 3), name="input")
    values = []
    for (stride, depthwise, activation, shortcut), (weight, bias) in zip(layers(), pairs(weights)):
        values.append(x)
        if depthwise:
            layer = keras.layers.DepthwiseConv2D(3, stride, "same", use_bias=False)
            kernel = weight.transpose(1, 2, 0, 3)
        else:
            layer = keras.layers.Conv2D(len(bias), weight.shape[1], stride, "same", use_bias=False)
            kernel = weight.transpose(1, 2, 3, 0)
        x = layer(x)
        layer.set_weights([kernel])
        norm = keras.layers.BatchNormalization()
        x = norm(x)
        one = np.ones_like(bias)
        norm.set_weights([one, bias, 0 * one, one - np.float32(norm.epsilon)])
        x = keras.layers.ReLU(6)(x) if activation else x
        x = x if shortcut is None else keras.layers.Add()([x, values[shortcut]])
    weight, bias = pairs(weights)[-1]
    dense = keras.layers.Dense(CLASSES, activation="softmax", name="predictions")
    network = keras.Model(start, dense(keras.layers.GlobalAveragePooling2D()(x)), name="mobilenet_v2")
    dense.set_weights([weight[:, 0, 0].T, bias])
    return network


def keras(weights, out):
    """A .keras file."""
    keras_network(weights).save(out)


def tensorflow_saved_model(weights, out):
    """A SavedModel folder."""
    keras_network(weights).export(out, verbose=False)


def tflite(weights, out):
    """A float .tflite file for any batch size."""
    import tensorflow as tf

    Path(out).write_bytes(tf.lite.TFLiteConverter.from_keras_model(keras_network(weights)).convert())


# MXNet.


def gluon(weights, out):
    """OUT-symbol.json and OUT-0000.params."""
    import mxnet as mx

    x, values, parameters = mx.sym.var("data"), [], {}
    for index, ((stride, depthwise, activation, shortcut), (weight, bias)) in enumerate(zip(layers(), pairs(weights))):
        values.append(x)
        name, width = f"layer{index}", weight.shape[1]
        pad = (width - 1) // 2
        if stride == 2:  # as TensorFlow pads an even height and width
            x = mx.sym.pad(x, mode="constant", pad_width=(0, 0, 0, 0, 0, 1, 0, 1), constant_value=0)
            pad = 0
        shape = {"kernel": (width, width), "stride": (stride, stride), "pad": (pad, pad), "num_filter": len(bias)}
        groups = len(bias) if depthwise else 1
        x = mx.sym.Convolution(x, name=f"{name}_conv", no_bias=True, num_group=groups, **shape)
        x = mx.sym.BatchNorm(x, name=f"{name}_norm", eps=1e-5, fix_gamma=False)
        x = mx.sym.clip(x, 0, 6, name=f"{name}_relu6") if activation else x
        x = x if shortcut is None else mx.sym.elemwise_add(x, values[shortcut], name=f"{name}_add")
        one = np.ones_like(bias)
        parameters[f"arg:{name}_conv_weight"] = weight.transpose(0, 3, 1, 2)
        parameters[f"arg:{name}_norm_gamma"] = one
        parameters[f"arg:{name}_norm_beta"] = bias
        parameters[f"aux:{name}_norm_moving_mean"] = 0 * one
        parameters[f"aux:{name}_norm_moving_var"] = one - np.float32(1e-5)
    weight, bias = pairs(weights)[-1]
    x = mx.sym.Pooling(x, kernel=(1, 1), global_pool=True, pool_type="avg", name="pool")
    x = mx.sym.FullyConnected(mx.sym.Flatten(x), num_hidden=CLASSES, name="output")
    parameters.update({"arg:output_weight": weight[:, 0, 0], "arg:output_bias": bias})
    x.save(f"{out}-symbol.json")
    mx.nd.save(f"{out}-0000.params", {name: mx.nd.array(value) for name, value in parameters.items()})


FORMATS = {
    function.__name__: function
    for function in (
        pytorch_state_dict,
        pytorch_exported,
        torchscript,
        onnx,
        tensorflow_frozen_graph,
        tensorflow_saved_model,
        keras,
        tflite,
        gluon,
    )
}

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("format", choices=["weights", *FORMATS])
    parser.add_argument("--tflite", type=Path, help="Google's int8 file")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--out", required=True)
    arguments = parser.parse_args()
    if arguments.format == "weights":
        np.savez(arguments.out, **read_weights(arguments.tflite))
    else:
        with np.load(arguments.weights) as archive:
            FORMATS[arguments.format](dict(archive), arguments.out)
