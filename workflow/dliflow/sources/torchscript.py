"""A TorchScript file (`torch.jit.save`), traced or scripted.

It becomes an exported program, so that it takes the same way as every other PyTorch model.
"""

from __future__ import annotations

from pathlib import Path

from dliflow.errors import DliflowError
from dliflow.sources.shared import export_torch, torchscript_code

FRAMEWORK = "pytorch"
SUFFIXES = (".pt", ".ts", ".torchscript")
LAYOUT = "NCHW"

predict = export_torch.predict


def load(path: Path, source: dict):
    """Read the program, once it is seen to compute only; TorchScript's reader makes no Python objects."""
    import torch

    export_torch.check(source)
    if not path.exists():
        raise DliflowError(f"{path}: there is no such file")
    try:
        torchscript_code.check(path)
        program = export_torch.quietly(torch.jit.load, path, map_location="cpu").eval()
    except (RuntimeError, ValueError, OSError, EOFError) as error:
        raise DliflowError(
            f"{path}: no TorchScript file, or cut off (a state dict is read with source.format: pytorch_state_dict): "
            f"{str(error).splitlines()[0]}"
        ) from error
    export_torch.refuse_training(path, _in_training(program))
    return export_torch.one_output(program, source.get("output"))


def _in_training(program) -> list[str]:
    """The operators that compute as in training whatever eval() says, as in what was traced so."""
    graph = program.inlined_graph  # the nodes live as long as it
    return [
        name
        for name, place in export_torch.IN_TRAINING.items()
        for node in graph.findAllNodes(f"aten::{name}")
        if list(node.inputs())[place].toIValue() is True
    ]


def export(network, shape: tuple[int, ...], out: Path) -> int:
    """Translate the program to one of torch.export, for any batch size."""
    import torch
    from torch._export.converter import TS2EPConverter

    try:
        images = torch.zeros(2, *shape)
        position, _ = network.pick(network.network(images))
        converter = export_torch.quietly(TS2EPConverter, network.network, (images,))
        converted = export_torch.quietly(converter.convert)
    except DliflowError:
        raise
    except Exception as error:  # torch names no narrower class
        text = (str(error).splitlines() or [repr(error)])[0]
        raise DliflowError(
            f"the TorchScript program cannot be translated for inputs {list(shape)}: {text}; save it with "
            "torch.export.save, or as a state dict with its architecture"
        ) from error
    # The translation has its batch size fixed; its module has not. Its outputs are in order, and may have no names.
    module = export_torch.one_output(converted.module(check_guards=False), str(position))
    return export_torch.export(module, shape, out)
