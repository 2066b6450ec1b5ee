"""TFLite; what the names mean is told by `__init__.py`."""

PROGRAM = """
{start}
from ai_edge_litert.interpreter import Interpreter
arguments = {{}}
{arguments}
interpreter = Interpreter(MODEL + "/model.tflite", **arguments)
taken = interpreter.get_input_details()[0]["index"]
interpreter.resize_tensor_input(taken, batch.shape, strict=True)
interpreter.allocate_tensors()
interpreter.set_tensor(taken, batch)
interpreter.invoke()
scores = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
"""
OBJECTS = "interpreter = session.interpreter"
TOLD = {"xnnpack": 'any(one["op_name"] == "DELEGATE" for one in interpreter._get_ops_details())'}
TOGETHER = [{"threads": 2, "latest_features": True}, {"xnnpack": False}]
DEPLOYED = ("default", {"threads": 2, "xnnpack": False})
