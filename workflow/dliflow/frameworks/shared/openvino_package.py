"""OpenVINO's package, as it is imported in every process, and what its versions call differently."""

from __future__ import annotations

import inspect
import sys

from dliflow.errors import Skip


def imported():
    """The package, without its telemetry, which sends an event on import, from measuring processes too.

    Before 2023.1 everything was in `openvino.runtime`.
    """
    modules: dict = sys.modules
    modules["openvino_telemetry"] = None  # cannot be imported: OpenVINO and NNCF fall back to stubs
    import openvino

    if hasattr(openvino, "Core"):
        return openvino
    import openvino.runtime

    return openvino.runtime


def sharing(function, outputs: bool = False) -> dict[str, bool]:
    """The arguments with which a request reads its input where it lies, as the installed version calls them.

    Before 2023.0 there are none: the input is copied.

    Args:
        function: of the package, which starts a request.
        outputs: whether the scores stay in the request's own memory.
    """
    known = inspect.signature(function).parameters
    inputs = [name for name in ("share_inputs", "shared_memory") if name in known]  # the latter before 2023.1
    given = dict.fromkeys(inputs, True)
    if "share_outputs" in known:
        return {**given, "share_outputs": outputs}
    if outputs:
        raise Skip("this OpenVINO copies the scores out of its requests; options.shared_outputs needs 2023.2")
    return given
