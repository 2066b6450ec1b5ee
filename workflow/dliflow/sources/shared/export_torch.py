"""What the PyTorch source formats share: from an exported program to the interchange files."""

from __future__ import annotations

import copy
import logging
import warnings
from pathlib import Path
from typing import Optional

from dliflow import sources
from dliflow.errors import DliflowError
from dliflow.images import batches
from dliflow.interchange import form
from dliflow.interchange.form import chosen
from dliflow.interchange.program import without_traces

IN_TRAINING = {
    **dict.fromkeys(("dropout", "native_dropout", "feature_dropout", "alpha_dropout"), 2),
    **dict.fromkeys(("batch_norm", "_native_batch_norm_legit", "_native_batch_norm_legit_functional"), 5),
}
"""Operators that compute in another way in training, and the place of the argument that says so."""


def refuse_training(path: Path, operators: list[str]) -> None:
    """Refuse a program whose operators compute as in training.

    Raises:
        DliflowError: naming them.
    """
    if operators:
        raise DliflowError(
            f"{path}: was exported in training mode ({', '.join(sorted(set(operators)))}), where scores depend on "
            "chance or on the other images of a batch; call eval() of the network, and export it again"
        )


def quietly(function, *arguments, **options):
    """Call without torch's progress messages and deprecation warnings, which are of no use to the user."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before = logging.root.manager.disable
        logging.disable(logging.WARNING)
        try:
            return function(*arguments, **options)
        finally:
            logging.disable(before)


def check(source: dict) -> None:
    """Refuse what an entry says of the input that no network of PyTorch has: names of inputs, and another layout."""
    sources.only_nchw(source)
    if "input" in source:
        raise DliflowError(f"source.input: {source['input']}: networks of PyTorch have one input; leave it out")


def outputs(given) -> dict:
    """What a network gives, by names: keys of a dict, fields of a named tuple, numbers from 0 on, or `a.0`."""
    from torch.utils import _pytree

    paths = _pytree.tree_flatten_with_path(given)[0]
    return {".".join(str(step).strip(".[]'") for step in path) or "0": value for path, value in paths}


def one_output(network, wanted: Optional[str], batch_size: Optional[int] = None, dtype=None):
    """The network as a module that gives one tensor (batch, scores): its only output, or that of `source.output`.

    Args:
        batch_size: the size that the network was exported for; None for any.
        dtype: what it takes, where that is not float32.
    """
    import torch

    class OneOutput(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.network = network

        def forward(self, images):
            scores = self.pick(self.network(images if dtype is None else images.to(dtype)))[1]
            return scores.flatten(1) if scores.ndim > 2 else scores

        def pick(self, given):
            """The position and the value of the output that is meant, by its name or by its number."""
            values = outputs(given)
            names, tensors = list(values), [name for name, value in values.items() if value is not None]
            place = int(wanted) if wanted and wanted not in values and wanted.isdigit() else len(names)
            name = names[place] if place < len(names) else chosen("output", tensors, wanted)
            if values[name] is None:
                raise DliflowError(f"source.output: {wanted}: it is None; the model's outputs are {', '.join(tensors)}")
            return names.index(name), values[name]

    module = OneOutput()
    module.batch_size = batch_size
    module.training = False  # its eval() would call that of exported programs, which have none
    return module


def predict(network, batch):
    """Scores of a torch module, float32 (batch, scores), for images of float32, or for pixels, which become float32;
    part by part where it takes one size.

    Raises:
        DliflowError: when the network cannot take them, or gives something else.
    """
    import numpy as np
    import torch

    if batch.dtype not in (np.float32, np.uint8):
        raise DliflowError(f"input.dtype: {batch.dtype}: networks of PyTorch are given float32, or pixels by uint8")
    batch = batch.astype(np.float32, copy=False)
    size = getattr(network, "batch_size", None) or len(batch)
    parts = [_scores(network, torch.from_numpy(part)) for part in batches.parts(batch, size)]
    return np.concatenate(parts)[: len(batch)]


def _scores(network, images):
    """Scores of one batch, checked."""
    import torch

    with torch.inference_mode():
        try:
            scores = network(images)
        except DliflowError:
            raise
        except Exception as error:  # torch names no narrower class
            raise DliflowError(f"the network cannot take inputs {list(images.shape)}: {_first_line(error)}") from error
        if not isinstance(scores, torch.Tensor) or not scores.is_floating_point():
            kind = scores.dtype if isinstance(scores, torch.Tensor) else type(scores).__name__
            raise DliflowError(f"the network gives {kind} where scores (a tensor of float32) are expected")
        return scores.float().numpy()


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [repr(error)]
    return lines[-1 if "TorchScript interpreter" in lines[0] else 0]  # which tells the reason behind its traceback


def program(module, shape: tuple[int, ...], batch_size: Optional[int] = None):
    """Export a module for any batch size, or for one.

    Raises:
        DliflowError: when it cannot be, for instance because a batch size is built in.
    """
    import torch

    sizes = None if batch_size else ({0: torch.export.Dim("batch", min=1, max=65536)},)
    images = torch.zeros(batch_size or 2, *shape)
    try:
        return quietly(torch.export.export, module, (images,), dynamic_shapes=sizes)
    except DliflowError:
        raise
    except Exception as error:  # torch names no narrower class
        raise DliflowError(
            f"the network cannot be exported for any batch size of inputs {list(shape)}: {_first_line(error)}; "
            "does the input's size fit, and is a batch size built in?"
        ) from error


def _write_graph(exported, shape: tuple[int, ...], out: Path) -> int:
    """Write `model.onnx`; returns the number of scores."""
    import torch

    # The exporter changes the program that it is given.
    model = quietly(
        torch.onnx.export, copy.deepcopy(exported), dynamo=True, opset_version=18, external_data=False, verbose=False
    ).model_proto
    return form.write(model, shape, "NCHW", out)


def export(network, shape: tuple[int, ...], out: Path) -> int:
    """Export once with torch.export, and that program to ONNX; both take any batch size, and need no library any more.

    Of a program with a batch size built in, the graph alone is written, which may be freed of it.

    The arguments are those of a source format's `export`.
    """
    import torch

    try:
        exported = program(network, shape)
    except DliflowError:
        batch_size = getattr(network, "batch_size", None)
        if batch_size is None:
            raise
        return _write_graph(program(network, shape, batch_size), shape, out)
    torch.export.save(without_traces(exported), out / "model.pt2")
    return _write_graph(exported, shape, out)
