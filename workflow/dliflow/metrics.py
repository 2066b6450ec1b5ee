"""Quality and agreement of scores."""

from __future__ import annotations

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
    for row, bound, found in zip(scores, least, top):
        candidates = np.flatnonzero(row >= bound)
        found[:] = candidates[np.argsort(-row[candidates], kind="stable")[:k]]
    return top


def compare(scores: np.ndarray, reference: np.ndarray) -> dict[str, float]:
    """How far scores are from the reference's, both (n, classes).

    The relative difference is the largest absolute one over the reference's largest magnitude.
    """
    difference = float(np.abs(scores.astype(np.float64) - reference).max())
    scale = float(np.abs(reference).max())
    return {
        "max_abs_score_diff": difference,
        "max_rel_score_diff": difference / scale if scale else float(difference > 0),
        "agreement": float((scores.argmax(1) == reference.argmax(1)).mean()),
    }
