"""The interchange graph as a short list of plain operations, for frameworks that cannot read ONNX.

What `interchange` promises is taken as given. All that needs shapes is settled by `reader`: padding is what is really
read, average pooling has one divisor, linear layers have their weights as (out, in), and Flatten, Squeeze and Reshape
are one operation. Axes are those of the ONNX graph, NCHW for images, counted from 0, the batch among them. What
remains:

| operation                                    | attributes                                                      |
|----------------------------------------------|-----------------------------------------------------------------|
| Conv (x, weight[, bias])                     | strides, dilations, pads ((top, bottom), (left, right)), group  |
| MaxPool                                      | kernel, strides, dilations, pads                                |
| AveragePool                                  | kernel, strides, pads; zeros of the padding count               |
| Dense (x, weight[, bias])                    | none; over the last of two or more axes                         |
| MatMul (a, b)                                | none; of equal rank, other axes than the last two equal or 1    |
| Add, Sub, Mul, Div, Pow, Max, Min (a, b)     | none; of equal rank, sizes equal or 1; a constant may have none |
| LayerNorm (x, scale, bias)                   | axes, the last ones, which scale and bias have; epsilon         |
| InstanceNorm (x, scale, bias)                | epsilon; x is (N, C, ...), scale and bias are (C,)              |
| ReduceMean, ReduceSum, ReduceMax             | axes, keepdims                                                  |
| Gelu                                         | approximate, "none" or "tanh"                                   |
| Clip                                         | low, high; None where open                                      |
| HardSigmoid, LeakyRelu, Elu                  | alpha and beta, alpha, alpha                                    |
| Abs, Erf, Exp, Log, Neg, Reciprocal, Sqrt    | none                                                            |
| HardSwish, Relu, Sigmoid, Softplus, Tanh     | none                                                            |
| Concat, Softmax                              | axis; operands of Concat may be constants                       |
| Slice                                        | axis; start, stop, step, above 0 and within the size            |
| Gather                                       | axis; indices, int64 of one axis, from 0                        |
| Resize, NCHW                                 | size (height, width), mode, coordinates                         |
| Broadcast, a value or a constant             | shape                                                           |
| Pad                                          | pads, one (before, after) for each axis; value; mode            |
| Reshape                                      | shape                                                           |
| Transpose                                    | axes                                                            |

Modes of Resize are "nearest", with "asymmetric" coordinates, and "linear", with those or "half_pixel" or
"align_corners". Modes of Pad are "constant" and "reflect".

A shape is whole. An axis that carries the batch is a negative number: -1 is the batch, -64 is 64 times the batch. One
axis of a value carries it, not always the first.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional

import numpy as np


@dataclass
class Node:
    """One operation; `inputs` name earlier outputs, the graph's input or its constants."""

    op: str
    inputs: list[str]
    output: str
    attributes: dict[str, Any] = field(default_factory=dict)


@dataclass
class Graph:
    """A classifier with one input and one output."""

    input: str
    output: str
    nodes: list[Node]
    constants: dict[str, np.ndarray]
    """All float32."""
    shapes: dict[str, tuple[int, ...]]
    """Whole shapes of the values that are not constant."""


def read(path: Path, framework: str) -> Graph:
    """Read an ONNX file.

    Raises `Skip`, in the framework's name, for an operator or a use of it that is not taken.
    """
    import onnx

    from dliflow.interchange import functions, inference, opset17, reader  # the last one imports this module

    model = onnx.load(str(path))
    if onnx.defs.onnx_opset_version() < inference.OPSET:  # as TensorFlow 2.9 needs it
        return reader.Reader(model, opset17.shapes(model, framework), framework).graph()
    spelled = functions.written_out(model, reader.MADE_OF_OTHERS.__contains__)
    if spelled is not model:
        inference.fold(spelled.graph)
    return reader.Reader(spelled, inference.whole(spelled), framework).graph()


def symmetric(before, after, kernel, strides, dilations, pads) -> Optional[tuple[int, ...]]:
    """The padding of a window for frameworks that take one number for both ends; None if that gives another size.

    Args:
        before: height and width of the input.
        after: those of the output.
        kernel, strides, dilations, pads: as in the table of operations.
    """
    for size, wanted, k, s, d, (begin, _) in zip(before, after, kernel, strides, dilations, pads):
        if (size + 2 * begin - (k - 1) * d - 1) // s + 1 != wanted:
            return None
    return tuple(begin for begin, _ in pads)
