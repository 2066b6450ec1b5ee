"""ExecuTorch; what the names mean is told by `__init__.py`."""

PROGRAM = """
{start}
import torch
from executorch.extension.pybindings import portable_lib
from executorch.runtime import Runtime
{portable_lib}
program = Runtime.get().load_program(MODEL + "/model.pte")
method = program.load_method("forward")
scores = method.execute([torch.from_numpy(batch)])[0].numpy()
"""
OBJECTS = "from executorch.extension.pybindings import portable_lib"
TOLD = {"threads": "portable_lib._threadpool_get_thread_count()"}
TOGETHER = [{"threads": 1}]
DEPLOYED = ("default", {"threads": 1})
