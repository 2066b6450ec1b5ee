"""TensorFlow's own profiler: a trace with the time of each operation."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from dliflow.frameworks import tensorflow as framework
from dliflow.profiling import Operator, Request

PROFILER = "TensorFlow's profiler (tf.profiler.experimental)"
REQUEST = "dliflow request"  # what the trace calls all that belongs to one
PS_IN_US = 1e6


class Profiled:
    """A concrete function that is traced from its first request on."""

    def __init__(self, profiler, session):
        self.profiler, self.session, self.threads = profiler, session, session.threads
        self.folder = tempfile.TemporaryDirectory()
        profiler.start(self.folder.name)

    def predict(self, batch):
        """One request."""
        with self.profiler.Trace(REQUEST):
            return self.session.predict(batch)

    def requests(self):
        """What the trace tells."""
        from tensorflow.tsl.profiler.protobuf import xplane_pb2

        self.profiler.stop()
        (trace,) = Path(self.folder.name).rglob("*.xplane.pb")
        space = xplane_pb2.XSpace()
        space.ParseFromString(trace.read_bytes())
        return parsed(event for plane in space.planes for event in events(plane))


def profile(model: Path, **asked):
    """The loaded function itself."""
    import tensorflow as tf

    return Profiled(tf.profiler.experimental, framework.load(model, **asked))


def events(plane: Any):
    """Name, kind of operation ('' for what is none), start and duration in ps of all that a plane of a trace holds."""
    for line in plane.lines:
        for event in line.events:
            called = plane.event_metadata[event.metadata_id]
            yield called.name, called.display_name, line.timestamp_ns * 1000 + event.offset_ps, event.duration_ps


def parsed(events) -> list[Request]:
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
