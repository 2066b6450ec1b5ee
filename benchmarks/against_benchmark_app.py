"""OpenVINO's benchmark_app against the latency stage: the same IR, one synchronous request, float32. See truth.py.

Both are fresh processes, one of each in a round. On a shared machine speed changes within seconds, and one whole process
after the other would show that and little else; so the two of a round are under way together but never run side by
side: by turns one is stopped (SIGSTOP) while the other runs. The few requests that are cut do not move a median.

They do not time the same. benchmark_app (`sync_inference` in `openvino/tools/benchmark/benchmark.py`) takes the
request's `latency`: two readings of the clock right around the C++ `infer()` (`run_sync_infer` in OpenVINO's
`src/bindings/python/src/pyopenvino/core/infer_request.cpp`). Its input was written once, before the loop (`main.py`,
step 9), and the scores are copied after the second reading. dliflow times the call as a program makes it, input set
and scores copied included. The second comparison tells how much that is: the same requests of dliflow's session by
both clocks.
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

from dliflow import measure
from dliflow.files import payload, read_json
from dliflow.inputs import shape

REQUESTS = 301  # in each process; odd, so that everyone has the same median
TURN_S = 0.15
BURST = 31  # requests by two clocks in each round

# As the bin/benchmark_app of the environment does, without OpenVINO's telemetry, which dliflow keeps out as well.
APP = "import sys; sys.modules['openvino_telemetry'] = None; from openvino.tools.benchmark.main import main; main()"


def by_turns(*commands: list[str]) -> list[str]:
    """Run processes so that only one of them is awake at any time; their output."""
    with contextlib.ExitStack() as stack:
        outputs = [stack.enter_context(tempfile.TemporaryFile("w+")) for _ in commands]
        processes = []
        for command, output in zip(commands, outputs):
            process = subprocess.Popen(
                command, env=study.environment(), stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )
            os.killpg(process.pid, signal.SIGSTOP)
            processes.append(process)
        try:
            waiting = list(processes)
            while waiting:
                process = waiting.pop(0)
                os.killpg(process.pid, signal.SIGCONT)
                time.sleep(TURN_S)
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGSTOP)
                    waiting.append(process)
        finally:
            for process in processes:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
        texts = []
        for process, output in zip(processes, outputs):
            output.seek(0)
            texts.append(output.read())
            if process.returncode:
                raise SystemExit(f"{' '.join(map(str, process.args))}: status {process.returncode}\n{texts[-1]}")
    return texts


def pair(command: list[str], app_first: bool, folder: Path) -> tuple[float, float]:
    """Median latency, ms, by the stage and by benchmark_app."""
    given = study.parsed(command)
    ours = [*command, "--requests", str(REQUESTS), "--limit", "3600", "--out", str(folder / "record.json")]
    size = [given.batch_size, *shape(given.input)]
    app = [command[0], "-c", APP, "-m", str(payload(given.converted) / "model.xml")]
    app += ["-shape", json.dumps(size, separators=(",", ":"))]
    app += ["-api", "sync", "-infer_precision", "f32"]
    # It takes numbers of threads and streams with `none` only, which is the plugin's own hint: latency.
    tuned = ["none", "-nstreams", "1", "-nthreads", str(given.threads)]
    app += ["-hint", *(tuned if given.threads else ["latency"])]
    app += ["-ip", "f32", "-op", "f32"]  # of what looks like an image it would make uint8
    app += ["-niter", str(REQUESTS), "-report_type", "no_counters", "-json_stats", "-report_folder", str(folder)]
    text = by_turns(app, ours)[0] if app_first else by_turns(ours, app)[1]
    record = read_json(folder / "record.json")
    used = {key: int(value) for key, value in re.findall(r"\b(NUM_STREAMS|INFERENCE_NUM_THREADS): (\d+)", text)}
    wanted = {"NUM_STREAMS": given.options.get("streams", 1)}
    wanted["INFERENCE_NUM_THREADS"] = record["identity"]["threads_in_effect"]
    if used != wanted:
        raise SystemExit(f"benchmark_app ran with {used}, dliflow with {wanted}: they cannot be compared")
    report = read_json(folder / "benchmark_report.json")
    return float(np.median(record["figures"]["latency_ns"])) / 1e6, float(report["execution_results"]["latency (ms)"])


def compare(model: str, batch_size: int, pairs: int, rounds: int) -> dict[str, study.Found]:
    """Comparisons by their titles."""
    command = study.command(model, "openvino", batch_size)
    with tempfile.TemporaryDirectory() as name:
        found = [pair(command, bool(index % 2), Path(name)) for index in range(pairs)]
    ours, app = (list(side) for side in zip(*found))
    return {
        f"processes by turns, {pairs} of each": {"latency stage": ours, "benchmark_app": app},
        f"what benchmark_app leaves out, {rounds} rounds": study.ask(__file__, command, rounds),
    }


def worker(command: list[str], rounds: int) -> None:
    """The same requests by dliflow's clock and by the one that benchmark_app reads; both medians of each round, ms."""
    opened, batches = study.opened(command)
    request = opened.predict.__self__.request
    inner: list[float] = []

    def predict(batch: np.ndarray) -> None:
        opened.predict(batch)
        inner.append(request.latency)  # reading it takes less than a microsecond, which dliflow's clock counts

    found: study.Found = {"timing loop": [], "request.latency": []}
    for _ in range(rounds):
        inner.clear()
        outer = measure.run(predict, batches, requests=BURST, limit_s=60).latency_ns
        found["timing loop"].append(float(np.median(outer)) / 1e6)
        found["request.latency"].append(float(np.median(inner)))
    print(json.dumps(found))


if __name__ == "__main__":
    worker(**json.loads(sys.argv[1]))
