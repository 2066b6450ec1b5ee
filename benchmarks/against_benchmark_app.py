"""OpenVINO's benchmark_app against the latency stage: the same IR, one synchronous request, float32. See truth.py.

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

import numpy as np
import study

from dliflow.files import payload, read_json
from dliflow.images.inputs import shape
from dliflow.measuring import measure

REQUESTS = 301  # in each process; odd, so that everyone has the same median
TURN_S = 0.15
BURSTS, BURST = 5, 31  # of the third process, each way

# As the bin/benchmark_app of the environment does, without OpenVINO's telemetry, which dliflow keeps out as well.
APP = "import sys; sys.modules['openvino_telemetry'] = None; from openvino.tools.benchmark.main import main; main()"


def by_turns(commands: dict[str, list[str]]) -> dict[str, str]:
    """Run processes so that only one of them is awake at any time; what each printed."""
    with contextlib.ExitStack() as stack:
        outputs = {name: stack.enter_context(tempfile.TemporaryFile("w+")) for name in commands}
        processes: dict[str, subprocess.Popen] = {}
        environment = study.environment()
        try:
            for name, command in commands.items():
                streams = {"stdout": outputs[name], "stderr": subprocess.STDOUT}
                processes[name] = subprocess.Popen(command, env=environment, start_new_session=True, **streams)
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
            outputs[name].seek(0)
            texts[name] = outputs[name].read()
            if process.returncode:
                raise SystemExit(f"{name} ended with status {process.returncode}:\n{texts[name]}")
    return texts


def commands(command: list[str], folder: Path) -> dict[str, list[str]]:
    """What is run in a round."""
    configuration = study.parsed(command)
    size = [configuration.batch_size, *shape(configuration.input)]
    app = [command[0], "-c", APP, "-m", str(payload(configuration.converted) / "model.xml"), "-api", "sync"]
    app += ["-shape", json.dumps(size, separators=(",", ":")), "-infer_precision", "f32"]
    app += ["-ip", "f32", "-op", "f32"]  # of what looks like an image it would make uint8
    # It takes numbers of threads and streams with `none` only, which is the plugin's own hint: latency.
    tuned = ["none", "-nstreams", "1", "-nthreads", str(configuration.threads)]
    app += ["-hint", *(tuned if configuration.threads else ["latency"])]
    app += ["-niter", str(REQUESTS), "-report_type", "no_counters", "-json_stats", "-report_folder", str(folder)]
    return {
        "stage": [
            *command,
            "--requests",
            str(REQUESTS),
            "--limit",
            "none",
            "--width",
            "none",
            "--out",
            str(folder / "record.json"),
        ],
        "app": app,
        "session": [command[0], __file__, json.dumps({"command": command})],
    }


def one_round(command: list[str], index: int) -> dict[str, float]:
    """Median latencies, ms, by everyone."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        order = list(commands(command, folder).items())
        first = index % len(order)
        texts = by_turns(dict(order[first:] + order[:first]))
        record = read_json(folder / "record.json")
        report = read_json(folder / "benchmark_report.json")
    used = dict(re.findall(r"\b(NUM_STREAMS|INFERENCE_NUM_THREADS): (\d+)", texts["app"]))
    wanted = {"NUM_STREAMS": "1", "INFERENCE_NUM_THREADS": str(record["identity"]["threads_in_effect"])}
    if used != wanted:
        raise SystemExit(f"benchmark_app ran with {used}, dliflow with {wanted}: they cannot be compared")
    return {
        "stage": float(np.median(record["figures"]["latency_ns"])) / 1e6,
        "app": float(report["execution_results"]["latency (ms)"]),
        **json.loads(texts["session"].splitlines()[-1]),
    }


def compare(model: str, batch_size: int, pairs: int, rounds: int) -> dict[str, study.Figures]:
    """Comparisons by their titles."""
    command = study.command(model, "openvino", batch_size)
    medians_of_rounds = [one_round(command, index) for index in range(pairs)]
    columns = {name: [figures[name] for figures in medians_of_rounds] for name in medians_of_rounds[0]}
    processes = f"{pairs} processes of each, by turns"
    return {
        f"dliflow as it is, {processes}": {"latency stage": columns["stage"], "benchmark_app": columns["app"]},
        f"the same thing timed, {processes}": {
            "infer, one input": columns["one"],
            "benchmark_app": columns["app"],
        },
        "what the call around infer() adds, in one process": {"predict": columns["whole"], "infer": columns["infer"]},
        "what other images add, in one process": {"infer": columns["infer"], "infer, one input": columns["one"]},
    }


def worker(command: list[str]) -> None:
    """Print medians, ms: of `predict`, of `infer()` in the same requests, and of `infer()` with one input."""
    opened, batches = study.opened(command)
    request = opened.predict.__self__.request
    inner: list[float] = []

    def predict(batch: np.ndarray) -> None:
        opened.predict(batch)
        inner.append(request.latency)  # reading it takes less than a microsecond, which dliflow's clock counts

    def burst(chosen: list[np.ndarray]) -> tuple[list[float], list[float]]:
        inner.clear()
        outer = measure.run(predict, chosen, requests=BURST, limit_s=3600).latency_ns
        return [duration / 1e6 for duration in outer], list(inner)

    latencies_ms: study.Figures = {"whole": [], "infer": [], "one": []}
    burst(batches)
    for index in range(BURSTS):
        rotated = batches[index:] + batches[:index]
        outer, within = burst(rotated)
        latencies_ms["whole"] += outer
        latencies_ms["infer"] += within
        latencies_ms["one"] += burst(batches[:1])[1]
    print(json.dumps({name: float(np.median(values)) for name, values in latencies_ms.items()}))


if __name__ == "__main__":
    worker(**json.loads(sys.argv[1]))
