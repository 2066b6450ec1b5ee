"""Weights of torchvision's, which the library itself puts into its network: `source.options.network` is its name."""

from __future__ import annotations

from pathlib import Path

from dliflow.libraries import torchvision
from dliflow.sources.shared import export_torch, library_network

FRAMEWORK = "pytorch"
ENVIRONMENT = torchvision.ENVIRONMENT
LAYOUT = "NCHW"

predict, export = export_torch.predict, export_torch.export


def load(path: Path, source: dict):
    """The network with its weights, which are read as data only."""
    export_torch.check(source)
    return library_network.load(torchvision, path, source)
