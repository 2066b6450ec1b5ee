"""A PyTorch state dict, or a checkpoint with one in it, and the name of its architecture (a file in `architectures/`).

It is a file of `torch.save`, or of safetensors.

A checkpoint of a training holds the weights under a key (`state_dict`, `model`), perhaps twice (`state_dict_ema`), and
what wraps a network (DataParallel, `torch.compile`, Lightning, averaging) writes a prefix before each name. So the
weights are what lies under the one prefix that all of the network's own names have in common.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Optional

from dliflow import architectures
from dliflow.errors import DliflowError
from dliflow.sources.shared import export_torch, safetensors

FRAMEWORK = "pytorch"
SUFFIXES = (".pth", ".pth.tar", ".ckpt", ".safetensors")
LAYOUT = "NCHW"
REQUIRED = ("architecture",)

# What torch.compile, FSDP and checkpointing write into names, wherever a part that they wrap stands.
WRAPPERS = re.compile(r"(?<![^.])(?:_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")
PARALLEL = re.compile(r"(?<![^.])module\.")  # what DataParallel writes, also around a part of a network

# What trainings save beside the weights and is no tensor: figures as numpy has them, paths, options, versions. None of
# their classes is made: something without contents stands in each one's place.
UNREAD = (
    *("argparse.Namespace", "numpy.dtype", "numpy.ndarray", "torch.torch_version.TorchVersion"),
    *(f"numpy.{core}.multiarray.{name}" for core in ("core", "_core") for name in ("scalar", "_reconstruct")),
    *(f"pathlib.{kind}" for kind in ("PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath")),
    *("pathlib._local.PosixPath", "pathlib._local.WindowsPath"),
)

predict, export = export_torch.predict, export_torch.export


class Unread:
    """Stands for what is not read of a checkpoint."""

    def __init__(self, *values: Any):
        pass

    def __setstate__(self, state: Any) -> None:
        pass


def load(path: Path, source: dict):
    """Build the architecture and fill in the weights, which are read as data only (`weights_only`)."""
    export_torch.check(source)
    network = architectures.build(source["architecture"], source["options"])
    weights = _weights(_tensors(_read(path)), network, source.get("weights"), path)
    try:
        network.load_state_dict(weights)
    except (RuntimeError, TypeError, AttributeError) as error:
        difference = " ".join(str(error).split())
        raise DliflowError(f"{path}: the weights do not fit {source['architecture']}: {difference}") from error
    return export_torch.one_output(network.eval(), source.get("output"))


def _read(path: Path) -> Any:
    """What `torch.save` wrote, tensors, numbers and texts in dicts and lists; or the tensors of safetensors."""
    import torch

    if path.suffix == ".safetensors":
        return safetensors.read(path)
    try:
        with torch.serialization.safe_globals([(Unread, name) for name in UNREAD]):
            return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise DliflowError(f"{path}: there is no such file") from error
    except pickle.UnpicklingError as error:
        kind = str(error).partition("Unsupported global: GLOBAL ")[2].split(" ")[0] or "something else"
        raise DliflowError(
            f"{path}: not read, since it holds more than tensors ({kind}), and reading that could run code; save the "
            "state dict alone: torch.save(network.state_dict(), FILE)"
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        text = str(error).splitlines()[0]
        hint = "it is a TorchScript file: set source.format: torchscript" if "TorchScript" in text else text
        raise DliflowError(f"{path}: no file of torch.save, or cut off: {hint}") from error


def _tensors(checkpoint: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """All tensors of a checkpoint, with the keys on the way to each joined by dots."""
    import torch

    if isinstance(checkpoint, torch.Tensor):
        yield prefix[:-1], checkpoint
    elif isinstance(checkpoint, Mapping):
        for key, value in checkpoint.items():
            yield from _tensors(value, f"{prefix}{key}.")


def _weights(tensors: Iterator[tuple[str, Any]], network, wanted: Optional[str], path: Path) -> dict[str, Any]:
    """The network's weights, by its own names.

    Args:
        wanted: the entry's `source.weights`: where in the checkpoint they lie.

    Raises:
        DliflowError: when they lie there more than once.
    """
    given = {WRAPPERS.sub("", name): value for name, value in tensors}
    names = [name for name in network.state_dict() if not name.endswith("num_batches_tracked")]  # older files lack it
    plain = {PARALLEL.sub("", name): value for name, value in given.items()}
    if not _places(given, names)[1] and _places(plain, names)[1]:
        given = plain  # PyTorch's example wraps the convolutions of AlexNet and VGG alone: features.module.0.weight
    prefixes, fitting = _places(given, names)
    if wanted is not None:
        fitting = [prefix for prefix in fitting if f"{prefix}.".startswith(f"{wanted}.")]
    if len(fitting) > 1 or (wanted is not None and not fitting):
        places = ", ".join(prefix[:-1] or "the top" for prefix in fitting or prefixes)
        raise DliflowError(
            f"{path}: the checkpoint holds the weights under {places}; set source.weights to one of them"
        )
    prefix = (fitting or prefixes or [""])[0]
    return {name[len(prefix) :]: value for name, value in given.items() if name.startswith(prefix)}


def _places(given: dict[str, Any], names: list[str]) -> tuple[list[str], list[str]]:
    """The prefixes under which the first of a network's names lies in a checkpoint, and those under which all lie."""
    prefixes = sorted({name[: -len(names[0])] for name in given if f".{name}".endswith(f".{names[0]}")})
    return prefixes, [prefix for prefix in prefixes if all(prefix + name in given for name in names)]
