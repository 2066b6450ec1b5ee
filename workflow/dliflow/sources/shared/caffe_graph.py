"""A Caffe network's layers as an ONNX graph, from the definitions of Caffe's layers (src/caffe/layers in its source).

What Caffe does in its own way is spelled out. Windows of poolings end by rounding up, so padding is asymmetric.
Averages count padding, but not what lies beyond it. A batch norm has sums in place of means, and what scales it is a
layer of its own. Shapes are those of one image.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, NamedTuple, Optional

import numpy as np

from dliflow.errors import DliflowError
from dliflow.interchange import form
from dliflow.interchange.inference import OPSET


class Built(NamedTuple):
    """An `onnx.ModelProto` for any batch size, and the name of the layer that gives its only output."""

    model: Any
    last: str


def build(
    net: Any, blobs: dict[str, list[np.ndarray]], shape: tuple[int, ...], output: Optional[str], path: Path
) -> Built:
    """The graph of a network.

    Args:
        net: `NetParameter` of layers for inference, with one input.
        blobs: the weights of each layer, by its name.
        shape: (C, H, W) of one image.
        output: the entry's `source.output`, the name of any blob.
        path: of the network, for messages.

    Raises:
        DliflowError: naming the layer that cannot be taken, and why; or the outputs, where there is a choice.
    """
    import onnx

    builder = Builder(net, blobs, shape, path)
    for layer in net.layer:
        builder.take(layer)
    last = {top: layer.name for layer in net.layer for top in layer.top}
    unread = [top for top in last if builder.values[top] not in builder.read]
    name = output if output in last else form.chosen("output", unread, output)
    single, value = onnx.TensorProto.FLOAT, builder.values[str(name)]
    graph = onnx.helper.make_graph(
        builder.leading_to(value),
        "network",
        [onnx.helper.make_tensor_value_info("input", single, ["batch", *shape])],
        [onnx.helper.make_tensor_value_info(value, single, ["batch", *builder.shapes[value]])],
        [onnx.numpy_helper.from_array(constant, key) for key, constant in builder.constants.items()],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", OPSET)])
    return Built(model, last[str(name)])


def _pair(parameters: Any, name: str, default: int) -> tuple[int, int]:
    """Height and width of what Caffe tells as one number, as two, or as `NAME_h` and `NAME_w`."""
    stem = name.removesuffix("_size")
    fields = parameters.DESCRIPTOR.fields_by_name
    if f"{stem}_h" in fields and (parameters.HasField(f"{stem}_h") or parameters.HasField(f"{stem}_w")):
        return getattr(parameters, f"{stem}_h"), getattr(parameters, f"{stem}_w")
    value = getattr(parameters, name)
    values = list(value) if hasattr(value, "extend") else [value] if parameters.HasField(name) else []
    return (values or [default])[0], (values or [default])[-1]


class Builder:
    """The graph in the making. A blob that a layer writes in place is another value from there on."""

    def __init__(self, net: Any, blobs: dict[str, list[np.ndarray]], shape: tuple[int, ...], path: Path):
        self.blobs, self.path = blobs, path
        self.nodes: list[Any] = []
        self.constants: dict[str, np.ndarray] = {}
        self.values = {net.input[0]: "input"}  # by the blobs' names
        self.shapes = {"input": tuple(shape)}  # by the values' names, as are all below
        self.read: set[str] = set()
        self.scaled: dict[str, tuple[str, np.ndarray, np.ndarray]] = {}
        """Values that are another one, times something, plus something, for each channel."""

    def take(self, layer: Any) -> None:
        """Add a layer."""
        for blob in layer.bottom:
            if blob not in self.values:
                raise DliflowError(f"{self.path}: layer '{layer.name}' takes '{blob}', which no layer before it gives")
        if not layer.bottom or not layer.top:
            raise self.refused(layer, "it has no blob to take or to give")
        taken = [self.values[blob] for blob in layer.bottom]
        given = [f"{len(self.shapes) + place}_{blob}" for place, blob in enumerate(layer.top)]
        self.read.update(taken)
        LAYERS[layer.type](self, layer, taken, given)
        self.values.update(zip(layer.top, given))

    def leading_to(self, value: str) -> list[Any]:
        """The nodes that a value needs: neither other heads, nor norms that another one has taken in."""
        needed, nodes = {value}, []
        for node in reversed(self.nodes):
            if needed.intersection(node.output):
                needed.update(node.input)
                nodes.append(node)
        return nodes[::-1]

    def refused(self, layer: Any, why: str) -> DliflowError:
        """The error for a layer that cannot be taken."""
        return DliflowError(f"{self.path}: layer '{layer.name}' ({layer.type}): {why}")

    # Parts of layers.

    def add(self, op: str, inputs: list[str], output: str, shape: tuple[int, ...], **attributes: Any) -> str:
        """Append a node; returns what it gives."""
        import onnx

        self.nodes.append(onnx.helper.make_node(op, inputs, [output], name=output, **attributes))
        self.shapes[output] = shape
        return output

    def constant(self, name: str, value: Any, dtype: Any = np.float32) -> str:
        """Register a constant; returns its name."""
        self.constants[name] = np.asarray(value, dtype)
        return name

    def weights(self, layer: Any, *sizes: tuple[int, ...]) -> list[np.ndarray]:
        """The layer's weights, which have as many elements as these shapes, in these shapes."""
        blobs = self.blobs.get(layer.name)
        if blobs is None:
            raise self.refused(layer, "the file of weights has none for it")
        if [blob.size for blob in blobs] != [math.prod(size) for size in sizes]:
            there = " and ".join(str(blob.shape) for blob in blobs)
            wanted = " and ".join(map(str, sizes))
            raise self.refused(layer, f"its weights are {there}, it is described with {wanted}")
        return [blob.reshape(size) for blob, size in zip(blobs, sizes)]

    def image(self, layer: Any, value: str) -> tuple[int, ...]:
        """The shape of a value that has channels, height and width."""
        shape = self.shapes[value]
        if len(shape) != 3:
            raise self.refused(layer, f"it takes images, and gets {shape}")
        return shape

    def axis(self, layer: Any, axis: int, value: str) -> int:
        """An axis, counted from 0, the batch being the first one; never the batch."""
        rank = len(self.shapes[value]) + 1
        if not -rank <= axis < rank or axis % rank == 0:
            raise self.refused(layer, f"axis {axis} of a blob of {rank} axes, of which the first is the batch")
        return axis % rank

    def alike(self, layer: Any, values: list[str]) -> tuple[int, ...]:
        """The shape of values that all have the same one."""
        shapes = [self.shapes[value] for value in values]
        if len(set(shapes)) > 1:
            raise self.refused(layer, f"its blobs differ in shape: {' and '.join(map(str, shapes))}")
        return shapes[0]

    def reshape(self, x: str, y: str, shape: tuple[int, ...]) -> str:
        """The same numbers of each image in another shape."""
        return self.add("Reshape", [x, self.constant(f"{y}/shape", [0, *shape], np.int64)], y, shape)

    def ends(self, layer: Any, sizes: tuple[int, ...], kernel, strides, pads, up: bool) -> tuple[int, ...]:
        """Sizes of what windows give, as Caffe's `PoolingLayer::Reshape` computes them."""
        outs = []
        for size, k, s, p in zip(sizes, kernel, strides, pads):
            if not (k > 0 and s > 0 and p < k and k <= size + 2 * p):
                raise self.refused(layer, f"a window of {k} in steps of {s}, padded by {p}, does not fit {size}")
            out = (math.ceil if up else math.floor)((size + 2 * p - k) / s) + 1
            out -= any(pads) and (out - 1) * s >= size + p
            if (out - 1) * s >= size + p:
                raise self.refused(layer, f"its last window of {k} in steps of {s} lies beyond {size}")
            outs.append(out)
        return tuple(outs)

    # Layers: each takes the values in `x` and gives those in `y`.

    def same(self, layer, x, y):
        """Dropout and Split: nothing happens to the numbers."""
        for name in y:
            self.add("Identity", x[:1], name, self.shapes[x[0]])

    def convolution(self, layer, x, y):
        p = layer.convolution_param
        cin, *sizes = self.image(layer, x[0])
        kernel, strides = _pair(p, "kernel_size", 0), _pair(p, "stride", 1)
        pads, dilations = _pair(p, "pad", 0), _pair(p, "dilation", 1)
        if p.axis != 1 or len(x) != 1 or not p.group or cin % p.group or p.num_output % p.group:
            raise self.refused(layer, f"of {cin} channels in {p.group} groups to {p.num_output}, along axis {p.axis}")
        shapes = [(p.num_output, cin // p.group, *kernel), *([(p.num_output,)] if p.bias_term else [])]
        outs = tuple(
            (size + 2 * pad - (k - 1) * d - 1) // s + 1
            for size, k, s, pad, d in zip(sizes, kernel, strides, pads, dilations)
            if s > 0
        )
        if len(outs) < 2 or min(*outs, *kernel) < 1:
            raise self.refused(layer, f"a window of {kernel} in steps of {strides} does not fit {tuple(sizes)}")
        names = [
            self.constant(f"{y[0]}/{kind}", value)
            for kind, value in zip(("weight", "bias"), self.weights(layer, *shapes))
        ]
        window = {"kernel_shape": kernel, "strides": strides, "pads": [*pads, *pads], "dilations": dilations}
        self.add("Conv", [x[0], *names], y[0], (p.num_output, *outs), group=p.group, **window)

    def pooling(self, layer, x, y):
        p = layer.pooling_param
        channels, *sizes = self.image(layer, x[0])
        method = {0: "Max", 1: "Average"}.get(p.pool)
        if method is None or len(y) > 1:
            raise self.refused(layer, "of random places, or that tells places")
        if p.global_pooling:
            self.add(f"Global{method}Pool", x, y[0], (channels, 1, 1))
            return
        kernel, strides, pads = _pair(p, "kernel_size", 0), _pair(p, "stride", 1), _pair(p, "pad", 0)
        outs = self.ends(layer, tuple(sizes), kernel, strides, pads, up=p.ceil_mode)
        behind = [max((out - 1) * s + k - n - p, 0) for out, s, k, n, p in zip(outs, strides, kernel, sizes, pads)]
        window: dict[str, Any] = {"kernel_shape": kernel, "strides": strides, "pads": [*pads, *behind]}
        shape = (channels, *outs)
        if method == "Max":
            self.add("MaxPool", x, y[0], shape, **window)
            return
        counts = [  # how many places of each window lie in the image or in its padding
            np.minimum(np.arange(out) * s - p + k, n + p) - (np.arange(out) * s - p)
            for out, s, k, n, p in zip(outs, strides, kernel, sizes, pads)
        ]
        factor = kernel[0] * kernel[1] / np.outer(*counts)[None, None]
        window["count_include_pad"] = int(any(window["pads"]))
        if np.all(factor == 1):
            self.add("AveragePool", x, y[0], shape, **window)
        else:
            averages = self.add("AveragePool", x, f"{y[0]}/averages", shape, **window)
            self.add("Mul", [averages, self.constant(f"{y[0]}/factor", factor)], y[0], shape)

    def inner_product(self, layer, x, y):
        p = layer.inner_product_param
        if p.axis != 1:
            raise self.refused(layer, f"along axis {p.axis}; along the first one behind the batch is taken")
        if p.transpose:
            raise self.refused(layer, "with transposed weights, which the reference, OpenCV's reader, takes for others")
        inputs = math.prod(self.shapes[x[0]])
        sizes = [(p.num_output, inputs), *([(p.num_output,)] if p.bias_term else [])]
        weight, *bias = self.weights(layer, *sizes)
        flat = x[0]
        if len(self.shapes[flat]) > 1:
            flat = self.add("Flatten", x, f"{y[0]}/flat", (inputs,), axis=1)
        names = [self.constant(f"{y[0]}/weight", weight)]
        names += [self.constant(f"{y[0]}/bias", value) for value in bias]
        self.add("Gemm", [flat, *names], y[0], (p.num_output,), transB=1)

    def affine(self, x: str, y: str, factor: np.ndarray, addend: np.ndarray) -> None:
        """Each channel times something, plus something: one batch norm, which a convolution may take in.

        What stands behind another of the kind takes it in.
        """
        if x in self.scaled:
            x, before, added = self.scaled[x]
            factor, addend = factor * before, factor * added + addend
        self.scaled[y] = (x, factor, addend)
        parts = {"factor": factor, "addend": addend, "mean": np.zeros(len(factor)), "variance": np.ones(len(factor))}
        names = [self.constant(f"{y}/{kind}", value) for kind, value in parts.items()]
        self.add("BatchNormalization", [x, *names], y, self.shapes[x], epsilon=0.0)

    def batch_norm(self, layer, x, y):
        p, channels = layer.batch_norm_param, self.shapes[x[0]][0]
        if p.HasField("use_global_stats") and not p.use_global_stats:
            raise self.refused(layer, "use_global_stats: false normalises by each batch; leave it out for inference")
        if len(self.blobs.get(layer.name, [])) > 3:
            raise self.refused(layer, "its more than three blobs are those of a fork that scales in the same layer")
        sums, squares, count = (value.astype(float) for value in self.weights(layer, (channels,), (channels,), (1,)))
        share = 1 / count[0] if count[0] else 0.0
        factor = 1 / np.sqrt(squares * share + p.eps)
        self.affine(x[0], y[0], factor, -sums * share * factor)

    def scale(self, layer, x, y):
        p = layer.scale_param
        if len(x) == 2:
            return self.gated(layer, x, y)
        if self.axis(layer, p.axis, x[0]) != 1 or p.num_axes != 1:
            raise self.refused(layer, "with other than one number for each channel")
        channels = self.shapes[x[0]][0]
        factor, *addend = self.weights(layer, (channels,), *([(channels,)] if p.bias_term else []))
        return self.affine(x[0], y[0], factor.astype(float), addend[0].astype(float) if addend else np.zeros(channels))

    def gated(self, layer, x, y):
        """Times the numbers of another blob, whose axes are the first ones of this, from the batch on."""
        shape, other = self.shapes[x[0]], self.shapes[x[1]]
        if layer.scale_param.axis != 0 or layer.scale_param.bias_term or other != shape[: len(other)]:
            raise self.refused(layer, f"a blob of {other}, from axis {layer.scale_param.axis} on, with one of {shape}")
        aligned = self.reshape(x[1], f"{y[0]}/aligned", (*other, *[1] * (len(shape) - len(other))))
        self.add("Mul", [x[0], aligned], y[0], shape)

    def relu(self, layer, x, y):
        slope = layer.relu_param.negative_slope
        if slope:
            self.add("LeakyRelu", x, y[0], self.shapes[x[0]], alpha=slope)
        else:
            self.add("Relu", x, y[0], self.shapes[x[0]])

    def relu6(self, layer, x, y):
        bounds = [self.constant(f"{y[0]}/{name}", value) for name, value in (("low", 0), ("high", 6))]
        self.add("Clip", [*x, *bounds], y[0], self.shapes[x[0]])

    def prelu(self, layer, x, y):
        channels, *rest = self.shapes[x[0]]
        (slope,) = self.weights(layer, (1,) if layer.prelu_param.channel_shared else (channels,))
        each = slope.reshape(-1, *[1] * len(rest))
        self.add("PRelu", [*x, self.constant(f"{y[0]}/slope", each)], y[0], self.shapes[x[0]])

    def power(self, layer, x, y):
        p, shape, value = layer.power_param, self.shapes[x[0]], x[0]
        steps = [(op, number) for op, number, idle in (("Mul", p.scale, 1), ("Add", p.shift, 0)) if number != idle]
        steps.append(("Pow", p.power))
        for place, (op, number) in enumerate(steps, 1):
            name = y[0] if place == len(steps) else f"{y[0]}/{op}"
            value = self.add(op, [value, self.constant(f"{name}/number", number)], name, shape)

    def lrn(self, layer, x, y):
        p, shape = layer.lrn_param, self.image(layer, x[0])
        if p.local_size % 2 == 0:
            raise self.refused(layer, f"over {p.local_size}, which has no middle")
        if p.norm_region == 0:
            how = {"size": p.local_size, "alpha": p.alpha, "beta": p.beta, "bias": p.k}
            self.add("LRN", x, y[0], shape, **how)
            return
        window = {"kernel_shape": [p.local_size] * 2, "pads": [p.local_size // 2] * 4, "count_include_pad": 1}
        squares = self.add("Mul", [x[0], x[0]], f"{y[0]}/squares", shape)
        averages = self.add("AveragePool", [squares], f"{y[0]}/averages", shape, **window)
        value = averages
        for op, number in (("Mul", p.alpha), ("Add", 1), ("Pow", p.beta)):
            value = self.add(op, [value, self.constant(f"{y[0]}/{op}/number", number)], f"{y[0]}/{op}", shape)
        self.add("Div", [x[0], value], y[0], shape)

    def concat(self, layer, x, y):
        p = layer.concat_param
        axis = self.axis(layer, p.concat_dim if p.HasField("concat_dim") else p.axis, x[0])
        shapes = [self.shapes[value] for value in x]
        if len({(*shape[: axis - 1], *shape[axis:], len(shape)) for shape in shapes}) > 1:
            raise self.refused(layer, f"along axis {axis} of {' and '.join(map(str, shapes))}")
        shape = list(shapes[0])
        shape[axis - 1] = sum(each[axis - 1] for each in shapes)
        self.add("Concat", x, y[0], tuple(shape), axis=axis)

    def eltwise(self, layer, x, y):
        p, shape = layer.eltwise_param, self.alike(layer, x)
        op = {0: "Mul", 1: "Add", 2: "Max"}[p.operation]
        factors = list(p.coeff) or [1.0] * len(x)
        if len(factors) != len(x) or (op != "Add" and p.coeff):
            raise self.refused(layer, f"{len(p.coeff)} coefficients for {len(x)} blobs; sums have one for each")
        terms = []
        for place, (value, factor) in enumerate(zip(x, factors)):
            name = f"{y[0]}/{place}"
            number = [] if factor == 1 else [self.constant(f"{name}/number", factor)]
            terms.append(self.add("Mul", [value, *number], name, shape) if number else value)
        total = terms[0]
        for place, term in enumerate(terms[1:], 1):
            name = y[0] if place == len(terms) - 1 else f"{y[0]}/{op}{place}"
            total = self.add(op, [total, term], name, shape)
        if len(terms) == 1:
            self.add("Identity", terms, y[0], shape)

    def flatten(self, layer, x, y):
        p, shape = layer.flatten_param, self.shapes[x[0]]
        first, last = (self.axis(layer, axis, x[0]) for axis in (p.axis, p.end_axis))
        merged = math.prod(shape[first - 1 : last])
        self.reshape(x[0], y[0], (*shape[: first - 1], merged, *shape[last:]))

    def to_shape(self, layer, x, y):
        """Reshape: 0 leaves a size as it is, -1 is what remains, and the axes outside of a range stay."""
        p, whole = layer.reshape_param, (1, *self.shapes[x[0]])  # as of a batch of one image
        start = p.axis if p.axis >= 0 else len(whole) + 1 + p.axis
        stop = len(whole) if p.num_axes < 0 else start + p.num_axes
        asked, replaced = list(p.shape.dim), whole[start:stop]
        batch = 1 if start == 0 else None
        if batch and asked[:1] not in ([0], [-1]):
            raise self.refused(layer, f"to {asked}: its first size is not that of the batch")
        if batch:
            asked[0] = 1
        if asked.count(-1) > 1 or any(size == 0 and place >= len(replaced) for place, size in enumerate(asked)):
            raise self.refused(layer, f"to {asked} in place of {replaced}")
        sizes = [replaced[place] if size == 0 else size for place, size in enumerate(asked)]
        known = math.prod(size for size in sizes if size != -1)
        sizes = [math.prod(replaced) // known if size == -1 else size for size in sizes]
        if math.prod(sizes) != math.prod(replaced) or min(sizes, default=1) < 1:
            raise self.refused(layer, f"to {asked} in place of {replaced}")
        self.reshape(x[0], y[0], (*whole[:start], *sizes, *whole[stop:])[1:])

    def slice(self, layer, x, y):
        import onnx

        p, shape = layer.slice_param, self.shapes[x[0]]
        axis = self.axis(layer, p.slice_dim if p.HasField("slice_dim") else p.axis, x[0])
        size = shape[axis - 1]
        points = list(p.slice_point) or [size * part // len(y) for part in range(1, len(y))]
        sizes = [end - start for start, end in zip([0, *points], [*points, size])]
        if len(sizes) != len(y) or min(sizes) < 1 or (not p.slice_point and size % len(y)):
            raise self.refused(layer, f"of {size} at {points or 'no place'} into {len(y)}")
        parts = self.constant(f"{y[0]}/parts", sizes, np.int64)
        self.nodes.append(onnx.helper.make_node("Split", [x[0], parts], y, name=y[0], axis=axis))
        for name, part in zip(y, sizes):
            self.shapes[name] = (*shape[: axis - 1], part, *shape[axis:])

    def permute(self, layer, x, y):
        shape = (1, *self.shapes[x[0]])
        order = list(layer.permute_param.order)
        order += [axis for axis in range(len(shape)) if axis not in order]
        if sorted(order) != list(range(len(shape))) or order[0]:
            raise self.refused(layer, f"in the order {order}; the batch stays first")
        self.add("Transpose", x, y[0], tuple(shape[axis] for axis in order)[1:], perm=order)

    def shuffle(self, layer, x, y):
        """Channels of groups one from each in turn."""
        channels, *rest = self.image(layer, x[0])
        groups = layer.shuffle_channel_param.group
        if not groups or channels % groups:
            raise self.refused(layer, f"{channels} channels in {groups} groups")
        parted, turned = (groups, channels // groups, *rest), (channels // groups, groups, *rest)
        value = self.reshape(x[0], f"{y[0]}/parted", parted)
        value = self.add("Transpose", [value], f"{y[0]}/turned", turned, perm=[0, 2, 1, 3, 4])
        self.reshape(value, y[0], (channels, *rest))

    def softmax(self, layer, x, y):
        axis = self.axis(layer, layer.softmax_param.axis, x[0])
        self.add("Softmax", x, y[0], self.shapes[x[0]], axis=axis)


def _plain(op: str, **attributes: str):
    """A layer that is one operator; an attribute is that of the layer's parameters, `PARAMETERS.NAME`."""

    def taken(builder: Builder, layer: Any, x: list[str], y: list[str]) -> None:
        values = {}
        for name, place in attributes.items():
            parameters, _, field = place.partition(".")
            values[name] = getattr(getattr(layer, parameters), field)
        builder.add(op, x, y[0], builder.shapes[x[0]], **values)

    return taken


LAYERS = {
    "AbsVal": _plain("Abs"),
    "BatchNorm": Builder.batch_norm,
    "Concat": Builder.concat,
    "Convolution": Builder.convolution,
    "Dropout": Builder.same,
    "ELU": _plain("Elu", alpha="elu_param.alpha"),
    "Eltwise": Builder.eltwise,
    "Flatten": Builder.flatten,
    "InnerProduct": Builder.inner_product,
    "LRN": Builder.lrn,
    "PReLU": Builder.prelu,
    "Permute": Builder.permute,
    "Pooling": Builder.pooling,
    "Power": Builder.power,
    "ReLU": Builder.relu,
    "ReLU6": Builder.relu6,
    "Reshape": Builder.to_shape,
    "Scale": Builder.scale,
    "ShuffleChannel": Builder.shuffle,
    "Sigmoid": _plain("Sigmoid"),
    "Slice": Builder.slice,
    "Softmax": Builder.softmax,
    "Split": Builder.same,
    "TanH": _plain("Tanh"),
}
"""What each type of layer is."""
