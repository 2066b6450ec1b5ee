"""PyTorch's own profiler: the operators of the exported program, and the kernel inside each.

What is compiled (INT8, and the variant `compiled`) calls oneDNN's kernels without the profiler seeing it; oneDNN's own
report (its verbose mode) tells of these. What the compiler made itself, nothing tells of.
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

PROFILER = "torch.profiler, and for what is compiled oneDNN's verbose mode"
REQUEST = "dliflow request"  # what the profile calls all that belongs to one
EIGHT_BITS = ("src:s8:", "src:u8:")


class Profiled:
    """A loaded program, with a profile of its own for each request, or requests of others would be profiled too."""

    def __init__(self, session):
        from torch.profiler import ProfilerActivity, profile, record_function

        self.session, self.threads = session, session.threads
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


class Compiled(Profiled):
    """A program that was compiled, with oneDNN's report beside the profile."""

    def predict(self, batch):
        """One request."""
        from torch.backends import mkldnn

        with caught() as report, mkldnn.verbose(mkldnn.VERBOSE_ON):
            scores = super().predict(batch)
        request = self.seen.pop()
        self.seen.append(Request(request.us, [*request.operators, *primitives(report)]))
        return scores


def profile(model: Path, *, precision, variant, **asked):
    """The loaded program itself."""
    session = framework.load(model, precision=precision, variant=variant, **asked)
    return Compiled(session) if framework.is_compiled(variant, precision) else Profiled(session)


def parsed(events: Iterable[Any]) -> Request:
    """The request of a profile's events: its operators are what it called itself."""
    (request,) = (event for event in events if event.name == REQUEST)
    return Request(request.cpu_time_total, [_operator(event) for event in request.cpu_children])


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
