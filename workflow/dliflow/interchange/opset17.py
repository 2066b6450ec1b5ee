"""The interchange form in opset 17, for readers that know no newer one, such as OpenCV 4.7, OpenVINO 2023.0, onnx 1.12.

In it reductions have their axes as an attribute. Such readers take opset 18's axes, which are an input, for absent.
"""

from __future__ import annotations

from typing import Any, Optional

from dliflow.errors import Skip
from dliflow.interchange import inference

OPSET = 17
# Operators whose form, beside that of reductions, is another one in opset 18.
SINCE_18 = (
    "CenterCropPad",
    "Col2Im",
    "GroupNormalization",
    "LpPool",
    "Mish",
    "Pad",
    "Resize",
    "ScatterElements",
    "ScatterND",
    "Split",
)


def lower(model: Any) -> Optional[str]:
    """Bring a model to opset 17, in place.

    Returns:
        None; or the operator that has another form there, in which case the model is left as it is.
    """
    import onnx

    values = {item.name: item for item in model.graph.initializer}
    nodes = model.graph.node
    reductions = [node for node in nodes if node.op_type.startswith("Reduce") and node.op_type != "ReduceSum"]
    newer = [node.op_type for node in nodes if node.op_type in SINCE_18]
    newer += [node.op_type for node in reductions if not values.keys() >= set(node.input[1:])]
    newer += [node.op_type for node in reductions if _left_alone(node)]
    if newer:
        return newer[0]
    for node in reductions:
        kept = [attribute for attribute in node.attribute if attribute.name == "keepdims"]  # the other is newer
        for name in node.input[1:]:
            axes = onnx.numpy_helper.to_array(values[name]).tolist()
            kept.append(onnx.helper.make_attribute("axes", axes))
        del node.input[1:], node.attribute[:]
        node.attribute.extend(kept)
    del model.opset_import[:]
    model.opset_import.append(onnx.helper.make_opsetid("", OPSET))
    inference.check(model)
    return None


def _left_alone(node: Any) -> bool:
    """Whether a reduction without axes does nothing; in opset 17 it would reduce all of them."""
    return len(node.input) == 1 and any(item.name == "noop_with_empty_axes" and item.i for item in node.attribute)


def shapes(model: Any, framework: str) -> inference.Shapes:
    """What `inference.whole` tells, by an onnx that knows no newer opset.

    Raises `Skip`, in the framework's name, where it does not know an operator, or would have to compute constants.
    """
    import onnx.numpy_helper
    import onnx.shape_inference  # neither comes with onnx itself there

    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    operator = lower(copy) or next((node.op_type for node in copy.graph.node if node.op_type == "Shape"), None)
    if operator:
        raise Skip(f"{framework}: operator {operator} needs a newer onnx than this environment's {onnx.__version__}")
    return inference.whole(copy)
