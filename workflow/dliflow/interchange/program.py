"""Exported PyTorch programs, which are interchange files beside the graph."""

from __future__ import annotations


def without_traces(exported):
    """The same program without the lines of code that each operator came from, which torch writes into every file.

    They tell the folders of who exported it to whoever gets the model, and make the same model another file in each.

    Args:
        exported: a torch.export.ExportedProgram, which is changed.
    """
    import torch

    for module in exported.graph_module.modules():
        if isinstance(module, torch.fx.GraphModule):
            for node in module.graph.nodes:
                node.meta.pop("stack_trace", None)
    return exported
