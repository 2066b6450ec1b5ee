"""Write a small network of `networks.py` as every PyTorch format, and files that must be refused.

Usage: python make_sources.py NETWORK FOLDER
"""

from __future__ import annotations

import argparse
import fractions
import functools
import json
import pickle
import sys
import warnings
import zipfile
from pathlib import Path
from typing import NamedTuple, Optional

import numpy
import torch
from torch.utils import _pytree

sys.path.insert(0, str(Path(__file__).parents[1] / "data"))
import networks


class Evil:
    """A pickle of it runs code when it is read."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return (open, (str(self.mark), "w"))


class Named(torch.nn.Module):
    """Names that torch writes and that are no plain identifiers: `relu__1`, `conv-1.weight`, `scale.a-b`."""

    def __init__(self):
        super().__init__()
        self.add_module("conv-1", torch.nn.Conv2d(3, 16, 3, padding=1, padding_mode="reflect"))
        self.scale = torch.nn.ParameterDict({"a-b": torch.nn.Parameter(torch.linspace(0.5, 1.5, 16))})
        self.register_buffer("least__", torch.tensor(float("-inf")))

    def forward(self, x):
        x = getattr(self, "conv-1")(x).relu_().sub_(0.1).relu_().sub_(0.1)
        with torch.no_grad():
            x = torch.maximum(x, self.least__)
        return torch.einsum("bchw,c->bc", x, self.scale["a-b"])


class Pair(NamedTuple):
    """Scores, and what only training needs."""

    scores: torch.Tensor
    auxiliary: Optional[torch.Tensor]


class Several(torch.nn.Module):
    """Gives more than scores, in the way that is asked for."""

    def __init__(self, network, kind):
        super().__init__()
        self.network, self.kind = network, kind

    def forward(self, x):
        if self.kind == "pair":
            return Pair(self.network(x), x.mean((2, 3)))
        scores = self.network(x)
        return {"features": x.mean((2, 3)), "scores": [scores] if self.kind == "nested" else scores}


class Scripted(torch.nn.Module):
    """Gives a named tuple of which only the scores are there."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x):
        return Pair(self.network(x), None)


class Pixels(torch.nn.Module):
    """Takes pixels, and has its preprocessing inside."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x):
        return self.network(x.float() / 127.5 - 1)


class Both(torch.nn.Module):
    """Takes two images."""

    def forward(self, x, y):
        return (x + y).mean((2, 3))


class Saves(torch.nn.Module):
    """Writes a file when it is called: torch's own functions may be in a script."""

    def __init__(self, mark: str):
        super().__init__()
        self.mark = mark

    def forward(self, x):
        torch.save(x, self.mark)
        return x.mean((2, 3))


class Maps(torch.nn.Module):
    """Maps a file into memory and writes to it, as soon as it is read."""

    def __init__(self, mark: str):
        super().__init__()
        self.mapped = torch.zeros(4)
        self.mark = mark

    @torch.jit.export
    def __getstate__(self) -> tuple[str, bool]:
        return self.mark, self.training

    @torch.jit.export
    def __setstate__(self, state: tuple[str, bool]) -> None:
        self.mark, self.training = state
        self.mapped = torch.from_file(self.mark, True, 4).copy_(torch.ones(4))

    def forward(self, x):
        return x.mean((2, 3))


def scripts(folder: Path, mark: Path) -> None:
    """TorchScript that does more than compute: some of it whole, some with a line put into its code."""
    torch.jit.save(torch.jit.script(Saves(str(mark))), folder / "saves.pt")
    torch.jit.save(torch.jit.script(Maps(str(mark))), folder / "maps.pt")
    lines = {
        "method": f"({str(mark)!r}).from_file(True, 4)",
        "getattr": f"getattr({str(mark)!r}, 'from_file')(True, 4)",
        "alias": "a = ops.inductor",
        "bare": "a = torch",
        "class": "a = __torch__.torch.classes.dist_rpc.WorkerInfo",
        "remote": "a = ops.prim.rpc_async",
        "broken": "a = = b",
    }
    for name, line in lines.items():

        def put_in(path, contents, line=line):
            inside = path.endswith(".py") and b"    return " in contents
            return contents.replace(b"    return ", f"    {line}\n    return ".encode(), 1) if inside else contents

        rewritten(folder / "scripted.pt", folder / f"{name}.pt", put_in)
    with zipfile.ZipFile(folder / "scripted.pt") as old, zipfile.ZipFile(folder / "twice.pt", "w") as new:
        for member in old.namelist():
            new.writestr(member, old.read(member))
        new.writestr(member.partition("/")[0] + "/CONSTANTS.PKL", b"")
    shifted = (folder / "scripted.pt").read_bytes()
    (folder / "shifted.pt").write_bytes(shifted[:100] + shifted)


def checkpoints(weights: dict, folder: Path) -> None:
    """A state dict as people save it."""

    def wrapped(prefix):
        return {f"{prefix}{name}": value for name, value in weights.items()}

    training = {
        "epoch": 3,
        "optimizer": {"state": {0: {"exp_avg": torch.zeros(3)}}},
        "args": argparse.Namespace(lr=0.1, out=Path("runs")),
        "best": numpy.float64(0.7),
        "curve": numpy.ones(3),
        "version": torch.torch_version.TorchVersion("2.4"),
    }
    torch.save({**training, "state_dict": wrapped("module.")}, folder / "best.pth.tar")
    torch.save({"state_dict": {**wrapped("model._orig_mod."), "loss.weight": torch.ones(2)}}, folder / "lightning.ckpt")
    zeros = {name: torch.zeros_like(value) for name, value in weights.items()}
    torch.save({"model": zeros, "model_ema": {"n_averaged": torch.tensor(2), **wrapped("module.")}}, folder / "ema.pth")
    torch.save({"n_averaged": torch.tensor(2), **wrapped("module.")}, folder / "averaged.pth")
    parts = {name.replace(".", ".module.", 1): value for name, value in weights.items()}
    torch.save({"state_dict": parts}, folder / "parts.pth")
    torch.save({"state_dict": weights, "schedule": fractions.Fraction(1, 2)}, folder / "class.pth")
    safetensors(wrapped("backbone."), folder / "good.safetensors")


def safetensors(weights: dict, path: Path) -> None:
    """A file of safetensors: the length of the header, the header, the values."""
    header, values = {"__metadata__": {"format": "pt"}}, b""
    kinds = {torch.float32: "F32", torch.int64: "I64"}
    for name, tensor in weights.items():
        part = tensor.numpy().tobytes()
        header[name] = {
            **{"dtype": kinds[tensor.dtype], "shape": list(tensor.shape)},
            "data_offsets": [len(values), len(values) + len(part)],
        }
        values += part
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + values)


class Token(torch.nn.Module):
    """Puts a class token before each image's patches."""

    def __init__(self):
        super().__init__()
        self.conv, self.token = torch.nn.Conv2d(3, 8, 16, 16), torch.nn.Parameter(torch.randn(1, 1, 8))
        self.linear = torch.nn.Linear(17 * 8, 16)

    def forward(self, x):
        x = self.conv(x).reshape(x.shape[0], 8, 16).transpose(1, 2)
        return self.linear(torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1).reshape(x.shape[0], 17 * 8))


class Transformers(torch.nn.Module):
    """A network that takes images by a name, in a dict, beside what is only there in training."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, options, labels=None):
        return {"logits": self.network(options["pixel_values"]), "loss": labels}


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
    checkpoints(network.state_dict(), folder)
    torch.jit.save(torch.jit.trace(network, example), folder / "traced.pt")
    torch.jit.save(torch.jit.script(network), folder / "scripted.pt")
    batch = {0: torch.export.Dim("batch", min=1, max=64)}
    program = torch.export.export(network, (example,), dynamic_shapes=(batch,))
    torch.export.save(program, folder / "good.pt2")

    for kind, module in {"reshaped": network, "token": Token(), "plain": Named()}.items():
        torch.export.save(torch.export.export(module.eval(), (example[:1],)), folder / f"one_{kind}.pt2")
    named = torch.export.export(Named().eval(), (example,), dynamic_shapes=(batch,))
    torch.export.save(named, folder / "named.pt2")

    sizes = {"options": {"pixel_values": batch}, "labels": None}
    by_name = {"options": {"pixel_values": example}, "labels": None}
    torch.export.save(
        torch.export.export(Transformers(network).eval(), (), by_name, dynamic_shapes=sizes), folder / "by_name.pt2"
    )
    pixels = torch.export.export(Pixels(network).eval(), (example.to(torch.uint8),), dynamic_shapes=(batch,))
    torch.export.save(pixels, folder / "pixels.pt2")
    learning = torch.nn.Sequential(networks.make(name), torch.nn.Dropout()).train()
    torch.export.save(torch.export.export(learning, (example,), dynamic_shapes=(batch,)), folder / "training.pt2")
    torch.jit.save(torch.jit.trace(learning, example, check_trace=False), folder / "training.pt")
    halves = torch.export.export(networks.make(name).half(), (example.half(),), dynamic_shapes=(batch,))
    torch.export.save(halves, folder / "half.pt2")
    torch.jit.save(torch.jit.script(networks.make(name).half()), folder / "half.pt")
    torch.export.save(torch.export.export(Both(), (example, example)), folder / "both.pt2")

    _pytree._register_namedtuple(Pair, serialized_type_name="theirs.Pair")  # its reader does not know the class
    for kind in ("pair", "nested"):
        several = torch.export.export(Several(network, kind).eval(), (example,), dynamic_shapes=(batch,))
        torch.export.save(several, folder / f"{kind}.pt2")
    torch.jit.save(torch.jit.script(Scripted(network)), folder / "pair.pt")
    torch.jit.save(torch.jit.script(Pixels(network)), folder / "pixels.pt")
    torch.jit.save(torch.jit.trace(Several(network, "dict").eval(), example, strict=False), folder / "dict.pt")

    torch.save({**network.state_dict(), "more": Evil(mark)}, folder / "code.pth")
    torch.save(networks.make("vgg").state_dict(), folder / "other.pth")

    def with_pickle(path, contents):
        return pickle.dumps((Evil(mark),)) if "/sample_inputs/" in path else contents

    rewritten(folder / "good.pt2", folder / "pickle.pt2", with_pickle)
    for kind, edit in attacks(f"open({str(mark)!r}, 'w')").items():
        rewritten(folder / "good.pt2", folder / f"{kind}.pt2", functools.partial(_edited, edit=edit))
    scripts(folder, mark)
    for file in ("good.pth", "traced.pt", "good.pt2", "good.safetensors"):
        contents = (folder / file).read_bytes()
        (folder / f"cut_{file}").write_bytes(contents[: len(contents) // 2])


def attacks(code: str) -> dict:
    """By name a change of an exported program's graph, after which loading or calling it could run the code."""

    def graph(model):
        return model["graph_module"]["graph"]

    def call(model, **change):
        graph(model)["nodes"][0].update(change)

    def function(target):
        argument = {"name": "", "arg": {"as_operator": "torch.os.system"}, "kind": 1}
        return lambda model: call(model, target=target, inputs=[argument, {**argument, "arg": {"as_string": "id"}}])

    def size(model):
        sizes = [size for value in graph(model)["tensor_values"].values() for size in value["sizes"]]
        next(size for size in sizes if "as_expr" in size)["as_expr"]["expr_str"] = code

    def value(name):
        def edit(model):
            graph(model)["nodes"][0].update(name=name, outputs=[{"as_tensor": {"name": name}}])

        return edit

    def parameter(name):
        def edit(model):
            specs = model["graph_module"]["signature"]["input_specs"]
            next(spec for spec in specs if "parameter" in spec)["parameter"]["parameter_name"] = name

        return edit

    def signature(key, change):
        def edit(model):
            described = model["graph_module"]["module_call_graph"][0]["signature"]
            described[key] = change(described[key])

        return edit

    return {
        "guard": lambda model: model.update(guards_code=[code]),  # not refused, but never run
        "size": size,
        "target": lambda model: call(model, target="torch.os.system"),
        "called": function("_operator.call"),
        "wrapped": function("torch.ops.higher_order.wrap"),
        "argument": function("torch.ops.higher_order.cond"),
        "writes": lambda model: call(model, target="torch.ops.aten.save.default"),
        "dunder": lambda model: call(model, target="torch.ops.aten.__class__.default"),
        "value": value(f"x = {code}"),
        "framed": value("__builtins__"),
        "parameter": parameter(f'a"), {code}, ("'),
        "attribute": parameter("forward.__globals__.weight"),
        "letters": parameter("forward.\uff3f\uff3fglobals\uff3f\uff3f.weight"),  # Python takes them for underscores
        "forward": signature("forward_arg_names", lambda names: [f"x={code}"]),
        "keyword": signature("in_spec", lambda tree: tree.replace('"[]"', json.dumps(json.dumps([f"x={code}"])))),
        "module": signature("in_spec", lambda tree: tree.replace('"[]"', json.dumps('[{"__enum__": true}]'))),
    }


def _edited(path, contents, edit):
    """The graph of an exported program, changed."""
    if not path.endswith("models/model.json"):
        return contents
    model = json.loads(contents)
    edit(model)
    return json.dumps(model)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
