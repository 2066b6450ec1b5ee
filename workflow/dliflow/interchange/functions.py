"""Operators that are made of others, written out: functions that a file brings, and operators that ONNX so defines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dliflow.interchange.inference import OPSET

REDEFINED = "GroupNormalization"
"""The one operator whose operands have other shapes before opset 21."""
UNKNOWN = "MeanVarianceNormalization"
"""An operator that is older, but that few importers have."""


def is_newer(operator: str) -> bool:
    """Whether an operator of ONNX's is none of `OPSET`'s, or is one that few know."""
    import onnx

    return operator in (REDEFINED, UNKNOWN) or not onnx.defs.has(operator, OPSET, "")


def written_out(model: Any, meant: Callable[[str], bool]) -> Any:
    """The model without functions of its own, as PyTorch's exporters write them, and without the operators meant.

    Args:
        model: an `onnx.ModelProto`; it is left as it is.
        meant: whether an operator of ONNX's, by its name, is to be written out, where ONNX tells of what it is made.
    """
    import onnx
    from onnx.inliner import inline_local_functions, inline_selected_functions

    if model.functions:
        model = inline_local_functions(model, convert_version=True)
    asked = sorted(
        {node.op_type for node in model.graph.node if node.domain in ("", "ai.onnx") and meant(node.op_type)}
    )
    if not asked:
        return model
    described = onnx.shape_inference.infer_shapes(model)  # some are made of others by the types of their operands
    described.graph.value_info.extend(
        onnx.helper.make_tensor_value_info(item.name, item.data_type, item.dims) for item in described.graph.initializer
    )
    model = inline_selected_functions(described, [("", name) for name in asked], inline_schema_functions=True)
    del model.graph.value_info[:]
    return model
