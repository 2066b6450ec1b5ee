"""Write a small network of `networks.py` as every PyTorch format, and files that must be refused.

Usage: python make_sources.py NETWORK FOLDER
"""

from __future__ import annotations

import json
import pickle
import sys
import warnings
import zipfile
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "data"))
import networks


class Evil:
    """A pickle of it runs code when it is read."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return (open, (str(self.mark), "w"))


def rewritten(source, target, change):
    """A copy of an archive whose files went through `change(name, contents)`; None takes one out."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))


def main(name: str, folder: Path) -> None:
    """The files; `ran` appears when one of them could run code."""
    warnings.simplefilter("ignore")
    network, mark = networks.make(name), folder / "ran"
    example = torch.zeros(2, *networks.SHAPE)
    torch.save(network.state_dict(), folder / "good.pth")
    torch.jit.save(torch.jit.trace(network, example), folder / "traced.pt")
    torch.jit.save(torch.jit.script(network), folder / "scripted.pt")
    batch = {0: torch.export.Dim("batch", min=1, max=64)}
    program = torch.export.export(network, (example,), dynamic_shapes=(batch,))
    torch.export.save(program, folder / "good.pt2")

    torch.save({**network.state_dict(), "more": Evil(mark)}, folder / "code.pth")
    torch.save(networks.make("vgg").state_dict(), folder / "other.pth")

    def with_pickle(path, contents):
        return pickle.dumps((Evil(mark),)) if "/sample_inputs/" in path else contents

    def with_guard(path, contents):
        return _edited(path, contents, lambda model: model.update(guards_code=[f"open({str(mark)!r}, 'w')"]))

    def with_size(path, contents):
        def edit(model):
            values = model["graph_module"]["graph"]["tensor_values"].values()
            size = next(size for value in values for size in value["sizes"] if "as_expr" in size)
            size["as_expr"]["expr_str"] = f"open({str(mark)!r}, 'w')"

        return _edited(path, contents, edit)

    def with_target(path, contents):
        def edit(model):
            model["graph_module"]["graph"]["nodes"][0]["target"] = "torch.os.system"

        return _edited(path, contents, edit)

    for kind, change in [("pickle", with_pickle), ("guard", with_guard), ("size", with_size), ("target", with_target)]:
        rewritten(folder / "good.pt2", folder / f"{kind}.pt2", change)
    for file in ("good.pth", "traced.pt", "good.pt2"):
        contents = (folder / file).read_bytes()
        (folder / f"cut_{file}").write_bytes(contents[: len(contents) // 2])


def _edited(path, contents, edit):
    """The graph of an exported program, changed."""
    if not path.endswith("models/model.json"):
        return contents
    model = json.loads(contents)
    edit(model)
    return json.dumps(model)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
