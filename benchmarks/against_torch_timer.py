"""`torch.utils.benchmark.Timer` against the timing loop: the module of dliflow's session, one process. See truth.py.

The Timer is told the session's number of threads (its default is 1) and takes its inputs from the same rotation. Where
a call takes milliseconds `blocked_autorange` (`torch/utils/benchmark/utils/timer.py`, `_estimate_block_size`) makes
blocks of one call, so its median is one of single calls, without garbage collection, as in dliflow. What differs: it
times the module alone, from tensor to tensor; dliflow times `predict`, from array to array, with inference mode
entered each time. The second comparison gives the Timer the whole `predict`.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys

import checks
import numpy as np

from dliflow.measuring import measure

BURST_S = 0.25


def compare(model: str, batch_size: int, pairs: int, rounds: int) -> dict[str, checks.Figures]:
    """Comparisons by their titles."""
    import finished

    of = finished.configuration(model, "pytorch")
    ours, module, predict = finished.ask(__file__, of, batch_size=batch_size, rounds=rounds).values()
    title = f"bursts of {BURST_S} s, {rounds} rounds"
    return {
        f"the module, {title}": {"timing loop": ours, "Timer, module": module},
        f"the whole request, {title}": {"timing loop": ours, "Timer, predict": predict},
    }


def worker(of: argparse.Namespace, batch_size: int, rounds: int) -> None:
    """Medians of each round, ms."""
    opened, batches = checks.opened(of, batch_size)
    import torch
    from torch.utils.benchmark import Timer

    session = opened.predict.__self__
    first = measure.run(opened.predict, batches, requests=20, limit_s=5)
    requests = max(5, round(BURST_S * 1e9 / float(np.median(first.latency_ns))))

    def ours() -> float:
        samples = measure.run(opened.predict, batches, requests=requests, limit_s=60)
        return float(np.median(samples.latency_ns)) / 1e6

    def timer(statement: str, arguments: list) -> float:
        names = {"module": session.module, "predict": opened.predict, "following": itertools.cycle(arguments).__next__}
        measurement = Timer(statement, globals=names, num_threads=session.threads).blocked_autorange(
            min_run_time=BURST_S
        )
        return measurement.median * 1e3

    def module() -> float:
        with torch.inference_mode():
            return timer("module(following())", tensors)

    tensors = [torch.from_numpy(batch) for batch in batches]
    sides = {"ours": ours, "module": module, "predict": lambda: timer("predict(following())", batches)}
    print(json.dumps(checks.alternate(sides, rounds)))


if __name__ == "__main__":
    OF, TOLD = checks.asked(sys.argv[1])
    worker(OF, **TOLD)
