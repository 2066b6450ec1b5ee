"""A PyTorch state dict and the name of its architecture (a file in `architectures/`)."""

from __future__ import annotations

import importlib
import pickle
from pathlib import Path

import numpy as np

from dliflow.errors import DliflowError

FRAMEWORK = "pytorch"
REQUIRED = ("architecture",)


def load(path: Path, architecture: str):
    """Build the architecture and fill in the weights, which are read as data only (`weights_only`)."""
    import torch

    if not path.exists():
        raise DliflowError(f"{path}: there is no such file")
    network = importlib.import_module(f"dliflow.architectures.{architecture}").build()
    try:
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except (RuntimeError, KeyError, EOFError, pickle.UnpicklingError) as error:
        raise DliflowError(f"{path}: the weights do not fit {architecture}: {error}") from error
    return network.eval()


def predict(network, batch: np.ndarray) -> np.ndarray:
    """Eager forward."""
    import torch

    with torch.inference_mode():
        return network(torch.from_numpy(np.ascontiguousarray(batch))).numpy()


def export(network, shape: tuple[int, ...], out: Path) -> int:
    """Export once with torch.export, and that program to ONNX; both take any batch size."""
    import torch

    example = torch.zeros(2, *shape)
    batch = torch.export.Dim("batch", min=1, max=65536)
    program = torch.export.export(network, (example,), dynamic_shapes=({0: batch},))
    torch.export.save(program, out / "model.pt2")
    exported = torch.onnx.export(
        program,
        dynamo=True,
        opset_version=18,
        input_names=["input"],
        output_names=["scores"],
        external_data=False,
        verbose=False,
    )
    model = exported.model_proto
    _strip(model)
    _spell_out(model)
    (out / "model.onnx").write_bytes(model.SerializeToString())
    return int(model.graph.output[0].type.tensor_type.shape.dim[1].dim_value)


def _spell_out(model) -> None:
    """Say the same in the way that every importer understands.

    OpenCV (4.14 and 5.0) takes any product with a HardSigmoid of slope 1/6 for a HardSwish, without a look at what
    the other factor is, and so computes squeeze-and-excite blocks wrongly: the slope becomes one unit in the last
    place smaller. OpenCV 5.0 also counts, in windows of average pooling that reach over the edge (`ceil_mode`), what
    lies beyond as padding: without padding, `count_include_pad` is said to be off.
    """
    slope = np.float32(1 / 6)
    for node in model.graph.node:
        attributes = {attribute.name: attribute for attribute in node.attribute}
        if node.op_type == "HardSigmoid" and np.float32(attributes["alpha"].f) == slope:
            attributes["alpha"].f = float(np.nextafter(slope, np.float32(0)))
        if node.op_type == "AveragePool" and "count_include_pad" in attributes and not any(attributes["pads"].ints):
            attributes["count_include_pad"].i = 0


def _strip(model) -> None:
    """Take out the exporter's notes: they hold paths of this machine, and make equal graphs differ."""
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.initializer, *graph.input, *graph.output):
        del part.metadata_props[:]
        part.doc_string = ""
    del graph.value_info[:]
    del model.functions[:]
