"""TensorFlow; what the names mean is told by `__init__.py`."""

PROGRAM = """
{start}
import tensorflow as tf
tf.config.threading.set_inter_op_parallelism_threads(1)
{tf}
model = tf.saved_model.load(MODEL + "/saved_model")
function = model.signatures["serving_default"]
{function}
scores = function(input=tf.constant(batch))["scores"].numpy()
"""
OBJECTS = "import tensorflow as tf\nfunction = session.function"
TOLD = {
    "threads": "tf.config.threading.get_intra_op_parallelism_threads()",
    "inter_op_threads": "tf.config.threading.get_inter_op_parallelism_threads()",
    "onednn": '__import__("tensorflow.python.util._pywrap_util_port", fromlist=["*"]).IsMklEnabled()',
    "jit_compile": 'getattr(function, "_jit_compile", None)',
}
TOGETHER = [{"threads": 1, "inter_op_threads": 2, "onednn": False}, {"jit_compile": True}]
DEPLOYED = ("default", {"threads": 2, "onednn": False})
