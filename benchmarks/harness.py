"""What the harness itself costs, per request and per job. Prints figures; nothing is asserted.

    PYTHONPATH=workflow .venv/bin/python benchmarks/harness.py

Per request: the timing loop against a bare loop over the same calls of the `null` framework, in alternating rounds. Per
job: a whole supervised measurement of `null` with one request, against what its process spends inside the measurement.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from scipy import stats as scipy_stats

from dliflow.files import read_json, sha256, write_json
from dliflow.frameworks import null
from dliflow.images import inputs
from dliflow.measuring import measure

ROUNDS = 41
REQUESTS = 20_000
JOBS = 9


def bare_loop(predict, batches) -> float:
    """Nanoseconds for each request of a loop that does nothing but call."""
    distinct = len(batches)
    start = time.perf_counter_ns()
    for index in range(REQUESTS):
        predict(batches[index % distinct])
    return (time.perf_counter_ns() - start) / REQUESTS


def timed_loop(predict, batches) -> tuple[float, float]:
    """Nanoseconds for each request of the timing loop: by the clock around it, and as its median sample."""
    samples = measure.run(predict, batches, requests=REQUESTS, limit_s=3600)
    return samples.wall_ns / REQUESTS, float(np.median(samples.latency_ns))


def interval(values: list[float]) -> str:
    """Median and 95 % interval of rounds, from order statistics."""
    low, high = np.percentile(values, [2.5, 97.5])
    return f"{np.median(values):8.1f}   (rounds: {low:.1f} to {high:.1f})"


def ratio(first: list[float], second: list[float]) -> str:
    """Median of the ratio first / second of each round, and its 95 % interval, which moments of a stall do not move."""
    ratios = np.array(first) / np.array(second)
    around = scipy_stats.quantile_test(ratios, p=0.5).confidence_interval(0.95)
    return f"{np.median(ratios):8.3f}   (95 % interval: {around.low:.3f} to {around.high:.3f})"


def per_request() -> None:
    """Alternate the two loops."""
    predict = null.Null(1, 1000).predict
    batches = [np.zeros((1, 3, 224, 224), np.float32) for _ in range(4)]
    bare, timed, sample = [], [], []
    for _ in range(ROUNDS):
        bare.append(bare_loop(predict, batches))
        wall, median = timed_loop(predict, batches)
        timed.append(wall)
        sample.append(median)
    clock = [measure_clock() for _ in range(ROUNDS)]
    print(f"Per request, ns, {ROUNDS} alternating rounds of {REQUESTS} requests")
    print(f"  two reads of the clock            {interval(clock)}")
    print(f"  bare loop around the call         {interval(bare)}")
    print(f"  timing loop around the call       {interval(timed)}")
    print(f"  overhead: timing loop - bare loop {interval([t - b for t, b in zip(timed, bare)])}")
    print(f"  latency that is recorded          {interval(sample)}")


def measure_clock() -> float:
    """Nanoseconds for two reads of the clock."""
    clock = time.perf_counter_ns
    start = clock()
    for _ in range(REQUESTS):
        clock()
        clock()
    return (clock() - start) / REQUESTS


def per_job() -> None:
    """Run whole measurements of `null`, one request each."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "model").mkdir()
        write_json(folder / "model" / null.CLASSES_FILE, 1000)
        described = {"bytes": 5, "sha256": sha256(folder / "model" / null.CLASSES_FILE)}
        manifest = {"status": "ok", "reason": None, "files": {null.CLASSES_FILE: described}}
        write_json(folder / "model.json", manifest)
        pixels, array = np.zeros((8, 224, 224, 3), np.uint8), folder / "array.json"
        np.save(folder / "array.npy", pixels)
        write_json(array, {"list_sha256": "", **inputs.seal(array, inputs.fingerprints(pixels))})
        entry = {
            "height": 224,
            "width": 224,
            "layout": "NCHW",
            "channel_order": "RGB",
            "mean": [0] * 3,
            "scale": [1] * 3,
        }
        identity = {"model": "none", "framework": "null", "variant": "default", "precision": "fp32", "device": "cpu"}
        options = {
            **identity,
            **{
                "threads": "default",
                "options": "{}",
                "converted": folder / "model.json",
                "array": folder / "array.json",
                "input": json.dumps(entry),
            },
            **{"scores": 1000, "node": "local", "scenario": "latency", "parameters": "default", "batch-size": 1},
            **{
                "repetition": 1,
                "requests": 1,
                "limit": 1,
                "width": "none",
                "least": 1,
                "warmup-requests": 0,
                "warmup-limit": 1,
                "pacer": sys.executable,
                "launch": json.dumps({"cpus": None, "numa_node": None, "priority": None, "environment": {}}),
            },
            "out": folder / "record.json",
        }
        stage = ["latency", *(str(part) for key, value in options.items() for part in (f"--{key}", value))]
        supervise = ["supervise", "--timeout", "60", "--exclusive", "--log", str(folder / "job.log"), "--"]
        whole, child = [], []
        for _ in range(JOBS):
            start = time.perf_counter()
            subprocess.run([sys.executable, "-m", "dliflow", *supervise, *stage], check=True)
            whole.append((time.perf_counter() - start) * 1e3)
            child.append(read_json(folder / "job.time.json")["seconds"] * 1e3)
    print(f"Per job, ms, {JOBS} jobs with one request of null")
    print(f"  supervisor and measuring process  {interval(whole)}")
    print(f"  measuring process alone           {interval(child)}")


if __name__ == "__main__":
    per_request()
    per_job()
