"""Look into requests with a framework's own profiler, in the framework's environment; cases.py tells how it is asked.

A case: `framework`, `variant`, `precision`, `model` (folder), `array` (manifest of pixels), `entry` (the model's input)
and `batch_size`.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from cases import each

from dliflow import frameworks, profiling
from dliflow.errors import Skip
from dliflow.images import inputs

REQUESTS = 5


def tried(framework: str, variant: str, precision: str, model: str, array: str, entry: dict, batch_size: int) -> dict:
    """A few requests, beside those of an ordinary session."""
    module = frameworks.load(framework)
    if hasattr(module, "environment"):
        os.environ.update(module.environment(None, {}))
    reason = module.unavailable(precision, "cpu", variant) if hasattr(module, "unavailable") else None
    if reason is not None:
        return {"skip": reason}
    images = inputs.make(inputs.read(Path(array), slice(batch_size)), entry)
    common = {"variant": variant, "device": "cpu", "batch_size": batch_size, "threads": None, "options": {}}
    profiler = profiling.load(framework)
    assert profiler is not None and profiler.PROFILER
    try:
        profiled = profiler.profile(Path(model), precision=precision, **common)
        scores = [np.array(profiled.predict(images)) for _ in range(REQUESTS)]
        requests = profiled.requests()
    except Skip as skip:
        return {"profiler_skips": str(skip)}
    plain = np.array(module.load(Path(model), precision=precision, **common).predict(images))
    last = requests[-1]
    whole = [sum(one.us for one in request.operators) for request in requests]
    of_int8 = [sum(one.us for one in request.operators if one.int8) for request in requests]
    return {
        "requests": len(requests),
        "difference": max(float(np.abs(one - plain).max()) for one in scores),
        "operators": len(last.operators),
        "alike": len({len(request.operators) for request in requests[1:]}) == 1,
        "covered": float(np.median(np.divide(whole, [request.us for request in requests]))),
        "int8": float(np.median(np.divide(of_int8, whole))),  # of one alone a pause of the machine would decide it
        "types": sorted({one.type for one in last.operators}),
    }


if __name__ == "__main__":
    each(tried)
