"""How options are written on a stage's command line: one way, whoever starts it."""

from __future__ import annotations

import json
import shlex
from typing import Any


def words(**values: Any) -> list[str]:
    """`--key value` for each value; a mapping or list is JSON, True a flag. None is left out: absence is nothing.

    Keys of mappings are sorted: in which order a file has them decides nothing.
    """
    parts: list[str] = []
    for key, value in values.items():
        if value is None or value is False:
            continue
        parts.append(f"--{key.replace('_', '-')}")
        if value is not True:
            parts.append(json.dumps(value, sort_keys=True) if isinstance(value, (dict, list)) else str(value))
    return parts


def text(**values: Any) -> str:
    """The same as one text, quoted for a shell."""
    return shlex.join(words(**values))


def worker(python: str, inputs: int, **held: Any) -> list[str]:
    """The command of a worker.

    Args:
        python: of its framework's environment.
        inputs: the descriptor that it inherits.
        held: what it is to hold: the options of `session.arguments`, `launch` and `distinct`.
    """
    return [python, "-m", "dliflow", "worker", *words(**held, inputs=inputs)]
