"""Weights of a linear classifier in a .npz file."""

from __future__ import annotations

import shutil

import numpy as np

FRAMEWORK = "alpha"
LAYOUT = "NCHW"


def load(path, source):
    """The file and its weights."""
    with np.load(path) as archive:
        return path, archive["weights"]


def predict(network, batch):
    """Mean colour times weights."""
    return (batch.mean(axis=(2, 3)) @ network[1]).astype(np.float32)


def export(network, shape, out):
    """Hand the file on."""
    shutil.copyfile(network[0], out / "model.npz")
    return network[1].shape[1]
