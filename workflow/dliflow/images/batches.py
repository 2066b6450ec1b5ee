"""Images in batches of one size."""

from __future__ import annotations

import numpy as np


def parts(batch: np.ndarray, size: int) -> list[np.ndarray]:
    """A batch in parts of exactly `size`, for a model that takes no other; copies of the last image fill the last."""
    missing = -len(batch) % size
    whole = np.concatenate([batch, np.repeat(batch[-1:], missing, axis=0)])
    return [np.ascontiguousarray(part) for part in np.split(whole, len(whole) // size)]
