"""OpenCV's `getPerfProfile`: the ticks of each layer in the last request."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path

from dliflow.frameworks import opencv as framework
from dliflow.profiling import Operator, Request

PROFILER = "OpenCV's getPerfProfile"


class Profiled(framework.OpenCv):
    """A network that is asked for its ticks after each request; it counts them in any case."""

    def __init__(self, net, threads):
        import cv2

        super().__init__(net, threads)
        self.us_of_tick = 1e6 / cv2.getTickFrequency()
        self.layers = [(net.getLayer(net.getLayerId(name)).type, name) for name in net.getLayerNames()]
        self.seen: list[Request] = []

    def predict(self, batch):
        """One request; the ticks are read when it has ended."""
        started = time.perf_counter_ns()
        scores = super().predict(batch)
        us = (time.perf_counter_ns() - started) / 1e3
        _, ticks = self.net.getPerfProfile()
        self.seen.append(Request(us, operators(self.layers, [tick * self.us_of_tick for tick in ticks.ravel()])))
        return scores

    def requests(self):
        """What the ticks told."""
        return self.seen


def profile(model: Path, **asked):
    """The loaded network itself."""
    loaded = framework.load(model, **asked)
    return Profiled(loaded.net, loaded.threads)


def operators(layers: list[tuple[str, str]], us: Iterable[float]) -> list[Operator]:
    """Layers (type, name) that ran by themselves; those that are fused into others take no time."""
    return [
        Operator(type=kind, name=name, kernel="", int8=kind.endswith("Int8"), us=float(taken))
        for (kind, name), taken in zip(layers, us)
        if taken > 0
    ]
