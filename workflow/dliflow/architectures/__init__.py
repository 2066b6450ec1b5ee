"""Architectures, one file each; its name is the `source.architecture` of a model's entry.

Each has `build(**options) -> network`, with random weights, in the framework of the source formats that it serves:
`torch.nn.Module` or `mxnet.gluon.HybridBlock`. The options are the `source.options` of a model's entry.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator
from typing import Any

from dliflow.errors import DliflowError
from dliflow.wording import suggestion


def wrong_options(name: str, options: dict[str, Any]) -> Iterator[str]:
    """Each option of an entry that an architecture does not know, or needs and does not get."""
    parameters = inspect.signature(importlib.import_module(f"dliflow.architectures.{name}").build).parameters
    for option in options:
        if option not in parameters:
            yield f"source.options.{option}: unknown option of the architecture {name}{suggestion(option, parameters)}"
    for option, parameter in parameters.items():
        if parameter.default is inspect.Parameter.empty and option not in options:
            yield f"source.options: the architecture {name} needs the option '{option}'"


def build(name: str, options: dict[str, Any]):
    """The network of an architecture.

    Raises:
        DliflowError: for an option that it does not know or that it needs.
    """
    problems = list(wrong_options(name, options))
    if problems:
        raise DliflowError("\n".join(problems))
    return importlib.import_module(f"dliflow.architectures.{name}").build(**options)
