"""MNN; what the names mean is told by `__init__.py`."""

PROGRAM = """
{start}
import MNN.expr
import MNN.nn
config = {{"backend": "CPU", "precision": "high", "numThread": 1}}
{config}
runtime = MNN.nn.create_runtime_manager((config,))
module = MNN.nn.load_module_from_file(MODEL + "/model.mnn", ["input"], ["scores"], runtime_manager=runtime)
scores = module.forward(MNN.expr.const(batch, batch.shape, MNN.expr.NCHW)).read().copy()
"""
OBJECTS = ""
TOLD: dict[str, str] = {}
TOGETHER = [{"threads": 2}]
DEPLOYED = ("default", {"threads": 2})
