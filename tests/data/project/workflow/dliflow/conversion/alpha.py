"""The weights of a linear classifier, in each precision; it can be told to break."""

from __future__ import annotations

import os

import numpy as np
from dliflow.frameworks.alpha import WEIGHTS

NAME = __name__.rpartition(".")[2]


def convert(source, out, precision, calibration):
    """Keep the weights, in half precision for fp16, as multiples of 1/127 of the largest for int8."""
    with np.load(source / "model.npz") as archive:
        weights = archive["weights"]
    if precision == "int8":
        step = np.abs(weights).max() / 127
        weights = (weights / step).round() * step
    np.save(out / WEIGHTS, weights.astype("f2" if precision == "fp16" else "f4"))
    if os.environ.get("DLIFLOW_TEST_CONVERT") == NAME:
        raise RuntimeError("the converter does not like this graph")
