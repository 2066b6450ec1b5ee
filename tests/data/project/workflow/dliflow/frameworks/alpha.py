"""A linear classifier in numpy, which can be told to break in every way that a framework breaks."""

from __future__ import annotations

import ctypes
import os
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np

from dliflow.errors import Skip
from dliflow.frameworks import Option, take_options

NAME = __name__.rpartition(".")[2]
WEIGHTS = "weights.npy"
THREADS = Option(int, None, "means nothing here: it has one", minimum=1)
OPTIONS = {
    "fault": Option(str, "", "how it fails, and under which conditions: `segv at 2 of sweep`"),
    "skip": Option(str, "", "the reason of a skip"),
    "nap": Option(float, 0.0, "seconds that each request sleeps"),
}


def version():
    """numpy's."""
    return np.__version__


def supports(precision, device):
    """FP32, FP16 weights, and weights rounded to INT8, on a CPU."""
    if device != "cpu":
        return f"{NAME} runs on the CPU only"
    return None if precision in ("fp32", "fp16", "int8") else f"{NAME} has no {precision}"


class Linear:
    """Mean colour times weights."""

    threads = 1

    def __init__(self, weights, fault, nap):
        self.weights = weights
        self.fault = fault
        self.nap = nap

    def predict(self, batch):
        """One request, or one of the ways to fail."""
        scores = (batch.mean(axis=(2, 3)) @ self.weights).astype(np.float32)
        if self.nap:
            time.sleep(self.nap)
        if self.fault == "segv":
            ctypes.string_at(0)
        elif self.fault == "hang":
            time.sleep(600)
        elif self.fault == "slow":
            time.sleep(1)
        elif self.fault == "nan":
            scores[0, 0] = np.nan
        elif self.fault == "shape":
            scores = scores[:, :-1]
        elif self.fault == "error":
            raise ValueError("this framework fails")
        elif self.fault == "wrong":
            scores = scores + 1
        elif self.fault == "reversed":
            scores = np.ascontiguousarray(scores[:, ::-1])
        return scores


opened = Counter()  # how often a model was, by batch size


def stage():
    """The stage that this process serves."""
    words = sys.argv if "worker" not in sys.argv else Path(f"/proc/{os.getppid()}/cmdline").read_text().split("\0")
    return words[words.index("-m") + 2] if "-m" in words else words[1]


def fault(asked, precision, batch_size):
    """How a session is to fail; "" for not at all. DLIFLOW_TEST_FAULT names a framework, too: `beta nan at 2`.

    Conditions: `at` a batch size, `in` a precision, `of` a stage, `opening` it for the so-many-th time.
    """
    name, _, wanted = os.environ.get("DLIFLOW_TEST_FAULT", "").partition(" ")
    what, *conditions = (wanted if name == NAME else asked).split() or [""]
    seen = {"at": batch_size, "in": precision, "of": stage(), "opening": opened[batch_size]}
    return what if all(str(seen[key]) == value for key, value in zip(conditions[::2], conditions[1::2])) else ""


def load(model, *, precision, variant, device, batch_size, threads, options):
    """Load, break, or skip, as the options say."""
    options = take_options(NAME, options)
    opened[batch_size] += 1
    if options["skip"]:
        raise Skip(options["skip"])
    return Linear(
        np.load(model / WEIGHTS).astype(np.float32), fault(options["fault"], precision, batch_size), options["nap"]
    )
