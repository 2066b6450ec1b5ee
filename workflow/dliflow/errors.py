"""The two ways in which a stage can end early on purpose."""

from __future__ import annotations


class DliflowError(Exception):
    """Something the user can act on: shown as one message, without a traceback."""


class Skip(Exception):
    """A declared inability of a framework; it becomes a `skipped` row with this reason."""
