"""OpenCV; what the names mean is told by `__init__.py`."""

PROGRAM = """
{start}
import cv2
{cv2}
net = cv2.dnn.readNetFromONNX(MODEL + "/model.onnx")
{net}
net.setInput(batch)
scores = net.forward()
"""
OBJECTS = "import cv2"
TOLD = {"threads": "cv2.getNumThreads()"}
TOGETHER = [{"threads": 1, "classic_engine": True, "fusion": False, "winograd": False}]
DEPLOYED = ("default", {"threads": 1, "winograd": False})
