"""A Caffe network: a .prototxt that describes it, with the .caffemodel that holds its weights beside it.

No package of today's Python has Caffe itself. The reference are the scores of OpenCV 4's reader of such files, in an
environment of its own, since OpenCV 5 has none. It is given the network as `load` has understood it: the layers for
inference, in the newer of the two forms, with an input of the batch's shape.

Caffe's networks usually take BGR and a mean for each channel; that is the entry's `input`, since the files do not tell.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

import numpy as np

from dliflow import sources
from dliflow.errors import DliflowError
from dliflow.interchange import form
from dliflow.sources.shared import caffe_format, caffe_graph

FRAMEWORK = "opencv"
ENVIRONMENT = "caffe_reader"
SUFFIXES = (".prototxt", ".caffemodel")
LAYOUT = "NCHW"

DATA = ("Input", "Data", "ImageData", "MemoryData", "HDF5Data", "DummyData", "WindowData")
TRAINING = re.compile(r"Accuracy|Silence|\w*Loss")  # layers that say how good the scores are, or nothing
NAMES = {
    **{"ABSVAL": "AbsVal", "BNLL": "BNLL", "HDF5_DATA": "HDF5Data", "HDF5_OUTPUT": "HDF5Output", "LRN": "LRN"},
    **{"MVN": "MVN", "RELU": "ReLU", "SOFTMAX_LOSS": "SoftmaxWithLoss", "TANH": "TanH"},
}
"""Types of the older form of layers whose names today are not their words in capitals."""
ALIASES = dict.fromkeys(("ConvolutionDepthwise", "DepthwiseConvolution"), "Convolution")
"""Forks' names of layers that only compute the same faster."""


@dataclass
class Network:
    """What the two files hold.

    Attributes:
        net: `NetParameter` of the layers for inference, in the newer form, with one input.
        blobs: the weights of each layer, by its name.
        contents: of the .caffemodel.
    """

    path: Path
    net: Any
    blobs: dict[str, list[np.ndarray]]
    contents: bytes
    output: Optional[str]


def load(path: Path, source: dict) -> Network:
    """Read both files; of several inputs and outputs `source.input` and `source.output` name one.

    Raises:
        DliflowError: when a file is missing, broken or of another kind, or has a layer that is not taken.
    """
    sources.only_nchw(source)
    if path.suffix == ".caffemodel":
        raise DliflowError(f"{path}: holds weights alone; name the .prototxt (source.file), beside which it lies")
    file = _weights_file(path, source.get("weights"))
    net = _for_inference(_described(path), path, source.get("input"))
    contents = file.read_bytes()
    return Network(path, net, _blobs(file, contents), contents, source.get("output"))


def _weights_file(path: Path, wanted: Optional[str]) -> Path:
    """The .caffemodel beside a .prototxt: the only one, or the one that `source.weights` names."""
    if not path.exists():
        raise DliflowError(f"{path}: there is no such file")
    there = sorted(file.name for file in path.parent.glob("*.caffemodel"))
    name = wanted or (there[0] if len(there) == 1 else None)
    if name not in there:
        raise DliflowError(
            f"{path}: source.weights: name the file of weights beside it; there: {', '.join(there) or 'no .caffemodel'}"
        )
    return path.with_name(str(name))


def _described(path: Path) -> Any:
    """The network of a text; what layers it has is looked at first, since their fields would only puzzle."""
    from google.protobuf import text_format

    text, net, leniently = path.read_bytes(), caffe_format.net(), caffe_format.net()
    try:
        text_format.Parse(text, net)
        return net
    except (text_format.ParseError, UnicodeDecodeError) as error:
        problem = str(error)
    try:
        text_format.Parse(text, leniently, allow_unknown_field=True)
    except (text_format.ParseError, UnicodeDecodeError):
        raise DliflowError(f"{path}: not a network as Caffe describes it: {problem}") from None
    _for_inference(leniently, path, None)
    raise DliflowError(f"{path}: has a field that is not Caffe's own: {problem}")


def _met(rule: Any) -> bool:
    """Whether a rule is met where the network predicts: in phase TEST, at level 0, in no stage."""
    phase, least, most = (rule.HasField(name) for name in ("phase", "min_level", "max_level"))
    return not (
        (phase and rule.phase != 1) or (least and rule.min_level > 0) or (most and rule.max_level < 0) or rule.stage
    )


def _upgraded(old: Any, path: Path) -> Any:
    """A layer of the older form in the newer one."""
    if old.HasField("layer"):
        raise DliflowError(
            f"{path}: its layers are of Caffe's oldest form; Caffe's upgrade_net_proto_text writes them in a newer one"
        )
    new = caffe_format.net().layer.add()
    kind = old.DESCRIPTOR.fields_by_name["type"].enum_type.values_by_number[old.type].name
    for field, value in old.ListFields():
        if field.name in ("name", "bottom", "top", "include", "exclude") or field.name.endswith("_param"):
            if hasattr(value, "extend"):
                getattr(new, field.name).extend(value)
            elif hasattr(value, "CopyFrom"):
                getattr(new, field.name).CopyFrom(value)
            else:
                setattr(new, field.name, value)
    new.type = NAMES.get(kind) or "".join(word.title() for word in kind.split("_"))
    return new


def _for_inference(net: Any, path: Path, wanted: Optional[str]) -> Any:
    """The network without what is there for training, with its input as `input` and `input_shape`.

    Args:
        wanted: the name of the input, where the entry tells it.
    """
    inputs = {name: list(shape.dim) for name, shape in zip(net.input, net.input_shape)}
    for place, name in enumerate(net.input):
        inputs.setdefault(name, list(net.input_dim[4 * place : 4 * place + 4]))
    kept = caffe_format.net()
    kept.name = net.name
    for layer in [*net.layer, *(_upgraded(old, path) for old in net.layers)]:
        chosen = any(map(_met, layer.include)) if layer.include else not any(map(_met, layer.exclude))
        if not chosen or TRAINING.fullmatch(layer.type):
            continue
        layer.type = ALIASES.get(layer.type, layer.type)
        if layer.type in DATA:
            inputs[layer.top[0]] = _size(layer)  # a second blob are the labels
        elif layer.type in caffe_graph.LAYERS:
            kept.layer.append(layer)
        else:
            known = ", ".join(sorted(caffe_graph.LAYERS))
            raise DliflowError(f"{path}: layer '{layer.name}' is of type {layer.type}; taken are {known}")
    if not kept.layer:
        raise DliflowError(f"{path}: describes no layers for inference")
    name = form.chosen("input", list(inputs), wanted)
    size = inputs[name] if len(inputs[name]) == 4 else [0, 0, 0, 0]
    kept.input.append(name)
    kept.input_shape.add(dim=size)
    for layer in kept.layer:
        if layer.type == "Pooling" and layer.pooling_param.round_mode == 1:
            layer.pooling_param.ceil_mode = False  # the name that OpenCV knows it by
            layer.pooling_param.ClearField("round_mode")
        dims = layer.reshape_param.shape.dim
        if layer.type == "Reshape" and layer.reshape_param.axis == 0 and dims and 0 < dims[0] == size[0]:
            dims[0] = 0  # as many as come, in place of those of which the file speaks
    return kept


def _size(layer: Any) -> list[int]:
    """Whole shape of what a layer of data gives, 0 for what it does not tell."""
    if layer.input_param.shape:
        return list(layer.input_param.shape[0].dim)
    crop, memory = layer.transform_param.crop_size, layer.memory_data_param
    return [0, memory.channels, memory.height or crop, memory.width or crop]


def _blobs(path: Path, contents: bytes) -> dict[str, list[np.ndarray]]:
    """The weights in a .caffemodel, by the names of the layers."""
    from google.protobuf.message import DecodeError

    if contents.startswith(b"\x89HDF"):
        raise DliflowError(f"{path}: is HDF5; Caffe writes a .caffemodel with `snapshot_format: BINARYPROTO`")
    net = caffe_format.net()
    try:
        net.ParseFromString(contents)
        blobs = {
            layer.name: [_values(blob) for blob in layer.blobs] for layer in [*net.layer, *net.layers] if layer.blobs
        }
    except (DecodeError, ValueError) as error:
        raise DliflowError(f"{path}: not a file of Caffe's weights, or cut off: {error}") from error
    if not blobs:
        raise DliflowError(f"{path}: holds no weights")
    return blobs


def _values(blob: Any) -> np.ndarray:
    """A blob as float32 of its shape."""
    values = np.frombuffer(blob.double_data, "<f8") if blob.double_data else np.frombuffer(blob.data, "<f4")
    older = [blob.num, blob.channels, blob.height, blob.width]
    return values.astype(np.float32).reshape(list(blob.shape.dim) if blob.HasField("shape") else older)


def _built(network: Network, shape: tuple[int, ...]) -> caffe_graph.Built:
    """The network in ONNX, once its input is seen to be that of the entry."""
    form.check_input([0, *network.net.input_shape[0].dim[1:]], shape, "NCHW")
    return caffe_graph.build(network.net, network.blobs, shape, network.output, network.path)


def predict(network: Network, batch: np.ndarray) -> np.ndarray:
    """Scores of OpenCV's reader. It gets nothing that this project has not understood."""
    import cv2
    from google.protobuf import text_format

    form.check_dtype("float32", str(batch.dtype))
    last = _built(network, batch.shape[1:]).last
    net = caffe_format.net()
    net.CopyFrom(network.net)
    net.input_shape[0].dim[:] = batch.shape
    text = text_format.MessageToString(net).encode()
    try:
        reader = cv2.dnn.readNetFromCaffe(np.frombuffer(text, np.uint8), np.frombuffer(network.contents, np.uint8))
        reader.setInput(batch)
        scores = reader.forward(last)
    except cv2.error as error:
        raise DliflowError(f"{network.path}: OpenCV's reader cannot run the network: {error}") from error
    return np.ascontiguousarray(scores.reshape(len(batch), -1), np.float32)


def export(network: Network, shape: tuple[int, ...], out: Path) -> int:
    """Write the interchange file."""
    return form.write(_built(network, shape).model, shape, "NCHW", out)
