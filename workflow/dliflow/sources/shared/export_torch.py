"""What the PyTorch source formats share: from an exported program to the interchange files."""

from __future__ import annotations

import copy
import logging
import warnings
from pathlib import Path

from dliflow.errors import DliflowError
from dliflow.interchange import form


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


def predict(network, batch):
    """Scores of a torch callable, float32 (batch, scores), for float32 images."""
    import numpy as np
    import torch

    with torch.inference_mode():
        return network(torch.from_numpy(np.ascontiguousarray(batch))).numpy().astype(np.float32, copy=False)


def program(module, shape: tuple[int, ...]):
    """Export a module for any batch size.

    Raises:
        DliflowError: when it cannot be, for instance because a batch size is built in.
    """
    import torch

    batch = {0: torch.export.Dim("batch", min=1, max=65536)}
    try:
        return quietly(torch.export.export, module, (torch.zeros(2, *shape),), dynamic_shapes=(batch,))
    except Exception as error:  # torch names no narrower class
        text = str(error).strip().splitlines()
        raise DliflowError(
            f"the network cannot be exported for any batch size of inputs {list(shape)}: "
            f"{text[0] if text else error!r}; does the input's size fit, and is a batch size built in?"
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
