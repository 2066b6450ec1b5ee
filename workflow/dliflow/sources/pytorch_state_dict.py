"""A PyTorch state dict and the name of its architecture (a file in `architectures/`)."""

from __future__ import annotations

import pickle
from pathlib import Path

from dliflow import architectures, sources
from dliflow.errors import DliflowError
from dliflow.sources.shared import export_torch

FRAMEWORK = "pytorch"
SUFFIXES = (".pth",)
LAYOUT = "NCHW"
REQUIRED = ("architecture",)

predict = export_torch.predict


def load(path: Path, source: dict):
    """Build the architecture and fill in the weights, which are read as data only (`weights_only`)."""
    import torch

    sources.only_nchw(source)
    network = architectures.build(source["architecture"], source["options"])
    try:
        weights = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise DliflowError(f"{path}: there is no such file") from error
    except pickle.UnpicklingError as error:
        raise DliflowError(
            f"{path}: not read, since it holds more than tensors, and reading that could run code; save the state dict "
            "alone: torch.save(network.state_dict(), FILE)"
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise DliflowError(f"{path}: no file of torch.save, or cut off: {str(error).splitlines()[0]}") from error
    try:
        network.load_state_dict(weights)
    except (RuntimeError, TypeError, AttributeError) as error:
        difference = " ".join(str(error).split())
        raise DliflowError(f"{path}: the weights do not fit {source['architecture']}: {difference}") from error
    return network.eval()


def export(network, shape: tuple[int, ...], out: Path) -> int:
    """Export once with torch.export, and that program to ONNX; both take any batch size."""
    return export_torch.write(export_torch.program(network, shape), shape, out)
