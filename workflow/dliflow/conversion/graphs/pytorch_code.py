"""A PyTorch program as a module in Python with its tensors beside it, which is how people keep their networks.

`torch.export.load` imports the compiler, and gives every value in the graph a description with symbolic sizes, which
whoever changes a program needs; it takes more than 20 times as long. The requests are the same: this is the code that
torch itself writes and runs for a program (`torch.fx`).
"""

from __future__ import annotations

import operator
import re
import textwrap
from pathlib import Path
from typing import Any

from dliflow.errors import Skip
from dliflow.frameworks.pytorch import CODE, TENSORS

FILE = '''\
"""A network as PyTorch writes its graph; `load` opens it with the tensors in the file beside this one."""

from pathlib import Path

{imports}


class Graph(torch.nn.Module):
    """What the code of a graph names: graphs inside of it, parameters and constants, buffers."""

    _inside = {{}}

    def __init__(self, device, attributes, buffers):
        super().__init__()
        self._device = device
        graphs = {{name: graph(device, {{}}, {{}}) for name, graph in self._inside.items()}}
        for name, value in {{**graphs, **attributes}}.items():
            setattr(*place(self, name), value)
        for name, value in buffers.items():
            owner, last = place(self, name)
            owner.register_buffer(last, value)


def place(owner, name):
    """The module that something is in, which is made where there is none, and its name there."""
    *path, last = name.split(".")
    for part in path:
        if not hasattr(owner, part):
            owner.add_module(part, torch.nn.Module())
        owner = getattr(owner, part)
    return owner, last


{classes}


def load(device="cpu"):
    """The network on a device."""
    tensors = torch.load(Path(__file__).with_name({tensors!r}), map_location=device, weights_only=True)
    return Network(torch.device(device), **tensors)
'''


def write(program, folder: Path) -> None:
    """Write a program, whose only output are scores.

    Args:
        program: a torch.export.ExportedProgram.
        folder: where the files of `frameworks.pytorch` are to lie.

    Raises:
        Skip: when it has a graph inside that brings tensors of its own.
    """
    import torch
    from torch.fx.graph_module import _format_import_block
    from torch.package import sys_importer
    from torch.utils import _pytree

    module = program.module(check_guards=False)
    (output,) = module.graph.find_nodes(op="output")
    (scores,) = _pytree.tree_leaves(output.args)
    output.args = (scores,)  # not in a tuple
    tensors: dict[str, dict[str, Any]] = {"attributes": {}, "buffers": {}}
    named: dict[str, Any] = {"torch": torch}
    classes = _classes(module, "Network", tensors, named)
    text = FILE.format(
        imports=_format_import_block(named, sys_importer), classes="\n\n\n".join(classes), tensors=TENSORS
    )
    (folder / CODE).write_text(text, encoding="utf-8")
    torch.save(tensors, folder / TENSORS)


def _classes(module, name: str, tensors: dict[str, dict[str, Any]], named: dict[str, Any]) -> list[str]:
    """The class of a graph, after those of the graphs inside of it.

    Args:
        tensors: gets what the graph names.
        named: gets what the code has to import.
    """
    from torch.fx import GraphModule
    from torch.fx.graph import CodeGen

    graph, buffers = module.graph, {place for place, _ in module.named_buffers(remove_duplicate=False)}
    inside: dict[str, str] = {}
    before: list[str] = []
    for node in graph.find_nodes(op="get_attr"):
        place, value = node.target, operator.attrgetter(node.target)(module)
        if not isinstance(value, GraphModule):
            tensors["buffers" if place in buffers else "attributes"][place] = value
        elif place not in inside:
            inside[place] = f"{name}{len(inside) + 1}"
            own: dict[str, dict[str, Any]] = {"attributes": {}, "buffers": {}}
            before += _classes(value, inside[place], own, named)
            if any(own.values()):
                raise Skip(f"pytorch: a graph inside of the program has tensors of its own: {place}")
    _free_of_devices(graph)
    graph.set_codegen(CodeGen())  # the plain one: images come as they are, not in a tree
    written = graph.python_code("self")
    named.update({key: value for key, value in written.globals.items() if re.search(rf"\b{key}\b", written.src)})
    graphs = ", ".join(f"{place!r}: {known}" for place, known in inside.items())
    head = [f"class {name}(Graph):", *([f"    _inside = {{{graphs}}}", ""] if inside else [])]
    return [*before, "\n".join([*head, textwrap.indent(written.src.strip(), "    ")])]


def _free_of_devices(graph) -> None:
    """Let a graph make what it makes where its network is, and not where it was exported."""
    import torch
    from torch.fx.node import map_aggregate

    places: list[Any] = []

    def placed(value):
        if not isinstance(value, torch.device):
            return value
        if not places:
            with graph.inserting_before(next(iter(graph.nodes))):
                places.append(graph.create_node("get_attr", "_device"))
        return places[0]

    for node in list(graph.nodes):
        node.args, node.kwargs = map_aggregate(node.args, placed), map_aggregate(node.kwargs, placed)
