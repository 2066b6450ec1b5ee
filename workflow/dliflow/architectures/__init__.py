"""Architectures, one file each; its name is the `source.architecture` of a model's entry.

Each has `build(**options) -> network`, with random weights, in the framework of the source formats that it serves:
`torch.nn.Module` or `mxnet.gluon.HybridBlock`. The options are the `source.options` of a model's entry.
"""

from __future__ import annotations

import importlib
import inspect
from typing import Any

from dliflow.errors import DliflowError


def build(name: str, options: dict[str, Any]):
    """The network of an architecture.

    Raises:
        DliflowError: for an option that it does not know or that it needs.
    """
    function = importlib.import_module(f"dliflow.architectures.{name}").build
    signature = inspect.signature(function)
    known = ", ".join(signature.parameters) or "none"
    for option in options:
        if option not in signature.parameters:
            raise DliflowError(
                f"source.options.{option}: unknown option of the architecture {name}; known ones: {known}"
            )
    for option, parameter in signature.parameters.items():
        if parameter.default is inspect.Parameter.empty and option not in options:
            raise DliflowError(f"source.options: the architecture {name} needs the option '{option}'")
    return function(**options)
