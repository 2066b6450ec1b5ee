"""OpenVINO's performance counters: the time of each node of the compiled graph, and the kernel that ran it."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

from dliflow.frameworks import openvino as framework
from dliflow.frameworks.shared import openvino_package
from dliflow.profiling import Operator, Request

PROFILER = "OpenVINO's performance counters (PERF_COUNT)"
# Nodes that only take values from one kind of numbers to another, whatever their kernel is called.
CONVERSIONS = ("Reorder", "Convert", "FakeQuantize", "Subgraph")


class Profiled:
    """A compiled model that is asked for its counters after each request."""

    def __init__(self, compiled):
        self.request = compiled.create_infer_request()
        self.seen: list[Request] = []

    def predict(self, batch):
        """One synchronous request; the counters are read when it has ended."""
        started = time.perf_counter_ns()
        scores = self.request.infer({0: batch}, share_inputs=True)[0]
        us = (time.perf_counter_ns() - started) / 1e3
        self.seen.append(Request(us, operators(self.request.get_profiling_info())))
        return scores

    def requests(self):
        """What the counters told."""
        return self.seen


def profile(model: Path, *, batch_size, **asked):
    """The loaded model compiled once more, with the settings that it tells itself."""
    core = openvino_package.imported().Core()
    loaded = framework.load(model, batch_size=batch_size, **asked).request.get_compiled_model()
    settable = core.get_property("CPU", "SUPPORTED_PROPERTIES")
    settings = {name: loaded.get_property(name) for name in loaded.get_property("SUPPORTED_PROPERTIES")
                if settable.get(name) == "RW"}  # fmt: skip
    network = core.read_model(str(model / framework.MODEL))
    shape = network.input(0).partial_shape
    shape[0] = batch_size
    network.reshape(shape)
    return Profiled(core.compile_model(network, "CPU", {**settings, "PERF_COUNT": True}))


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
