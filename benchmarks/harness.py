"""What the harness itself costs, per request and per job. Prints figures; nothing is asserted.

    PYTHONPATH=workflow .venv/bin/python benchmarks/harness.py STUDY

Per request: the timing loop against a bare loop over the same calls of the `null` framework, in alternating rounds. Per
job: a whole supervised group of `null`, one session with one request between bursts of the anchor, which is that of a
finished study; and what of its time goes by in the stage, in its workers, and in the session.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import finished
import numpy as np
from checks import interval

from dliflow.files import read_json, sha256, write_json
from dliflow.frameworks import null
from dliflow.measuring import measure
from dliflow.study import arguments

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


def per_job(of: argparse.Namespace) -> None:
    """Run whole sweeps of `null`, one request each, launched and with an anchor as the study's are."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "model").mkdir()
        write_json(folder / "model" / null.CLASSES_FILE, of.scores)
        described = {"bytes": 5, "sha256": sha256(folder / "model" / null.CLASSES_FILE)}
        manifest = {"status": "ok", "reason": None, "files": {null.CLASSES_FILE: described}}
        write_json(folder / "model.json", manifest)
        changed = {
            **{"framework": "null", "python": sys.executable, "converted": folder / "model.json"},
            **{"batch_sizes": [1], "sessions": 1, "rounds": 1, "burst_requests": 1, "warmup_requests": 0},
            **{"options": {}, "threads": None, "out": folder / "record.json"},
        }
        stage = ["sweep", *arguments.words(**{**vars(of), **changed})]
        supervise = ["supervise", "--timeout", "60", "--exclusive", "--log", str(folder / "job.log"), "--"]
        whole, child, group, opened = [], [], [], []
        for _ in range(JOBS):
            start = time.perf_counter()
            subprocess.run([sys.executable, "-m", "dliflow", *supervise, *stage], check=True)
            whole.append((time.perf_counter() - start) * 1e3)
            child.append(read_json(folder / "job.time.json")["seconds"] * 1e3)
            (of_group,) = read_json(folder / "record.json")["figures"]["groups"]
            group.append(of_group["wall_s"] * 1e3)
            opened.append(of_group["sessions"][0]["wall_ms"])
    print(f"Per job, ms, {JOBS} groups of one session with one request of null")
    print(f"  supervisor and what it starts     {interval(whole)}")
    print(f"  the stage                         {interval(child)}")
    print(f"  worker and anchor in it           {interval(group)}")
    print(f"  the session, bursts of the anchor {interval(opened)}")


def main() -> None:
    """Both."""
    args = finished.parser(__doc__).parse_args()
    finished.enter(args.study)
    per_request()
    per_job(finished.configuration(args.model, "*", "*"))


if __name__ == "__main__":
    main()
