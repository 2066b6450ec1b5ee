"""ExecuTorch's models: PyTorch's exported program, or one of the interchange graph, lowered to XNNPACK."""

from __future__ import annotations

from dliflow.conversion.graphs import pytorch_graph
from dliflow.files import read_json
from dliflow.frameworks.executorch import LARGEST, MODEL
from dliflow.interchange import graph


def convert(source, out, precision, calibration):
    """Lower what XNNPACK has; the rest of the program stays with the portable kernels."""
    import torch
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower

    exported = source / "model.pt2"
    program = (
        torch.export.load(exported)
        if exported.exists()
        else pytorch_graph.program(graph.read(source / "model.onnx", "executorch"))
    )
    module = program.module()
    if precision == "int8":
        module = _quantized(module, calibration)
    # A batch of 1 would be taken for a constant; memory is planned for the largest one.
    example = torch.zeros(2, *read_json(source / "interchange.json")["input"]["shape"])
    batch = {0: torch.export.Dim("batch", min=1, max=LARGEST)}
    program = torch.export.export(module, (example,), dynamic_shapes=(batch,))
    lowered = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()]).to_executorch()
    (out / MODEL).write_bytes(lowered.buffer)


def _quantized(module, calibration):
    """Post-training quantization (pt2e) of what XNNPACK computes in int8, weights for each channel."""
    import torch
    from executorch.backends.xnnpack.quantizer import xnnpack_quantizer
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    config = xnnpack_quantizer.get_symmetric_quantization_config(is_per_channel=True)
    prepared = prepare_pt2e(module, xnnpack_quantizer.XNNPACKQuantizer().set_global(config))
    with torch.no_grad():
        for image in torch.from_numpy(calibration).split(1):
            prepared(image.clone())  # observers keep a view's whole storage
    return convert_pt2e(prepared)
