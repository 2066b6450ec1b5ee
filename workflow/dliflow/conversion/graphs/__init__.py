"""The interchange graph made into another: of a framework's own operations, or a smaller one in ONNX."""
