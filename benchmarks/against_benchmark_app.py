"""OpenVINO's benchmark_app against dliflow's worker: the same IR, one synchronous request, float32. See truth.py.

A round is one fresh process of each. On a shared machine speed changes within seconds, and one whole process after the
other would show that and little else; so those of a round are under way together but never run side by side: by turns
one runs while the others are stopped (SIGSTOP). The few requests that are cut do not move a median.

They do not time quite the same, in two ways. benchmark_app (`sync_inference` in the environment's
`openvino/tools/benchmark/benchmark.py`) takes the request's `latency`: two readings of the clock right around the C++
`infer()` (`run_sync_infer` in OpenVINO's `src/bindings/python/src/pyopenvino/core/infer_request.cpp`). dliflow times
the call that a program makes, with the way into the binding, the input set, the scores copied to an array and the way
out. And benchmark_app writes one input once, before the loop (step 9 in `main.py`), which the processor's cache may
still hold, while dliflow's requests rotate over images. So each round has a third process: dliflow's session timed in
benchmark_app's way, which must agree with it, and what lies between that and dliflow's own.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import checks
import numpy as np

from dliflow.files import payload, read_json
from dliflow.images.inputs import shape
from dliflow.measuring import measure

REQUESTS = 301  # in each process; odd, so that everyone has the same median
TURN_S = 0.15
BURSTS, BURST = 5, 31  # of the third process, each way

# As the bin/benchmark_app of the environment does, without OpenVINO's telemetry, which dliflow keeps out as well.
APP = "import sys; sys.modules['openvino_telemetry'] = None; from openvino.tools.benchmark.main import main; main()"


class Process(NamedTuple):
    """What is run, and what it is asked."""

    command: list[str]
    asked: str = ""


def by_turns(started: dict[str, Process], inputs: int) -> dict[str, str]:
    """Run processes so that only one of them is awake at any time; what each printed.

    Args:
        inputs: descriptor that they inherit.
    """
    with contextlib.ExitStack() as stack:
        files = {name: [stack.enter_context(tempfile.TemporaryFile("w+")) for _ in range(2)] for name in started}
        processes: dict[str, subprocess.Popen] = {}
        try:
            for name, (command, asked) in started.items():
                requests, output = files[name]
                requests.write(asked)
                requests.seek(0)
                streams: dict[str, Any] = {"stdin": requests, "stdout": output, "stderr": subprocess.STDOUT}
                processes[name] = subprocess.Popen(command, start_new_session=True, pass_fds=[inputs], **streams)
                os.killpg(processes[name].pid, signal.SIGSTOP)
            waiting = list(processes.values())
            while waiting:
                process = waiting.pop(0)
                os.killpg(process.pid, signal.SIGCONT)
                time.sleep(TURN_S)
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGSTOP)
                    waiting.append(process)
        finally:
            for process in processes.values():
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
        texts = {}
        for name, process in processes.items():
            output = files[name][1]
            output.seek(0)
            texts[name] = output.read()
            if process.returncode:
                raise SystemExit(f"{name} ended with status {process.returncode}:\n{texts[name]}")
    return texts


def processes(of: argparse.Namespace, batch_size: int, inputs: int, folder: Path) -> dict[str, Process]:
    """What is run in a round."""
    import finished

    from dliflow.measuring import turns, workers

    python = workers.python(of.python)
    size = [batch_size, *shape(of.input)]
    app = [python, "-c", APP, "-m", str(payload(of.converted) / "model.xml"), "-api", "sync"]
    app += ["-shape", json.dumps(size, separators=(",", ":")), "-infer_precision", "f32"]
    app += ["-ip", "f32", "-op", "f32"]  # of what looks like an image it would make uint8
    # It takes numbers of threads and streams with `none` only, which is the plugin's own hint: latency.
    tuned = ["none", "-nstreams", "1", "-nthreads", str(of.threads)]
    app += ["-hint", *(tuned if of.threads else ["latency"])]
    app += ["-niter", str(REQUESTS), "-report_type", "no_counters", "-json_stats", "-report_folder", str(folder)]
    requests = (
        {"open": {"batch_size": batch_size, "warm_up": turns.Pace.of(of).warm_up}},
        {"burst": {"requests": REQUESTS, "limit_s": None}},
    )
    return {
        "worker": Process(finished.worker(of, inputs), "".join(json.dumps(request) + "\n" for request in requests)),
        "app": Process(app),
        "session": Process([python, __file__, finished.told(of, batch_size=batch_size)]),
    }


def answers(text: str) -> list[dict[str, Any]]:
    """What a worker answered, among what its framework printed."""
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def one_round(of: argparse.Namespace, batch_size: int, inputs: int, index: int) -> dict[str, float]:
    """Median latencies, ms, by everyone."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        order = list(processes(of, batch_size, inputs, folder).items())
        first = index % len(order)
        texts = by_turns(dict(order[first:] + order[:first]), inputs)
        report = read_json(folder / "benchmark_report.json")
    _, opened, burst = answers(texts["worker"])
    used = dict(re.findall(r"\b(NUM_STREAMS|INFERENCE_NUM_THREADS): (\d+)", texts["app"]))
    wanted = {"NUM_STREAMS": "1", "INFERENCE_NUM_THREADS": str(opened["threads_in_effect"])}
    if used != wanted:
        raise SystemExit(f"benchmark_app ran with {used}, dliflow with {wanted}: they cannot be compared")
    return {
        "worker": float(np.median(burst["latency_ns"])) / 1e6,
        "app": float(report["execution_results"]["latency (ms)"]),
        **json.loads(texts["session"].splitlines()[-1]),
    }


def compare(model: str, batch_size: int, pairs: int, rounds: int) -> dict[str, checks.Figures]:
    """Comparisons by their titles."""
    import finished

    of = finished.configuration(model, "openvino")
    with finished.measuring(of) as inputs:
        medians_of_rounds = [one_round(of, batch_size, inputs, index) for index in range(pairs)]
    columns = {name: [figures[name] for figures in medians_of_rounds] for name in medians_of_rounds[0]}
    of_each = f"{pairs} processes of each, by turns"
    return {
        f"dliflow as it is, {of_each}": {"worker": columns["worker"], "benchmark_app": columns["app"]},
        f"the same thing timed, {of_each}": {"infer, one input": columns["one"], "benchmark_app": columns["app"]},
        "what the call around infer() adds, in one process": {"predict": columns["whole"], "infer": columns["infer"]},
        "what other images add, in one process": {"infer": columns["infer"], "infer, one input": columns["one"]},
    }


def worker(of: argparse.Namespace, batch_size: int) -> None:
    """Print medians, ms: of `predict`, of `infer()` in the same requests, and of `infer()` with one input."""
    opened, batches = checks.opened(of, batch_size)
    request = opened.predict.__self__.request
    inner: list[float] = []

    def predict(batch: np.ndarray) -> None:
        opened.predict(batch)
        inner.append(request.latency)  # reading it takes less than a microsecond, which dliflow's clock counts

    def burst(chosen: list[np.ndarray]) -> tuple[list[float], list[float]]:
        inner.clear()
        outer = measure.run(predict, chosen, requests=BURST, limit_s=3600).latency_ns
        return [duration / 1e6 for duration in outer], list(inner)

    latencies_ms: checks.Figures = {"whole": [], "infer": [], "one": []}
    burst(batches)
    for index in range(BURSTS):
        rotated = batches[index:] + batches[:index]
        outer, within = burst(rotated)
        latencies_ms["whole"] += outer
        latencies_ms["infer"] += within
        latencies_ms["one"] += burst(batches[:1])[1]
    print(json.dumps({name: float(np.median(values)) for name, values in latencies_ms.items()}))


if __name__ == "__main__":
    OF, TOLD = checks.asked(sys.argv[1])
    worker(OF, **TOLD)
