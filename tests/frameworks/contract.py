"""Try a framework file against its contract, in the framework's own environment; prints what was found as JSON.

Usage: python contract.py FRAMEWORK VARIANT PRECISION MODEL_FOLDER ARRAY.npy THREADS
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

import numpy as np

from dliflow import frameworks, threads
from dliflow.errors import DliflowError, Skip


def processor_seconds() -> float:
    """CPU time of all threads of this process."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main(name: str, variant: str, precision: str, model: str, array: str, count: str) -> dict:
    """Load at batch 1 and 8, predict, look."""
    framework = frameworks.load(name)
    asked = threads.parse(count)
    if hasattr(framework, "environment"):
        threads.apply(framework.environment(asked))
    images = np.load(array)[:8]
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

    wall, processor = time.perf_counter(), processor_seconds()
    while time.perf_counter() - wall < 1.5:
        eight.predict(images)
    busy = (processor_seconds() - processor) / (time.perf_counter() - wall)
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
        "busy_threads": busy,
        "refused": refused,
    }


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
