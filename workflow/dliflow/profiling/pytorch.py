"""PyTorch's own profiler: the operators of the exported program, and the kernel inside each that takes longest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from dliflow.errors import Skip
from dliflow.frameworks import pytorch as framework
from dliflow.profiling import Operator, Request

PROFILER = "torch.profiler"
REQUEST = "dliflow request"  # what the profile calls all that belongs to one


class Profiled:
    """A loaded program, with a profile of its own for each request."""

    def __init__(self, session):
        from torch.profiler import ProfilerActivity, profile, record_function

        self.session = session
        self.activities, self.profile, self.record = [ProfilerActivity.CPU], profile, record_function
        self.seen: list[Request] = []

    def predict(self, batch):
        """One request."""
        with self.profile(activities=self.activities) as profiler, self.record(REQUEST):
            scores = self.session.predict(batch)
        self.seen.append(parsed(profiler.events()))
        return scores

    def requests(self):
        """What the profiles told."""
        return self.seen


def profile(model: Path, *, precision, **asked):
    """The loaded program itself.

    Raises:
        Skip: for what AOTInductor compiled, whose kernels are no operators of PyTorch.
    """
    if precision == "int8":
        raise Skip("PyTorch's INT8 models are compiled (AOTInductor), and torch.profiler does not see into these")
    return Profiled(framework.load(model, precision=precision, **asked))


def parsed(events: Iterable[Any]) -> Request:
    """The request of a profile's events: its operators are what it called itself."""
    (request,) = (event for event in events if event.name == REQUEST)
    return Request(request.cpu_time_total, [_operator(event) for event in request.cpu_children])


def _operator(event: Any) -> Operator:
    kernel = max(_inside(event), key=lambda one: one.self_cpu_time_total)
    return Operator(event.name, "", "" if kernel is event else kernel.name, False, event.cpu_time_total)


def _inside(event: Any) -> Iterator[Any]:
    yield event
    for child in event.cpu_children:
        yield from _inside(child)
