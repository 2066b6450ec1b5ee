"""Threads: what was inherited never decides, what is asked for does."""

from __future__ import annotations

import os
from typing import Optional


def parse(text: str) -> Optional[int]:
    """`default` is None, the framework's own choice; otherwise the number of threads."""
    return None if text == "default" else int(text)


def apply(variables: dict[str, str]) -> None:
    """Set a framework's own variables; to be called before the framework is imported."""
    os.environ.update(variables)
