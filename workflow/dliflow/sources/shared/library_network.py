"""What the source formats of libraries share: a known network with weights from a file."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

from dliflow.errors import DliflowError


def load(library: ModuleType, path: Path, source: dict[str, Any]) -> Any:
    """The network that `source.options.network` names.

    Args:
        library: a module of `libraries`.

    Raises:
        DliflowError: when there is no such file or network, or the weights are of another one.
    """
    name = source["options"].get("network")
    if not isinstance(name, str):
        raise DliflowError(f"source.options.network: is missing; the format {source['format']} needs a network's name")
    if not path.exists():
        raise DliflowError(f"{path}: there is no such file")
    try:
        return library.build(name, path)
    except Exception as error:  # libraries raise whatever their layers and readers raise
        reason = " ".join(str(error).split())
        raise DliflowError(f"{path}: {source['format']} cannot make {name} of it: {reason or repr(error)}") from error
