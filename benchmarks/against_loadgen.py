"""MLPerf's LoadGen against the timing loop: SingleStream around dliflow's session, one process. See truth.py.

LoadGen draws the samples, issues the queries, reads its own clock and writes its own summary, whose 50th percentile is
what stands here (the headline of SingleStream would be the 90th). A query lies between two readings in LoadGen's C++
(`QueryScheduler<TestScenario::SingleStream>::Wait` in `loadgen/issue_query_controller.cc`, `QuerySamplesComplete` in
`loadgen/loadgen.cc`), so it holds the way into Python and out of it (`loadgen/bindings/python_api.cc`) as well, some
tens of microseconds that dliflow does not count. It takes any of the batches where dliflow takes the next one. And its
own thread, which writes the log (`Logger::IOThread` in `loadgen/logging.cc`, awake every few milliseconds), takes a
processor from a framework that computes on all of them. So everything is done a second time with one thread, which
leaves LoadGen a processor of its own: what differs there is no matter of measuring.

LoadGen comes in a pinned version into a temporary folder; the frameworks' environments stay as they are.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import json
import re
import sys
import tempfile
import time
from pathlib import Path

import checks
import numpy as np

from dliflow.measuring import measure

LOADGEN = "mlcommons-loadgen==6.0.17"
FRAMEWORKS = ("onnxruntime", "openvino", "pytorch")
BURST_S = 0.25
LOOP, LOADGEN_P50, WITHIN = "timing loop", "LoadGen", "predict in LoadGen"
TITLES = {
    "dliflow as it is": (LOOP, LOADGEN_P50),
    "the same requests by both clocks": (WITHIN, LOADGEN_P50),
    "the same clock, called by both": (LOOP, WITHIN),
}


def compare(model: str, batch_size: int, pairs: int, rounds: int) -> dict[str, checks.Figures]:
    """Comparisons by their titles."""
    import finished

    from dliflow.fetching import uv
    from dliflow.measuring import workers

    comparisons = {}
    for framework, threads in itertools.product(FRAMEWORKS, (None, 1)):
        of = finished.configuration(model, framework, threads=threads)
        with tempfile.TemporaryDirectory() as folder:
            python = workers.python(of.python)
            result = uv.run("pip", "install", "--no-deps", "--python", python, "--target", folder, LOADGEN)
            if result.returncode:
                raise SystemExit(f"{LOADGEN} could not be installed:\n{result.stderr}")
            sides = finished.ask(__file__, of, path=folder, batch_size=batch_size, rounds=rounds)
            for what, (ours, theirs) in TITLES.items():
                title = f"{framework}, threads {threads or 'default'}, {what}, bursts of {BURST_S} s, {rounds} rounds"
                comparisons[title] = {ours: sides[ours], theirs: sides[theirs]}
    return comparisons


def worker(of: argparse.Namespace, batch_size: int, rounds: int) -> None:
    """Medians of each round, ms."""
    import mlperf_loadgen as loadgen

    opened, batches = checks.opened(of, batch_size)
    predict = opened.predict
    first = measure.run(predict, batches, requests=20, limit_s=5)
    # Odd, since LoadGen's median of an even number is the upper of the two in the middle.
    requests = max(5, round(BURST_S * 1e9 / float(np.median(first.latency_ns)))) | 1

    inner: list[int] = []
    within: list[float] = []

    def issue(queries: list) -> None:
        for query in queries:
            start = time.perf_counter_ns()
            predict(batches[query.index])
            inner.append(time.perf_counter_ns() - start)
            loadgen.QuerySamplesComplete([loadgen.QuerySampleResponse(query.id, 0, 0)])

    def nothing(*_) -> None:
        pass

    settings = loadgen.TestSettings()
    settings.scenario = loadgen.TestScenario.SingleStream
    settings.mode = loadgen.TestMode.PerformanceOnly
    settings.min_duration_ms = 0
    settings.min_query_count = settings.max_query_count = requests
    system = loadgen.ConstructSUT(issue, nothing)
    library = loadgen.ConstructQSL(len(batches), len(batches), nothing, nothing)

    def ours() -> float:
        return float(np.median(measure.run(predict, batches, requests=requests, limit_s=60).latency_ns)) / 1e6

    def theirs() -> float:
        inner.clear()
        log = loadgen.LogSettings()
        with tempfile.TemporaryDirectory() as folder:
            log.log_output.outdir = folder
            gc.collect()
            gc.disable()  # as in the timing loop
            loadgen.StartTestWithLogSettings(system, library, settings, log)
            gc.enable()
            summary = Path(folder, "mlperf_log_summary.txt").read_text(encoding="utf-8")
        within.append(float(np.median(inner)) / 1e6)
        return int(re.search(r"^50\.00 percentile latency \(ns\) *: (\d+)$", summary, re.M)[1]) / 1e6

    print(json.dumps({**checks.alternate({LOOP: ours, LOADGEN_P50: theirs}, rounds), WITHIN: within}))


if __name__ == "__main__":
    OF, TOLD = checks.asked(sys.argv[1])
    worker(OF, **TOLD)
