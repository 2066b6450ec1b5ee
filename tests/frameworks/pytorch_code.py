"""Write programs of PyTorch as Python code, open them, and compare with what torch itself runs; prints JSON.

Asked as: FOLDER, in PyTorch's environment.
"""

from __future__ import annotations

import json
import runpy
import sys
import warnings
from pathlib import Path

import torch

from dliflow.conversion.graphs import pytorch_code
from dliflow.frameworks.pytorch import CODE


class Unusual(torch.nn.Module):
    """Layers in a list, a shared weight, a buffer that is not saved, constants, values that are made on a device."""

    def __init__(self):
        super().__init__()
        self.layers = torch.nn.ModuleList(torch.nn.Conv2d(3, 3, 3, padding=1) for _ in range(2))
        self.layers[1].weight = self.layers[0].weight
        self.norm = torch.nn.BatchNorm2d(3)
        self.register_buffer("shift", torch.rand(3, 1, 1), persistent=False)
        self.scale = torch.rand(3, 1, 1)

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        x = self.norm(x) * self.scale + self.shift + torch.tensor([1.0, float("inf")])[0]
        return x.flatten(1) + torch.arange(x.shape[0], device=x.device).unsqueeze(1) + torch.zeros(x.shape[0], 1)


class Graphs(torch.nn.Module):
    """Graphs inside of its own: where no gradients are kept, and of a condition."""

    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(8, 8)

    def forward(self, x):
        x = x.flatten(2).mean(1)[:, :8]
        with torch.no_grad():
            x = self.linear(x)
        return torch.cond(x.sum() > 0, lambda x: x.cos(), lambda x: self.linear(x).sin(), (x,))


def main(folder: Path) -> None:
    """Whether scores are the same, to the bit, and what an opened network is like."""
    warnings.simplefilter("ignore")
    batch = {0: torch.export.Dim("batch", min=1, max=64)}
    told = {}
    for network in (Unusual(), Graphs()):
        name = type(network).__name__.lower()
        out = folder / name
        out.mkdir()
        program = torch.export.export(network.eval(), (torch.zeros(2, 3, 16, 16),), dynamic_shapes=(batch,))
        pytorch_code.write(program, out)
        module = program.module()
        text = (out / CODE).read_text(encoding="utf-8")
        opened = runpy.run_path(str(out / CODE))["load"]()
        with torch.inference_mode():
            same = []
            for size in (1, 2, 5):
                for images in (torch.randn(size, 3, 16, 16), torch.full((size, 3, 16, 16), -3.0)):
                    same.append(torch.equal(opened(images), module(images)))
        elsewhere = runpy.run_path(str(out / CODE))["load"]("meta")
        told[name] = {
            "same": same,
            "names": sorted(opened.state_dict()),
            "elsewhere": str(elsewhere(torch.zeros(2, 3, 16, 16, device="meta")).device) if name == "unusual" else "",
            "inside": text.count("(Graph):") - 1,
        }
    print(json.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
