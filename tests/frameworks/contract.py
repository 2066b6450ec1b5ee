"""Try a framework file against its contract, in the framework's own environment; cases.py tells how it is asked.

A case: `framework`, `variant`, `precision`, `model` (folder), `array` (manifest of pixels), `entry` (the model's input)
and `count` of threads, which is the same for all cases of a process.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
from cases import each

from dliflow import frameworks
from dliflow.errors import DliflowError, Skip
from dliflow.images import inputs

WINDOW_S = 1.0


def thread_seconds() -> dict[str, float]:
    """CPU time of each thread of this process."""
    ticks = os.sysconf("SC_CLK_TCK")
    seconds = {}
    for task in Path("/proc/self/task").iterdir():
        fields = (task / "stat").read_text().rpartition(")")[2].split()
        seconds[task.name] = (int(fields[11]) + int(fields[12])) / ticks
    return seconds


def busy(predict, images) -> tuple[int, float]:
    """How many threads predict, and their CPU time by that of the clock.

    A thread counts as busy from a fifth of what the busiest does; a crowded machine slows all of them alike.
    """
    start, before = time.perf_counter(), thread_seconds()
    while time.perf_counter() - start < WINDOW_S:
        predict(images)
    wall = time.perf_counter() - start
    spent = [seconds - before.get(name, 0) for name, seconds in thread_seconds().items()]
    return sum(seconds > max(spent) / 5 for seconds in spent), sum(spent) / wall


def tried(framework: str, variant: str, precision: str, model: str, array: str, entry: dict, count: int) -> dict:
    """Load at batch 1 and 8, predict, look."""
    module = frameworks.load(framework)
    if hasattr(module, "environment"):
        os.environ.update(module.environment(count, {}))
    reason = module.unavailable(precision, "cpu", variant) if hasattr(module, "unavailable") else None
    if reason is not None:
        return {"skip": reason}
    images = inputs.make(inputs.read(Path(array), slice(8)), entry)
    common = {"precision": precision, "variant": variant, "device": "cpu", "threads": count}

    def load(batch_size, **options):
        return module.load(Path(model), batch_size=batch_size, options=options, **common)

    try:
        one, eight = load(1), load(8)
    except Skip as skip:
        return {"skip": str(skip)}
    before = images.copy()
    single = np.concatenate([np.array(one.predict(images[index : index + 1])) for index in range(8)])
    batch = np.array(eight.predict(images))
    again = np.array(eight.predict(images))
    for _ in range(20):  # other work on a crowded machine may keep a thread from running for whole windows
        busy_threads, share = busy(eight.predict, images)
        if busy_threads >= count:
            break
    try:
        load(1, no_such_option=1)
        refused = ""
    except DliflowError as error:
        refused = str(error)
    return {
        "version": module.version(),
        "shape": list(batch.shape),
        "dtype": str(batch.dtype),
        "deterministic": bool(np.array_equal(batch, again)),
        "batch_effect": float(np.abs(single - batch).max()),
        "agreement": float((single.argmax(1) == batch.argmax(1)).mean()),
        "input_untouched": bool(np.array_equal(images, before)),
        "threads": eight.threads,
        "busy_threads": busy_threads,
        "processor_share": share,
        "refused": refused,
    }


if __name__ == "__main__":
    each(tried)
