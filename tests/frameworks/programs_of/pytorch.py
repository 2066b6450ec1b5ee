"""PyTorch; what the names mean is told by `__init__.py`."""

PROGRAM = """
{start}
import runpy
import torch
{torch}
model = runpy.run_path(MODEL + "/network.py")["load"]()
{model}
with torch.inference_mode():
    scores = model(torch.from_numpy(batch)).numpy()
"""
OBJECTS = "import torch\nmodel = session.module"
TOLD = {
    "threads": "torch.get_num_threads()",
    "channels_last": (
        "any(p.is_contiguous(memory_format=torch.channels_last) and not p.is_contiguous() for p in model.parameters())"
    ),
    "allocator": '__import__("os").environ.get("LD_PRELOAD")',
}
LIBRARY = "libBrokenLocale.so.1"  # a part of glibc that nothing else loads stands for an allocator
TOGETHER = [{"threads": 1, "channels_last": True, "keep_memory": True}, {"allocator": LIBRARY}]
DEPLOYED = ("default", {"threads": 1, "channels_last": True, "keep_memory": True})
