"""OpenVINO's performance counters: the time of each node of the compiled graph, and the kernel that ran it."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

from dliflow.frameworks import openvino as framework
from dliflow.frameworks import take_options
from dliflow.frameworks.shared import openvino_package
from dliflow.profiling import Operator, Request

PROFILER = "OpenVINO's performance counters (PERF_COUNT)"
ON_GPU = True  # the counters are the device's
# Nodes that only take values from one kind of numbers to another, whatever their kernel is called.
CONVERSIONS = ("Reorder", "Convert", "FakeQuantize")


class Profiled:
    """A compiled model that is asked for its counters after each request."""

    def __init__(self, compiled):
        self.request, self.output = compiled.create_infer_request(), compiled.output(0)
        self.shared = openvino_package.sharing(self.request.infer)
        self.seen: list[Request] = []

    def predict(self, batch):
        """One synchronous request; the counters are read when it has ended."""
        started = time.perf_counter_ns()
        scores = self.request.infer({0: batch}, **self.shared)[self.output]
        us = (time.perf_counter_ns() - started) / 1e3
        self.seen.append(Request(us, operators(self.request.get_profiling_info())))
        return scores

    def requests(self):
        """What the counters told."""
        return self.seen


def profile(model: Path, *, precision, variant, device, batch_size, threads, options):
    """The model compiled as for single requests, and with counters."""
    taken = take_options("openvino", options)
    counted = {"PERFORMANCE_HINT": taken["hint"], "NUM_STREAMS": taken["streams"], "PERF_COUNT": True}
    return Profiled(framework.compiled(model, precision, device, batch_size, threads, taken, counted))


def operators(counters: Iterable[Any]) -> list[Operator]:
    """Those that ran; a kernel's name ends with the kind of numbers that it computes on."""
    return [
        Operator(
            type=one.node_type,
            name=one.node_name,
            kernel=one.exec_type,
            int8=one.exec_type.endswith(("_I8", "_U8")) and one.node_type not in CONVERSIONS,
            us=one.real_time / timedelta(microseconds=1),
        )
        for one in counters
        if one.status.name == "EXECUTED"
    ]
