"""The interchange graph, operation by operation, in the terms of a framework that cannot read ONNX."""
