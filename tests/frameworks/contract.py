"""Try a framework file against its contract, in the framework's own environment; cases.py tells how it is asked.

A case: `framework`, `variant`, `precision`, `model` (folder), `array` (manifest of pixels), `entry` (the model's input)
and `count` of threads, which is the same for all cases of a process.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import Optional

import numpy as np
from cases import each

from dliflow import frameworks
from dliflow.configuration import Configuration
from dliflow.errors import DliflowError, Skip
from dliflow.images import inputs
from dliflow.measuring import load, session

WINDOW_S = 1.0


def thread_seconds() -> dict[str, tuple[float, float]]:
    """CPU time of each thread of this process, and how long it could have run but had to wait for a processor."""
    seconds = {}
    for task in Path("/proc/self/task").iterdir():
        ran, waited, _ = map(int, (task / "schedstat").read_text().split())
        seconds[task.name] = (ran / 1e9, waited / 1e9)
    return seconds


def busy(predict, images, count: int) -> tuple[int, float]:
    """How many threads predict, and their CPU time by that of the clock.

    A thread counts as busy from a fifth of what the busiest does: those that only hand work over stay below it. Where
    those are fewer than asked for, one counts, too, that waited so long for a processor: beside other work a thread
    may come to run so seldom that the others have done all by then.
    """
    start, before = time.perf_counter(), thread_seconds()
    while time.perf_counter() - start < WINDOW_S:
        predict(images)
    wall = time.perf_counter() - start
    past = [(after, before.get(name, (0, 0))) for name, after in thread_seconds().items()]
    spent = [(ran - ran_before, waited - waited_before) for (ran, waited), (ran_before, waited_before) in past]
    total = [ran for ran, _ in spent]
    threads = sum(ran > max(total) / 5 for ran in total)
    willing = sum(ran + waited > max(total) / 5 for ran, waited in spent)
    return max(threads, min(count, willing)), sum(total) / wall


def concurrent_effect(framework, variant, precision, model, count, single, images) -> Optional[float]:
    """How far scores of requests in flight together, each with another image, are from those of one by one.

    None for processes, which have nothing in common.
    """
    mode = frameworks.concurrency(framework)
    if mode == "processes":
        return None
    configuration = Configuration("m", framework, "python", variant, precision, "cpu")
    described = session.Description(configuration, count, {}, converted=Path(), scores=single.shape[1])
    lanes = load.opened(session.Imported(described, frameworks.load(framework), model, "", 0.0, 0), mode, 1, 3).lanes
    far = 0.0
    for start in range(2 * len(images)):
        places = [(start + lane) % len(images) for lane in range(3)]
        scores = lanes.once([images[place : place + 1] for place in places])
        far = max(far, float(np.abs(np.concatenate(scores) - single[places]).max()))
    lanes.close()
    return far


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

    def opened(batch_size, **options):
        return module.load(Path(model), batch_size=batch_size, options=options, **common)

    try:
        one, eight = opened(1), opened(8)
    except Skip as skip:
        return {"skip": str(skip)}
    before = images.copy()
    single = np.concatenate([np.array(one.predict(images[index : index + 1])) for index in range(8)])
    batch = np.array(eight.predict(images))
    again = np.array(eight.predict(images))
    # On a crowded machine other work may keep a thread from running for whole windows, and its caller does its part.
    for _ in range(20):
        busy_threads, share = busy(eight.predict, images, count)
        if busy_threads == count:
            break
    try:
        opened(1, no_such_option=1)
        refused = ""
    except DliflowError as error:
        refused = str(error)
    alone = {"single": single, "images": images}
    return {
        "concurrent_effect": concurrent_effect(framework, variant, precision, Path(model), count, **alone),
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
    # Not to be kept waiting by other tests; before any thread begins, which takes this over.
    with contextlib.suppress(PermissionError):
        os.nice(-10)
    each(tried)
