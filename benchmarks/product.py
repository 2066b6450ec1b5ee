"""A worker for benchmarks/anchor.py, in the anchor's environment: in place of a network a product of two matrices."""

from __future__ import annotations

from typing import Any

import numpy as np

from dliflow.measuring import anchor, measure, workers

SIDE = 384


def start() -> tuple[dict[str, Any], workers.Answer]:
    """Make the matrices, and what answers with the durations of a burst, ns."""
    first, second = np.random.RandomState(anchor.SEED).rand(2, SIDE, SIDE).astype(np.float32)

    def burst(bounds: dict[str, Any]) -> dict[str, Any]:
        first @ second  # others have emptied the caches
        samples = measure.run(lambda matrix: matrix @ second, [first], **bounds)
        return {"latency_ns": samples.latency_ns}

    for _ in range(3):
        burst(anchor.BURST)
    return {"runtime": f"numpy {np.__version__}"}, burst


workers.serve(workers.answers(), start)
