"""What the PyTorch source formats share: from an exported program to the interchange files."""

from __future__ import annotations

import copy
import logging
import warnings
from pathlib import Path
from typing import Optional

from dliflow.errors import DliflowError
from dliflow.interchange import form
from dliflow.interchange.form import chosen


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


def outputs(given) -> dict:
    """What a network gives, by names: keys of a dict, fields of a named tuple, numbers from 0 on, or `a.0`."""
    from torch.utils import _pytree

    paths = _pytree.tree_flatten_with_path(given)[0]
    return {".".join(str(step).strip(".[]'") for step in path) or "0": value for path, value in paths}


def one_output(network, wanted: Optional[str]):
    """The network as a module that gives one tensor (batch, scores): its only output, or that of `source.output`."""
    import torch

    class OneOutput(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.network = network

        def forward(self, images):
            scores = self.pick(self.network(images))[1]
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
    module.training = False  # its eval() would call that of exported programs, which have none
    return module


def predict(network, batch):
    """Scores of a torch module, float32 (batch, scores), for float32 images.

    Raises:
        DliflowError: when the network cannot take them, or gives something else.
    """
    import numpy as np
    import torch

    form.check_dtype("float32", batch.dtype.name)
    with torch.inference_mode():
        try:
            scores = network(torch.from_numpy(np.ascontiguousarray(batch)))
        except DliflowError:
            raise
        except Exception as error:  # torch names no narrower class
            raise DliflowError(f"the network cannot take inputs {list(batch.shape)}: {_first_line(error)}") from error
        if not isinstance(scores, torch.Tensor) or not scores.is_floating_point():
            kind = scores.dtype if isinstance(scores, torch.Tensor) else type(scores).__name__
            raise DliflowError(f"the network gives {kind} where scores (a tensor of float32) are expected")
        return scores.float().numpy()


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [repr(error)])[0]


def program(module, shape: tuple[int, ...]):
    """Export a module for any batch size.

    Raises:
        DliflowError: when it cannot be, for instance because a batch size is built in.
    """
    import torch

    batch = {0: torch.export.Dim("batch", min=1, max=65536)}
    try:
        return quietly(torch.export.export, module, (torch.zeros(2, *shape),), dynamic_shapes=(batch,))
    except DliflowError:
        raise
    except Exception as error:  # torch names no narrower class
        raise DliflowError(
            f"the network cannot be exported for any batch size of inputs {list(shape)}: {_first_line(error)}; "
            "does the input's size fit, and is a batch size built in?"
        ) from error


def write(exported, shape: tuple[int, ...], out: Path) -> int:
    """Write `model.pt2` and `model.onnx`; returns the number of scores."""
    import torch

    torch.export.save(exported, out / "model.pt2")
    # The exporter changes the program that it is given.
    model = quietly(
        torch.onnx.export, copy.deepcopy(exported), dynamo=True, opset_version=18, external_data=False, verbose=False
    ).model_proto
    return form.write(model, shape, "NCHW", out)


def export(network, shape: tuple[int, ...], out: Path) -> int:
    """Export once with torch.export, and that program to ONNX; both take any batch size, and need no library any more.

    The arguments are those of a source format's `export`.
    """
    return write(program(network, shape), shape, out)
