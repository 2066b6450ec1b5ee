"""Write small quantized files that run as they are.

Usage: python make_as_they_are.py onnx | tflite FOLDER

Each has two outputs: `other`, which stands first, and `scores`, (batch, 1, 1, 5) in NHWC and (batch, 5, 1, 1) in NCHW.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

WEIGHT = np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32)


def onnx_file(path: Path, layout: str, dtype: str) -> None:
    """Pixels to an average over the image, which is quantized, and a product with weights."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    shape, perm = (["n", 3, 8, 8], None) if layout == "NCHW" else (["n", 8, 8, 3], [0, 3, 1, 2])
    nodes = [helper.make_node("Cast", ["images"], ["float"], to=TensorProto.FLOAT)]
    if perm:
        nodes.append(helper.make_node("Transpose", ["float"], ["planes"], perm=perm))
    nodes += [
        helper.make_node("GlobalAveragePool", ["planes" if perm else "float"], ["mean"]),
        helper.make_node("QuantizeLinear", ["mean", "step", "zero"], ["mean8"]),
        helper.make_node("DequantizeLinear", ["mean8", "step", "zero"], ["other"]),
        helper.make_node("Conv", ["other", "weight"], ["scores"]),
    ]
    step, zero = (0.01, 128) if dtype == "float32" else (1, 0)
    constants = {
        "step": np.float32(step),
        "zero": np.int8(zero) if dtype == "int8" else np.uint8(zero),
        "weight": WEIGHT.T[:, :, None, None],
    }
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", channels, 1, 1])
        for name, channels in (("other", 3), ("scores", 5))
    ]
    graph = helper.make_graph(
        nodes,
        "as it is",
        [helper.make_tensor_value_info("images", kind, shape)],
        outputs,
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def tflite_file(path: Path, dtype: str) -> None:
    """The same in TensorFlow, with integers or float at both ends."""
    import tensorflow as tf

    @tf.function(input_signature=[tf.TensorSpec((1, 8, 8, 3), tf.float32, "images")])
    def run(images):
        mean = tf.reduce_mean(images, [1, 2], keepdims=True)
        return {"other": mean + 1, "scores": tf.nn.conv2d(mean, WEIGHT[None, None], 1, "VALID")}

    converter = tf.lite.TFLiteConverter.from_concrete_functions([run.get_concrete_function()])
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    rng = np.random.default_rng(1)
    converter.representative_dataset = lambda: (
        [rng.uniform(-1, 1, (1, 8, 8, 3)).astype(np.float32)] for _ in range(20)
    )
    exact = (
        "EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8" if dtype == "int16" else "TFLITE_BUILTINS_INT8"
    )
    converter.target_spec.supported_ops = [tf.lite.OpsSet[exact]]
    converter.inference_input_type = converter.inference_output_type = getattr(tf, dtype)
    path.write_bytes(converter.convert())


def main(kind: str, folder: Path) -> None:
    """The files, NAME by layout and dtype."""
    if kind == "onnx":
        for layout, dtype in [("NCHW", "float32"), ("NHWC", "float32"), ("NHWC", "uint8"), ("NCHW", "int8")]:
            onnx_file(folder / f"{layout}-{dtype}.onnx", layout, dtype)
    else:
        for dtype in ("float32", "uint8", "int8", "int16"):
            tflite_file(folder / f"NHWC-{dtype}.tflite", dtype)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
