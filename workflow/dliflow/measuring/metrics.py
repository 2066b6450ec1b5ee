"""Quality and agreement of scores."""

from __future__ import annotations

from typing import Optional

import numpy as np

from dliflow.errors import DliflowError


def check_scores(scores: np.ndarray, batch_size: int, classes: int) -> None:
    """Refuse what is no set of scores: the wrong shape, NaN or infinity.

    Raises:
        DliflowError: with what was expected and what was found.
    """
    if np.shape(scores) != (batch_size, classes):
        raise DliflowError(f"the scores have shape {np.shape(scores)}; expected {(batch_size, classes)}")
    bad = int(np.size(scores) - np.isfinite(scores).sum())
    if bad:
        raise DliflowError(f"{bad} of {np.size(scores)} scores are NaN or infinite")


def top_k(scores: np.ndarray, k: int) -> np.ndarray:
    """Classes of the `k` highest scores, best first; equal scores in class order. (n, classes) -> (n, k) int."""
    # The classes that can be among them are few, so that only these need to be sorted.
    least = np.partition(scores, -k, axis=1)[:, -k]
    top = np.empty((len(scores), k), np.int64)
    for row, bound, chosen in zip(scores, least, top):
        candidates = np.flatnonzero(row >= bound)
        chosen[:] = candidates[np.argsort(-row[candidates], kind="stable")[:k]]
    return top


def compare(scores: np.ndarray, reference: np.ndarray) -> dict[str, float]:
    """How far scores are from the reference's, both (n, classes).

    The relative difference is the largest absolute one over the reference's largest magnitude. The distance is the root
    of the mean squared difference over the standard deviation of the reference's scores: 0 for the same scores, 1 for
    those of a network that always gives the reference's mean, and about 1.4 for scores that have nothing to do with it.
    """
    differences = scores.astype(np.float64) - reference
    largest = float(np.abs(differences).max())
    scale, spread = float(np.abs(reference).max()), float(np.std(reference, dtype=np.float64))
    return {
        "max_abs_score_diff": largest,
        "max_rel_score_diff": largest / scale if scale else float(largest > 0),
        "score_distance": float(np.sqrt(np.mean(differences**2))) / spread if spread else float(largest > 0),
        "agreement": float((scores.argmax(1) == reference.argmax(1)).mean()),
    }


def beyond(distances: dict[str, float], bounds: dict[str, Optional[float]]) -> list[str]:
    """Names of the bounds that what `compare` found does not keep.

    Args:
        bounds: the largest `tolerance` (of `max_rel_score_diff`), the largest `distance` and the smallest `agreement`;
            None for no bound.
    """
    excess = {
        "tolerance": lambda bound: distances["max_rel_score_diff"] > bound,
        "distance": lambda bound: distances["score_distance"] > bound,
        "agreement": lambda bound: distances["agreement"] < bound,
    }
    # in this order, whatever the order of `bounds`, which is no part of what was asked for
    return [name for name, exceeds in excess.items() if bounds[name] is not None and exceeds(bounds[name])]
