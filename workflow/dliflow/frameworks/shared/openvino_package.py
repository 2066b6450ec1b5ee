"""OpenVINO's package, as it is imported in every process."""

from __future__ import annotations

import sys


def imported():
    """The package, without its telemetry, which sends an event on import, from measuring processes too."""
    modules: dict = sys.modules
    modules["openvino_telemetry"] = None  # cannot be imported: OpenVINO and NNCF fall back to stubs
    import openvino

    return openvino
