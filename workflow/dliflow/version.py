"""The version of dliflow; apart from the package's `__init__`, so that a release re-runs nothing."""

__version__ = "0.1.0"
