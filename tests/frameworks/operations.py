"""The plain operations of `dliflow.interchange.graph`, each in a small network, and what they are in numpy.

The case is a network's name; one step converts it in one environment, and one compares it in another (cases.py).
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from cases import each

from dliflow import conversion, frameworks
from dliflow.errors import Skip
from dliflow.interchange import graph
from dliflow.interchange.graph import Graph, Node

BATCHES = (1, 2, 5)
TOLERANCE = 1e-4  # of the largest score


def sizes(shape, batch):
    """A shape of the list at a batch size."""
    return tuple(-size * batch if size < 0 else size for size in shape)


def conv(x, weight, bias=0.0, *, strides, dilations, pads, group):
    """Neither dilated nor padded unevenly."""
    x = np.pad(x, [(0, 0), (0, 0), *pads])
    windows = np.lib.stride_tricks.sliding_window_view(x, weight.shape[2:], (2, 3))
    windows = windows[:, :, :: strides[0], :: strides[1]]
    n, c, *rest = windows.shape
    windows = windows.reshape(n, group, c // group, *rest)
    weight = weight.reshape(group, -1, *weight.shape[1:])
    scores = np.einsum("ngchwij,gocij->ngohw", windows, weight)
    return scores.reshape(n, -1, *scores.shape[3:]) + np.reshape(bias, (-1, 1, 1))


def max_pool(x, *, kernel, strides, dilations, pads):
    """Of each window, every number at the dilations."""
    x = np.pad(x, [(0, 0), (0, 0), *pads], constant_values=-np.inf)
    spans = tuple((k - 1) * d + 1 for k, d in zip(kernel, dilations))
    windows = np.lib.stride_tricks.sliding_window_view(x, spans, (2, 3))
    return windows[:, :, :: strides[0], :: strides[1], :: dilations[0], :: dilations[1]].max((-2, -1))


def average_pool(x, *, kernel, strides, pads):
    """Zeros of the padding count."""
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(x, [(0, 0), (0, 0), *pads]), kernel, (2, 3))
    return windows[:, :, :: strides[0], :: strides[1]].mean((-2, -1))


def normal(x, axes, epsilon):
    """Mean zero and variance one."""
    return (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + epsilon)


def layer_norm(x, scale, bias, *, axes, epsilon):
    """Over the last axes."""
    return normal(x, axes, epsilon) * scale + bias


def instance_norm(x, scale, bias, *, epsilon):
    """Over all axes but the first two."""
    axes = tuple(range(2, x.ndim))
    scale, bias = (value.reshape(-1, *(1 for _ in axes)) for value in (scale, bias))
    return normal(x, axes, epsilon) * scale + bias


def erf(x):
    """The error function of each number."""
    return np.vectorize(math.erf)(x)


def gelu(x, *, approximate):
    """As PyTorch defines both."""
    if approximate == "tanh":
        return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    return 0.5 * x * (1 + erf(x / math.sqrt(2)))


def resize(x, *, size, mode, coordinates):
    """Along the two last axes."""
    for axis, new in zip((2, 3), size):
        old, places = x.shape[axis], np.arange(new)
        if coordinates == "half_pixel":
            places = (places + 0.5) * old / new - 0.5
        else:
            places = places * ((old - 1) / (new - 1) if coordinates == "align_corners" else old / new)
        places = np.clip(places if mode == "linear" else np.floor(places), 0, old - 1)
        low = np.floor(places).astype(int)
        share = np.expand_dims(places - low, tuple(range(1, x.ndim - axis)))
        x = np.take(x, low, axis) * (1 - share) + np.take(x, np.minimum(low + 1, old - 1), axis) * share
    return x


def softmax(x, *, axis):
    """Over one axis."""
    exponents = np.exp(x - x.max(axis, keepdims=True))
    return exponents / exponents.sum(axis, keepdims=True)


def reduce(function):
    """One of numpy's, over axes."""
    return lambda x, *, axes, keepdims: function(x, axis=tuple(axes), keepdims=keepdims)


REFERENCE = {
    "Abs": np.abs,
    "Add": np.add,
    "AveragePool": average_pool,
    "Clip": lambda x, *, low, high: np.clip(x, low, high),
    "Concat": lambda *values, axis: np.concatenate(values, axis),
    "Conv": conv,
    "Dense": lambda x, weight, bias=0.0: x @ weight.T + bias,
    "Div": np.divide,
    "Elu": lambda x, *, alpha: np.where(x > 0, x, alpha * np.expm1(x)),
    "Erf": erf,
    "Exp": np.exp,
    "Gather": lambda x, *, axis, indices: np.take(x, indices, axis),
    "Gelu": gelu,
    "HardSwish": lambda x: x * np.clip(x + 3, 0, 6) / 6,
    "InstanceNorm": instance_norm,
    "LayerNorm": layer_norm,
    "Log": np.log,
    "MatMul": np.matmul,
    "Max": np.maximum,
    "MaxPool": max_pool,
    "Min": np.minimum,
    "Mul": np.multiply,
    "Neg": np.negative,
    "Pad": lambda x, *, pads, value, mode: np.pad(
        x, pads, mode, **({"constant_values": value} if mode == "constant" else {})
    ),
    "Pow": np.power,
    "Reciprocal": np.reciprocal,
    "ReduceMax": reduce(np.max),
    "ReduceMean": reduce(np.mean),
    "ReduceSum": reduce(np.sum),
    "Relu": lambda x: np.maximum(x, 0),
    "Resize": resize,
    "Sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "Slice": lambda x, *, axis, start, stop, step: x[(slice(None),) * axis + (slice(start, stop, step),)],
    "Softmax": softmax,
    "Softplus": lambda x: np.logaddexp(x, 0),
    "Sqrt": np.sqrt,
    "Sub": np.subtract,
    "Tanh": np.tanh,
    "Transpose": lambda x, *, axes: np.transpose(x, axes),
}


def random(*shape):
    """The same numbers for the same shape."""
    return np.random.default_rng(0).normal(0, 0.5, shape).astype(np.float32)


def evaluate(network: Graph, x: np.ndarray) -> dict[str, np.ndarray]:
    """All values of a graph."""
    values = {**network.constants, network.input: x}
    for node in network.nodes:
        operands = [values[name] for name in node.inputs]
        if node.op in ("Reshape", "Broadcast"):
            run = np.reshape if node.op == "Reshape" else np.broadcast_to
            values[node.output] = run(*operands, sizes(node.attributes["shape"], len(x)))
        else:
            values[node.output] = REFERENCE[node.op](*operands, **node.attributes)
    return values


def network(shape, *steps) -> Graph:
    """A graph of steps, the last of which gives (batch, scores) by being flattened.

    Args:
        shape: of the input, without the batch.
        steps: (operation, attributes, operand, ...); an operand is an array, the number of an earlier step, or "x".
            Without operands, or with arrays alone, the first one is what the step before gave.
    """
    given = Graph("x", "scores", [], {}, {"x": (-1, *shape)})
    last = "x"
    for number, (op, attributes, *operands) in enumerate(steps):
        names = []
        for place, operand in enumerate(operands):
            names.append(f"c{number}_{place}" if isinstance(operand, np.ndarray) else str(operand))
            if isinstance(operand, np.ndarray):
                given.constants[names[-1]] = operand.astype(np.float32)
        if all(name in given.constants for name in names) and op != "Broadcast":
            names.insert(0, last)
        given.nodes.append(Node(op, names or [last], last := str(number), attributes))
    few, more = (evaluate(given, np.zeros((batch, *shape), np.float32)) for batch in (7, 11))
    for name in [node.output for node in given.nodes]:
        both = zip(few[name].shape, more[name].shape)
        given.shapes[name] = tuple(a if a == b else -(a // 7) for a, b in both)
    scores = int(np.prod(few[last].shape)) // 7
    given.shapes["scores"] = (-1, scores)
    given.nodes.append(Node("Reshape", [last], "scores", {"shape": (-1, scores)}))
    return given


IMAGE, TOKENS = (4, 6, 6), (10, 8)  # channels, height, width; tokens, channels
CONV = ("Conv", {"strides": (1, 1), "dilations": (1, 1), "pads": ((1, 1), (1, 1)), "group": 1}, random(4, 4, 3, 3))
IN_GROUPS = ("Conv", {"strides": (1, 1), "dilations": (1, 1), "pads": ((0, 0), (0, 0)), "group": 2}, random(4, 4, 3, 3))
STRIDED = ("MaxPool", {"kernel": (1, 1), "strides": (2, 2), "dilations": (1, 1), "pads": ((0, 0), (0, 0))})
POSITIVE = ("Exp", {})


def linear(cin, cout):
    """A dense layer."""
    return ("Dense", {}, random(cout, cin), random(cout))


def norm(*shape):
    """A LayerNorm over the last axes, of a value of three axes or four."""
    rank = 3 if shape == (8,) else 4
    axes = tuple(range(rank - len(shape), rank))
    return ("LayerNorm", {"axes": axes, "epsilon": 1e-6}, 1 + random(*shape), random(*shape))


def attention():
    """Self-attention of two heads, its tokens from a patch embedding, with a class token in front."""
    embed = ("Conv", {"strides": (2, 2), "dilations": (1, 1), "pads": ((0, 0), (0, 0)), "group": 1}, random(8, 4, 2, 2))
    heads = ("Reshape", {"shape": (-1, 10, 3, 2, 4)})
    return network(
        IMAGE,
        embed,
        ("Reshape", {"shape": (-1, 8, 9)}),
        ("Transpose", {"axes": (0, 2, 1)}),
        ("Broadcast", {"shape": (-1, 1, 8)}, random(1, 1, 8)),
        ("Concat", {"axis": 1}, 3, 2),
        ("Add", {}, random(1, 10, 8)),
        norm(8),
        linear(8, 24),
        heads,
        ("Transpose", {"axes": (2, 0, 3, 1, 4)}),
        *(
            step
            for part in range(3)
            for step in (
                ("Slice", {"axis": 0, "start": part, "stop": part + 1, "step": 1}, 9),
                ("Reshape", {"shape": (-1, 2, 10, 4)}),
            )
        ),
        ("Transpose", {"axes": (0, 1, 3, 2)}, 13),
        ("MatMul", {}, 11, 16),
        ("Mul", {}, np.array(0.5)),
        ("Softmax", {"axis": 3}),
        ("MatMul", {}, 19, 15),
        ("Transpose", {"axes": (0, 2, 1, 3)}),
        ("Reshape", {"shape": (-1, 10, 8)}),
        linear(8, 8),
        ("Add", {}, 5, 23),
        norm(8),
        linear(8, 16),
        ("Gelu", {"approximate": "none"}),
        linear(16, 8),
        ("Add", {}, 24, 28),
        ("Gather", {"axis": 1, "indices": np.array([0])}),
        ("Reshape", {"shape": (-1, 8)}),
        linear(8, 5),
    )


def windows():
    """Swin's: rolled, cut into windows that go into the batch, and back."""
    return network(
        IMAGE,
        CONV,
        ("Transpose", {"axes": (0, 2, 3, 1)}),
        ("Slice", {"axis": 1, "start": 2, "stop": 6, "step": 1}),
        ("Slice", {"axis": 1, "start": 0, "stop": 2, "step": 1}, 1),
        ("Concat", {"axis": 1}, 2, 3),
        ("Pad", {"pads": ((0, 0), (0, 3), (0, 0), (0, 0)), "value": 0.0, "mode": "constant"}),
        ("Reshape", {"shape": (-1, 3, 3, 2, 3, 4)}),
        ("Transpose", {"axes": (0, 1, 3, 2, 4, 5)}),
        ("Reshape", {"shape": (-6, 9, 4)}),
        ("Transpose", {"axes": (0, 2, 1)}),
        ("MatMul", {}, 8, 9),
        ("Softmax", {"axis": 2}),
        ("MatMul", {}, 11, 8),
        ("Reshape", {"shape": (-1, 3, 2, 3, 3, 4)}),
        ("Transpose", {"axes": (0, 1, 3, 2, 4, 5)}),
        ("Reshape", {"shape": (-1, 9, 6, 4)}),
        ("Transpose", {"axes": (0, 3, 1, 2)}),
        ("ReduceMean", {"axes": (2, 3), "keepdims": False}),
        linear(4, 5),
    )


def convnext():
    """A depthwise convolution, and a permutation around LayerNorm and dense layers."""
    return network(
        IMAGE,
        ("Conv", {"strides": (1, 1), "dilations": (1, 1), "pads": ((1, 1), (1, 1)), "group": 4}, random(4, 1, 3, 3)),
        ("Transpose", {"axes": (0, 2, 3, 1)}),
        norm(4),
        linear(4, 8),
        ("Gelu", {"approximate": "none"}),
        linear(8, 4),
        ("Mul", {}, random(4).reshape(1, 1, 1, 4)),
        ("Transpose", {"axes": (0, 3, 1, 2)}),
        ("Add", {}, 7, "x"),
        CONV,
        ("ReduceMean", {"axes": (2, 3), "keepdims": True}),
        ("Reshape", {"shape": (-1, 4)}),
        linear(4, 5),
    )


def shuffle():
    """ShuffleNet's exchange of channels."""
    groups = ("Reshape", {"shape": (-1, 2, 2, 6, 6)}), ("Transpose", {"axes": (0, 2, 1, 3, 4)})
    return network(IMAGE, CONV, *groups, ("Reshape", {"shape": (-1, 4, 6, 6)}), CONV)


def after(*steps):
    """An image behind a convolution, so that a back end may lay it out as it likes."""
    return network(IMAGE, CONV, *steps)


NETWORKS = {
    "attention": attention(),
    "windows": windows(),
    "convnext": convnext(),
    "shuffle": shuffle(),
    **{
        op.lower(): after((op, {}))
        for op in ("Abs", "Erf", "Exp", "HardSwish", "Neg", "Relu", "Sigmoid", "Softplus", "Tanh")
    },
    **{op.lower(): after(POSITIVE, (op, {})) for op in ("Log", "Sqrt", "Reciprocal")},
    **{
        f"{op.lower()}_scalar": after(POSITIVE, (op, {}, np.array(0.7)))
        for op in ("Add", "Sub", "Mul", "Div", "Pow", "Max", "Min")
    },
    **{
        f"{op.lower()}_constant": after((op, {}, random(1, 4, 1, 6)))
        for op in ("Add", "Sub", "Mul", "Div", "Max", "Min")
    },
    **{
        f"{op.lower()}_value": after(("Transpose", {"axes": (0, 1, 3, 2)}), (op, {}, 0, 1))
        for op in ("Add", "Sub", "Max", "Min")
    },
    **{
        f"add_behind_bias_{kind}": network(IMAGE, (*CONV, random(4)), ("Add", {}, random(*shape)))
        for kind, shape in (("image", (1, 1, 6, 6)), ("rows", (1, 1, 6, 1)), ("columns", (1, 1, 1, 6)))
    },
    "add_behind_bias_of_one_channel": network(
        IMAGE, (*CONV[:2], random(1, 4, 3, 3), random(1)), ("Add", {}, random(1, 4, 1, 1))
    ),
    "square": after(("Pow", {}, np.array(2.0))),
    "constant_first": after(POSITIVE, ("Div", {}, np.array(2.0), 1)),
    "broadcast_value": after(("ReduceMax", {"axes": (2,), "keepdims": True}), ("Sub", {}, 0, 1)),
    "broadcast": after(("ReduceMax", {"axes": (2,), "keepdims": True}), ("Broadcast", {"shape": (-1, 4, 6, 6)}, 1)),
    "clip": after(("Clip", {"low": -0.3, "high": 0.4})),
    "clip_above": after(("Clip", {"low": None, "high": 0.0})),
    "elu": after(("Elu", {"alpha": 1.0})),
    "elu_steep": after(("Elu", {"alpha": 1.5})),
    "gelu_tanh": after(("Gelu", {"approximate": "tanh"})),
    "group_norm": after(
        ("Reshape", {"shape": (-1, 2, 72)}),
        ("InstanceNorm", {"epsilon": 1e-5}, np.ones(2), np.zeros(2)),
        ("Reshape", {"shape": (-1, 4, 6, 6)}),
        ("Mul", {}, random(1, 4, 1, 1)),
    ),
    "instance_norm": after(("InstanceNorm", {"epsilon": 1e-5}, random(4), random(4))),
    "layer_norm_of_images": after(norm(4, 6, 6)),
    "matmul_constant": after(("MatMul", {}, 0, random(1, 1, 6, 5))),
    "matmul_of_five_axes": after(
        ("Reshape", {"shape": (-1, 2, 2, 6, 6)}), ("Transpose", {"axes": (0, 2, 1, 4, 3)}), ("MatMul", {}, 1, 2)
    ),
    "matmul_of_two_axes": network((4,), linear(4, 6), ("MatMul", {}, 0, random(6, 5))),
    "max_pool_strided": after(STRIDED),
    **{
        f"max_pool_{kind}": after(("MaxPool", {"kernel": (3, 3), "strides": s, "dilations": d, "pads": (pads, pads)}))
        for kind, s, d, pads in (
            ("ceil", (2, 2), (1, 1), (1, 2)),
            ("dilated", (1, 1), (2, 3), (3, 2)),
            ("dilated_strided", (2, 2), (2, 2), (2, 2)),
        )
    },
    "means_of_channels": after(
        ("Reshape", {"shape": (-1, 1, 4, 36)}),
        ("AveragePool", {"kernel": (3, 1), "strides": (1, 1), "pads": ((1, 1), (0, 0))}),
        ("Reshape", {"shape": (-1, 4, 6, 6)}),
    ),
    "pad_reflect": after(("Pad", {"pads": ((0, 0), (0, 0), (1, 2), (2, 1)), "value": 0.0, "mode": "reflect"})),
    "pad_channels": after(("Pad", {"pads": ((0, 0), (1, 2), (0, 0), (0, 0)), "value": 0.5, "mode": "constant"})),
    "pad_channels_of_conv": after(
        ("Pad", {"pads": ((0, 0), (2, 2), (1, 1), (1, 1)), "value": 0.0, "mode": "constant"}), IN_GROUPS
    ),
    "pad_tokens": network(
        TOKENS, linear(8, 4), ("Pad", {"pads": ((0, 0), (0, 2), (1, 0)), "value": 0.0, "mode": "constant"})
    ),
    **{
        f"reduce_{op.lower()}": after((f"Reduce{op}", {"axes": (1, 3), "keepdims": keep}))
        for op, keep in (("Max", False), ("Mean", True), ("Sum", False))
    },
    "resize_nearest": after(("Resize", {"size": (12, 9), "mode": "nearest", "coordinates": "asymmetric"})),
    **{
        f"resize_{kind}": after(("Resize", {"size": (9, 12), "mode": "linear", "coordinates": kind}))
        for kind in ("asymmetric", "half_pixel", "align_corners")
    },
    "slice_strided": after(("Slice", {"axis": 2, "start": 1, "stop": 6, "step": 2})),
    "gather_channels": after(("Gather", {"axis": 1, "indices": np.array([3, 0, 0])})),
    "softmax_channels": after(("Softmax", {"axis": 1})),
    "batch_in_the_middle": network(
        TOKENS,
        linear(8, 6),
        ("Reshape", {"shape": (-1, 10, 3, 2)}),
        ("Transpose", {"axes": (2, 0, 1, 3)}),
        ("Slice", {"axis": 0, "start": 1, "stop": 3, "step": 1}),
        ("Transpose", {"axes": (1, 2, 0, 3)}),
    ),
}


def convert(framework: str, name: str, out: str, precision: str = "fp32") -> dict:
    """What the framework's conversion makes of a network; a skip is an outcome."""
    given = NETWORKS[name]
    graph.read = lambda path, framework: given
    calibration = inputs(given, 16)
    try:
        Path(out).mkdir(parents=True)
        conversion.load(framework).convert(Path(out), Path(out), precision, calibration)
    except Skip as skip:
        return {"skip": str(skip)}
    return {}


def inputs(given: Graph, number: int) -> np.ndarray:
    """Images."""
    return np.random.default_rng(1).normal(size=(number, *given.shapes["x"][1:])).astype(np.float32)


def predict(framework: str, name: str, out: str, precision: str = "fp32") -> dict:
    """How far the scores are from numpy's, of the largest score, at the worst batch size."""
    module, worst = frameworks.load(framework), 0.0
    settings = {"device": "cpu", "threads": 1, "options": {}, "precision": precision}
    for variant in frameworks.variants(framework):
        if getattr(module, "unavailable", lambda *_: None)(precision, "cpu", variant):
            continue
        for size in BATCHES:
            session = module.load(Path(out), variant=variant, batch_size=size, **settings)
            images = inputs(NETWORKS[name], size)
            expected = evaluate(NETWORKS[name], images.astype(np.float64))["scores"]
            given = session.predict(images)
            assert given.shape == expected.shape, (given.shape, expected.shape)
            worst = max(worst, float(abs(given - expected).max() / abs(expected).max()))
    return {"distance": worst}


if __name__ == "__main__":
    each(lambda step, **arguments: {"convert": convert, "predict": predict}[step](**arguments))
