"""The version of dliflow and of its method; apart from the package's `__init__`, so that a release re-runs nothing."""

__version__ = "0.1.0"
# Rises when a figure of before and one of after may not be set against each other; a collection draws no line across.
METHOD = 2
