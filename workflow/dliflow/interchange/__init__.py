"""The one ONNX form between sources and frameworks: written at export, read by conversions."""
