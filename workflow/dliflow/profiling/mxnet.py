"""MXNet's own profiler: the time of each kind of operator, added up over a request."""

from __future__ import annotations

import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from dliflow.frameworks import mxnet as framework
from dliflow.profiling import Operator, Request

PROFILER = "MXNet's profiler (aggregate_stats)"
BULK = "MXNET_EXEC_BULK_EXEC_INFERENCE"
OF_THE_ENGINE = ("WaitForVar", "DeleteVariable")  # what it counts beside operators


class Profiled:
    """A network whose profile is read after each request."""

    def __init__(self, profiler, session, eight_bits: set[str]):
        self.profiler, self.session, self.eight_bits = profiler, session, eight_bits
        self.threads = session.threads
        self.seen: list[Request] = []
        asked = {"profile_symbolic": True, "profile_imperative": True, "aggregate_stats": True}
        # It writes a file when the process ends, and removes what is there before: /dev/null itself, where root asks.
        self.folder = tempfile.TemporaryDirectory()  # gone by then
        profiler.set_config(filename=os.path.join(self.folder.name, "profile.json"), **asked)

    def predict(self, batch):
        """One request."""
        self.profiler.set_state("run")
        os.environ[BULK] = "0"  # it is read when the operators are first laid out, and is for this network alone
        started = time.perf_counter_ns()
        scores = self.session.predict(batch)
        us = (time.perf_counter_ns() - started) / 1e3
        del os.environ[BULK]
        self.profiler.set_state("stop")
        counted = json.loads(self.profiler.dumps(reset=True, format="json"))
        self.seen.append(Request(us, parsed(counted, self.eight_bits)))
        return scores

    def requests(self):
        """What the profiles told."""
        return self.seen


def profile(model: Path, **asked):
    """The loaded network. A hybrid one hands its operators over one by one, or only the whole would be told."""
    import mxnet as mx

    session = framework.load(model, **asked)
    symbol = json.loads((model / framework.SYMBOL).read_text(encoding="utf-8"))
    return Profiled(mx.profiler, session, eight_bits(symbol))


def eight_bits(symbol: dict[str, Any]) -> set[str]:
    """Kinds of operators that compute on integers of 8 bits, in all places of a symbol."""
    quantized: dict[str, bool] = {}
    for node in symbol["nodes"]:
        marked = node.get("attrs", {}).get("quantized", "").lower() == "true"
        quantized[node["op"]] = marked and quantized.get(node["op"], True)
    return {name for name, all_are in quantized.items() if all_are or name.startswith("_contrib_quantized")}


def parsed(counted: dict[str, Any], eight_bits: set[str]) -> list[Operator]:
    """The operators of a request: each kind as often as it was called, with its mean time (ms in the profile)."""
    return [
        Operator(name, "", "", name in eight_bits, figures["Total"] / figures["Count"] * 1e3)
        for name, figures in counted["Time"].get("operator", {}).items()
        if name not in OF_THE_ENGINE
        for _ in range(figures["Count"])
    ]
