"""Threads: what was inherited never decides, what is asked for does."""

from __future__ import annotations

import os


def apply(variables: dict[str, str]) -> None:
    """Set a framework's own variables; to be called before the framework is imported."""
    os.environ.update(variables)
