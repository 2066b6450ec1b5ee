"""MXNet's models: a symbol and its parameters, built operator by operator from the interchange graph.

int8 takes oneDNN's fused operators, which exist in symbols only.
"""

from __future__ import annotations

from dliflow.conversion.graphs import mxnet_graph
from dliflow.errors import DliflowError, Skip
from dliflow.frameworks.mxnet import MODEL
from dliflow.interchange import graph


def convert(source, out, precision, calibration):
    """Build the symbol; int8 quantizes it to the extrema seen on the calibration images."""
    import mxnet as mx

    network = graph.read(source / "model.onnx", "mxnet")
    builder = mxnet_graph.Builder(network)
    symbol, parameters = builder.symbol(), builder.parameters
    auxiliary: dict = {}
    if precision == "int8":
        if calibration is None:
            raise DliflowError("mxnet: int8 needs calibration images")
        if any(grouped(network, node) for node in network.nodes):
            raise Skip("MXNet's INT8 convolutions return wrong values for groups of several channels")
        symbol, parameters, auxiliary = mx.contrib.quantization.quantize_model_mkldnn(
            symbol,
            parameters,
            auxiliary,
            label_names=(),
            ctx=mx.cpu(),
            excluded_op_names=["elemwise_mul"],  # its INT8 operator fails on unsigned values
            calib_mode="naive",
            calib_data=mx.io.NDArrayIter(calibration, batch_size=1),
            quantized_dtype="auto",
            quantize_granularity="channel-wise",
        )
    mx.model.save_checkpoint(str(out / MODEL), 0, symbol, parameters, auxiliary)


def grouped(network, node) -> bool:
    """Whether it is a convolution in groups of more than one channel."""
    return node.op == "Conv" and 1 < node.attributes["group"] < network.shapes[node.inputs[0]][1]
