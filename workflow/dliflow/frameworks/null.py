"""A framework that computes nothing: it tests the workflow and shows the harness's own overhead."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dliflow.files import read_json
from dliflow.frameworks import Option, take_options

CLASSES_FILE = "classes.json"
THREADS = Option(int, None, "means nothing here: nothing is computed", minimum=1)
OPTIONS: dict[str, Option] = {}


def version() -> str:
    """The version of the only thing it uses."""
    return np.__version__


def supports(precision, device):
    """FP32 on a CPU, so that a study has something to skip too."""
    if device != "cpu":
        return "null runs on the CPU only"
    return None if precision == "fp32" else "null has no weights to hold in another precision"


class Null:
    """Returns the same zeros for each request."""

    threads = 1

    def __init__(self, batch_size: int, scores: int):
        self.scores = np.zeros((batch_size, scores), np.float32)

    def predict(self, batch):
        """The zeros that were made when the model was loaded."""
        return self.scores


def load(model: Path, *, precision, variant, device, batch_size, threads, options):
    """A session that does nothing."""
    take_options("null", options)
    return Null(batch_size, read_json(model / CLASSES_FILE))
