"""A fixed piece of multi-threaded work, the same for all: how fast the machine is just now for work like inference."""

from __future__ import annotations

import time

import numpy as np

SIDE = 384  # three matrices of 0.6 MB, which second-level caches hold, as they do a layer's tiles
TIMES = 5

_MATRIX = np.linspace(-1, 1, SIDE * SIDE, dtype=np.float32).reshape(SIDE, SIDE)
_PRODUCT = np.empty_like(_MATRIX)


def burst() -> list[int]:
    """Durations in ns of a few products of two float32 matrices, by this environment's BLAS on all its threads."""
    found = []
    for _ in range(TIMES):
        before = time.perf_counter_ns()
        np.matmul(_MATRIX, _MATRIX, out=_PRODUCT)
        found.append(time.perf_counter_ns() - before)
    return found
