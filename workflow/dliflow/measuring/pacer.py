"""A fixed piece of multi-threaded work, the same for all: how fast is the machine just now for work like inference?

It is the product of two float32 matrices by the BLAS of the orchestrator's environment, on all its threads. A process
of its own, for `compare` and `latency`, since it is to be the same beside every framework, and since BLAS threads spin
for a while after their work and are stopped with their process only.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from dliflow.machine import variables
from dliflow.measuring import workers

NAME = "pacer"
BURST = {"times": 5}
SIDE = 384  # three matrices of 0.6 MB, which second-level caches hold, as they do a layer's tiles


def command(python: str) -> list[str]:
    """How it is started with a Python of the orchestrator's environment, without the variables of the config."""
    return [*_without(variables.asked()), python, "-m", "dliflow", NAME]


def _without(names: list[str]) -> list[str]:
    return ["env", *(f"--unset={name}" for name in names)] if names else []


def serve() -> None:
    """Answer each request, which tells how many `times`, with the durations in ns."""
    matrix = np.linspace(-1, 1, SIDE * SIDE, dtype=np.float32).reshape(SIDE, SIDE)
    product = np.empty_like(matrix)

    def burst(request: dict[str, Any]) -> dict[str, Any]:
        durations = []
        for _ in range(request["times"]):
            before = time.perf_counter_ns()
            np.matmul(matrix, matrix, out=product)
            durations.append(time.perf_counter_ns() - before)
        return {"latency_ns": durations}

    answers = workers.answers()
    burst(BURST)  # the first one starts the threads
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    workers.serve(answers, {"numpy": np.__version__, "blas": f"{blas['name']} {blas['version']}"}, burst)
