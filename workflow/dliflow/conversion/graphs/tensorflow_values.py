"""Values of the interchange graph as TensorFlow's tensors, whose axes may lie in another order than the graph's.

The kernels for images want NHWC, all else has no such wish. So each value carries the order of its axes: a Transpose
changes the order alone, and only who needs another order moves the numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Value:
    """A tensor, or a constant as an array.

    Attributes:
        order: the graph's axis that lies at each axis of the tensor; (0, 2, 3, 1) is NHWC for a graph in NCHW.
    """

    tensor: Any
    order: tuple[int, ...]

    def place(self, axis: int) -> int:
        """Where an axis of the graph lies."""
        return self.order.index(axis)

    def lying(self, tf, order: tuple[int, ...]):
        """The tensor with its axes in this order; a scalar fits any."""
        if order == self.order or not self.order:
            return self.tensor
        axes = [self.place(axis) for axis in order]
        if isinstance(self.tensor, np.ndarray):
            return self.tensor.transpose(axes)
        sizes = [self.tensor.shape[axis] for axis in axes]
        moving = [axis for axis, size in zip(axes, sizes) if size != 1]
        if moving == sorted(moving):  # no number moves where only axes of one place do
            return tf.reshape(self.tensor, [-1 if size is None else size for size in sizes])
        return tf.transpose(self.tensor, axes)


def natural(rank: int) -> tuple[int, ...]:
    """The graph's own order."""
    return tuple(range(rank))


def aligned(tf, values) -> tuple[list, tuple[int, ...]]:
    """The tensors of values in one order, and that order: the largest value's, so that the smaller ones move."""
    order = max((value for value in values if not isinstance(value.tensor, np.ndarray)), key=_size).order
    return [value.lying(tf, order) for value in values], order


def _size(value: Value) -> int:
    """How many numbers a tensor has for each image."""
    return int(np.prod([size for size in value.tensor.shape if size is not None]))


def reshaped(tf, x: Value, before: tuple[int, ...], after: tuple[int, ...]) -> Value:
    """Another shape. Axes that go into different ones keep the order in which they lie.

    Args:
        before: the shape of `x` in the graph; the axis of the batch is negative.
        after: the new shape, likewise.
    """
    runs = [run for run in _runs(before, after) if run[0]]
    runs.sort(key=lambda run: max(map(x.place, run[0])))
    tensor = x.lying(tf, tuple(axis for taken, _ in runs for axis in taken))
    order = tuple(axis for _, given in runs for axis in given)
    return Value(tf.reshape(tensor, [max(after[axis], -1) for axis in order]), order)


def _runs(before: tuple[int, ...], after: tuple[int, ...]) -> list[tuple[list[int], list[int]]]:
    """The shortest runs of axes of two shapes that hold the same numbers: [(axes before, axes after), ...].

    Sizes are multiplied with their sign, so that the batch stays in one run.
    """
    runs, i, j = [], 0, 0
    while i < len(before) and j < len(after):
        taken, given = [i], [j]
        left, right = before[i], after[j]
        while left != right:
            if (abs(left), -left) < (abs(right), -right):  # of two equal ones, the one without the batch goes on
                taken.append(taken[-1] + 1)
                left *= before[taken[-1]]
            else:
                given.append(given[-1] + 1)
                right *= after[given[-1]]
        runs.append((taken, given))
        i, j = taken[-1] + 1, given[-1] + 1
    runs[-1][0].extend(range(i, len(before)))  # axes of one place
    runs[-1][1].extend(range(j, len(after)))
    return runs
