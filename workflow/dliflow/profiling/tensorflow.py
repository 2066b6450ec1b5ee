"""TensorFlow's own profiler: a trace with the time of each operation."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from dliflow.frameworks import tensorflow as framework
from dliflow.profiling import Operator, Request

PROFILER = "TensorFlow's profiler (tf.profiler.experimental)"
REQUEST = "dliflow request"  # what the trace calls all that belongs to one
PS_IN_US = 1e6

Event = tuple[str, str, int, int]
"""Name, kind of operation ('' for what is none), start and duration, ps."""


class Profiled:
    """A concrete function, with a trace of its own for each request, or requests of others would be traced too."""

    def __init__(self, profiler, session):
        self.profiler, self.session, self.threads = profiler, session, session.threads
        self.seen: list[Request] = []

    def predict(self, batch):
        """One request."""
        with tempfile.TemporaryDirectory() as folder:
            self.profiler.start(folder)
            with self.profiler.Trace(REQUEST):
                scores = self.session.predict(batch)
            self.profiler.stop()
            (trace,) = Path(folder).rglob("*.xplane.pb")
            self.seen += parsed(events(trace))
        return scores

    def requests(self):
        """What the traces told."""
        return self.seen


def profile(model: Path, **asked):
    """The loaded function itself."""
    import tensorflow as tf

    return Profiled(tf.profiler.experimental, framework.load(model, **asked))


def events(trace: Path) -> Iterator[Event]:
    """All that a trace holds."""
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    space = xplane_pb2.XSpace()
    space.ParseFromString(trace.read_bytes())
    for plane in space.planes:
        for line in plane.lines:
            for event in line.events:
                called = plane.event_metadata[event.metadata_id]
                started = line.timestamp_ns * 1000 + event.offset_ps
                yield called.name, called.display_name, started, event.duration_ps


def parsed(events: Iterable[Event]) -> list[Request]:
    """Requests, with the operations that began in them on whatever thread."""
    events = sorted(events, key=lambda event: event[2])
    spans = [(start, start + taken) for name, _, start, taken in events if name == REQUEST]
    requests = [Request((end - start) / PS_IN_US, []) for start, end in spans]
    for name, kind, start, taken in events:
        inside = [number for number, (begin, end) in enumerate(spans) if begin <= start < end]
        if kind and inside:
            node = name.rpartition(":")[0]
            requests[inside[0]].operators.append(Operator(kind, node, "", False, taken / PS_IN_US))
    return requests
