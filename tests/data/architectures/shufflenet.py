"""The small network of that name in `networks.py`."""

from __future__ import annotations

from networks import shufflenet as build

__all__ = ["build"]
