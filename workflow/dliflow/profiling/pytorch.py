"""PyTorch's own profiler: the operators of the exported program, and the kernel inside each.

What was compiled (INT8) calls oneDNN's kernels without the profiler seeing it; oneDNN's own report (its verbose mode)
tells of these. What the compiler made itself, nothing tells of.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from dliflow.frameworks import pytorch as framework
from dliflow.profiling import Operator, Request

PROFILER = "torch.profiler, and for INT8 oneDNN's verbose mode"
REQUEST = "dliflow request"  # what the profile calls all that belongs to one
EIGHT_BITS = ("src:s8:", "src:u8:")


class Profiled:
    """A loaded program that is profiled from its first request on."""

    def __init__(self, session):
        from torch.profiler import ProfilerActivity, profile, record_function

        self.session, self.threads, self.record = session, session.threads, record_function
        self.profiler = profile(activities=[ProfilerActivity.CPU])
        self.profiler.start()

    def predict(self, batch):
        """One request."""
        with self.record(REQUEST):
            return self.session.predict(batch)

    def requests(self):
        """What the profile tells."""
        self.profiler.stop()
        return parsed(self.profiler.events())


class Compiled(Profiled):
    """A program that was compiled, with oneDNN's report beside the profile."""

    def __init__(self, session):
        super().__init__(session)
        self.reports: list[list[str]] = []

    def predict(self, batch):
        """One request."""
        from torch.backends import mkldnn

        with caught() as report, mkldnn.verbose(mkldnn.VERBOSE_ON):
            scores = super().predict(batch)
        self.reports.append(report)
        return scores

    def requests(self):
        """What both tell."""
        both = zip(super().requests(), self.reports)
        return [Request(request.us, [*request.operators, *primitives(report)]) for request, report in both]


def profile(model: Path, *, precision, **asked):
    """The loaded program itself."""
    session = framework.load(model, precision=precision, **asked)
    return Compiled(session) if precision == "int8" else Profiled(session)


def parsed(events: Iterable[Any]) -> list[Request]:
    """The requests among a profile's events: their operators are what they called themselves."""
    requests = [event for event in events if event.name == REQUEST]
    return [Request(one.cpu_time_total, [_operator(event) for event in one.cpu_children]) for one in requests]


def _operator(event: Any) -> Operator:
    kernel = _kernel(event)
    return Operator(event.name, "", "" if kernel is event else kernel.name, False, event.cpu_time_total)


def _kernel(event: Any) -> Any:
    """The innermost operator that does all the work, beside asking for memory."""
    working = [child for child in event.cpu_children if not child.name.startswith("aten::empty")]
    return _kernel(working[0]) if len(working) == 1 else event


@contextlib.contextmanager
def caught() -> Iterator[list[str]]:
    """The lines that C code writes to the standard output inside; they are there at the end."""
    lines: list[str] = []
    flush = ctypes.CDLL(None).fflush
    with tempfile.TemporaryFile() as file:
        flush(None)
        kept = os.dup(1)
        os.dup2(file.fileno(), 1)
        try:
            yield lines
        finally:
            flush(None)
            os.dup2(kept, 1)
            os.close(kept)
        file.seek(0)
        lines += file.read().decode(errors="replace").splitlines()


def primitives(report: Iterable[str]) -> list[Operator]:
    """The kernels that oneDNN ran, by the lines of its report: what, by which kernel, on what, and at the end ms."""
    run = (line.split(",") for line in report if ",primitive,exec,cpu," in line)
    return [
        Operator(f"onednn::{words[5]}", "", words[6], words[8].startswith(EIGHT_BITS), float(words[-1]) * 1e3)
        for words in run
    ]
