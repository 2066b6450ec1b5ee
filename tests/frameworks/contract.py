"""Try a framework file against its contract, in the framework's own environment; prints what was found as JSON.

Usage: python contract.py FRAMEWORK VARIANT PRECISION MODEL_FOLDER ARRAY.json INPUT THREADS
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import numpy as np

from dliflow import frameworks, inputs, threads
from dliflow.errors import DliflowError, Skip


def thread_seconds() -> dict[str, float]:
    """CPU time of each thread of this process."""
    ticks = os.sysconf("SC_CLK_TCK")
    found = {}
    for task in Path("/proc/self/task").iterdir():
        fields = (task / "stat").read_text().rpartition(")")[2].split()
        found[task.name] = (int(fields[11]) + int(fields[12])) / ticks
    return found


def main(name: str, variant: str, precision: str, model: str, array: str, entry: str, count: str) -> dict:
    """Load at batch 1 and 8, predict, look."""
    framework = frameworks.load(name)
    asked = threads.parse(count)
    if hasattr(framework, "environment"):
        threads.apply(framework.environment(asked, {}))
    reason = framework.unavailable(precision, "cpu", variant) if hasattr(framework, "unavailable") else None
    if reason is not None:
        return {"skip": reason}
    images = inputs.make(inputs.read(Path(array), slice(8)), json.loads(entry))
    common = {"precision": precision, "variant": variant, "device": "cpu", "threads": asked}

    def load(batch_size, **options):
        return framework.load(Path(model), batch_size=batch_size, options=options, **common)

    try:
        one, eight = load(1), load(8)
    except Skip as skip:
        return {"skip": str(skip)}
    before = images.copy()
    single = np.concatenate([np.array(one.predict(images[index : index + 1])) for index in range(8)])
    batch = np.array(eight.predict(images))
    again = np.array(eight.predict(images))

    wall, before_it = time.perf_counter(), thread_seconds()
    while time.perf_counter() - wall < 1.5:
        eight.predict(images)
    wall = time.perf_counter() - wall
    spent = [seconds - before_it.get(name, 0) for name, seconds in thread_seconds().items()]
    try:
        load(1, no_such_option=1)
        refused = ""
    except DliflowError as error:
        refused = str(error)
    return {
        "version": framework.version(),
        "shape": list(batch.shape),
        "dtype": str(batch.dtype),
        "deterministic": bool(np.array_equal(batch, again)),
        "batch_effect": float(np.abs(single - batch).max()),
        "agreement": float((single.argmax(1) == batch.argmax(1)).mean()),
        "input_untouched": bool(np.array_equal(images, before)),
        "threads": eight.threads,
        # A thread counts as busy from a fifth of what the busiest does; a crowded machine slows all of them alike.
        "busy_threads": sum(seconds > max(spent) / 5 for seconds in spent),
        "processor_share": sum(spent) / wall,
        "refused": refused,
    }


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
