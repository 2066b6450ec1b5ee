"""ONNX Runtime's own profile: a file with the time of each node and the types of its tensors."""

from __future__ import annotations

import json
import tempfile
from bisect import bisect_right
from pathlib import Path
from typing import Any

from dliflow.frameworks import onnxruntime as framework
from dliflow.profiling import Operator, Request

PROFILER = "ONNX Runtime's profile (enable_profiling)"
EIGHT_BITS = ("int8", "uint8")


class Profiled(framework.OnnxRuntime):
    """A session that writes down what each node takes."""

    def __init__(self, session, threads, folder):
        super().__init__(session, threads)
        self.folder = folder  # it is gone with this

    def requests(self):
        """What the file tells, which the session writes when its profile ends."""
        return parsed(json.loads(Path(self.session.end_profiling()).read_text(encoding="utf-8")))


def profile(model: Path, **asked):
    """The loaded session once more, with the settings that it tells itself."""
    import onnxruntime

    loaded = framework.load(model, **asked)
    settings, folder = loaded.session.get_session_options(), tempfile.TemporaryDirectory()
    settings.enable_profiling = True
    settings.profile_file_prefix = str(Path(folder.name, "profile"))
    providers = loaded.session.get_providers()
    session = onnxruntime.InferenceSession(str(model / framework.MODEL), settings, providers=providers)
    return Profiled(session, loaded.threads, folder)


def parsed(events: list[dict[str, Any]]) -> list[Request]:
    """Requests of a profile: events in Chrome's trace format, in µs. A node belongs to the run that it began in."""
    runs = sorted((event for event in events if event["name"] == "model_run"), key=lambda event: event["ts"])
    starts = [run["ts"] for run in runs]
    requests = [Request(float(run["dur"]), []) for run in runs]
    for event in events:
        if event["cat"] == "Node" and event["name"].endswith("_kernel_time"):
            run = bisect_right(starts, event["ts"]) - 1
            if run >= 0:
                requests[run].operators.append(_operator(event))
    return requests


def _operator(event: dict[str, Any]) -> Operator:
    details = event["args"]
    taken = [kind for tensor in details.get("input_type_shape", []) for kind in tensor]
    return Operator(
        type=details["op_name"],
        name=event["name"].removesuffix("_kernel_time"),
        kernel=" ".join([details["provider"].removesuffix("ExecutionProvider"), *taken[:1]]),
        int8=taken[0] in EIGHT_BITS and details["op_name"] != "DequantizeLinear" if taken else None,
        us=float(event["dur"]),
    )
