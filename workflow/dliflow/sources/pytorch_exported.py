"""An exported PyTorch program (`torch.export.save`).

`torch.export.load` runs code that a file brings: pickled objects, compiled kernels, and expressions and guards that are
evaluated as Python. So a file is looked through before, and what is more than a graph with tensors is refused.

What a text of the graph may be follows from what torch 2.13 does with it:

- names of values become variables of the Python code that it writes and runs (`torch/fx/graph.py`), as do the names of
  arguments: they are ASCII identifiers. Such a name is only ever assigned the result of an operator, or read;
- names of parameters and buffers become attributes in that code, between double quotes where they are no identifiers:
  they have no quotes and no backslash. Python takes some letters beyond ASCII for others, `＿` for `_`, so these are
  refused too. No part of them is framed in double underscores, so that nothing of Python's is reached, and what is
  there is a tensor, since torch puts one there first;
- an operator may be any function that can be reached from `torch` or `operator`, and its arguments may be functions
  (`torch/_export/serde/serialize.py`, `deserialize_operator`, `deserialize_node`). So operators are those of a list,
  without those that open files, and functions as arguments are refused;
- sizes are evaluated by SymPy: numbers, symbols, and calls of SymPy's own classes;
- the keys in a description of inputs and outputs may name a module to import (`torch/utils/_pytree.py`,
  `enum_object_hook`) and, for inputs, become arguments in the code: they are plain texts, and names;
- other texts reach the code as Python writes them itself (`repr`).
"""

from __future__ import annotations

import json
import os
import pickle
import re
import zipfile
from collections import namedtuple
from pathlib import Path
from typing import Any, Optional

from dliflow.errors import DliflowError
from dliflow.sources.shared import export_torch, torch_archive

FRAMEWORK = "pytorch"
SUFFIXES = (".pt2",)
LAYOUT = "NCHW"

_SYMBOLIC = "eq|ne|le|ge|lt|gt|neg|pos|mul|add|sub|floordiv|mod|pow|truediv|and_|or_|lshift|rshift|getitem"
_WITH_GRAPHS = "wrap_with_set_grad_enabled|wrap_with_autocast|cond|while_loop"  # they run graphs of the file
_PLAIN = r"(?!__\w*__\b)[A-Za-z_]\w*"
_TARGET = re.compile(
    rf"torch\.ops\.aten\.(?!(?:save|from_file)\b)(?:{_PLAIN}|__i?(?:and|or|xor|lshift|rshift)__)\.{_PLAIN}"
    rf"|torch\.ops\.higher_order\.(?:{_WITH_GRAPHS})|_operator\.(?:{_SYMBOLIC})"
    r"|torch\.sym_[a-z]+|math\.[a-z]+",
    re.ASCII,
)
_NAME = re.compile(rf"(?:{_PLAIN})?", re.ASCII)
_SEGMENT = r"(?!__[^.]*__(?:\.|\Z))[\w :/@+-]+"
_ATTRIBUTE = re.compile(rf"(?:{_SEGMENT}(?:\.{_SEGMENT})*)?", re.ASCII)
# Sizes such as 2*s77 + FloorDiv(s0, 2): no attributes, no texts.
_SIZE = re.compile(
    r"(?:Symbol\('\w+'(?:, \w+=True)*\)|[a-z]+\d+|[A-Z][A-Za-z]*|\d+(?:\.\d+)?|[\s+\-*/(),<>=])*", re.ASCII
)
_NUMBER = re.compile(r"-?Infinity|NaN")
_PATTERNS = {"expr_str": _SIZE, "target": _TARGET, "as_float": _NUMBER, "as_floats": _NUMBER}
_PATTERNS |= dict.fromkeys(
    ("parameter_name", "buffer_name", "tensor_constant_name", "custom_obj_name", "fqn"), _ATTRIBUTE
)
"""What a text under a key has to be; under another one it is a name."""
_FREE = ("metadata", "as_string", "as_strings", "torch_version", "guards_code", "treespec_namedtuple_fields")
_TREES = ("in_spec", "out_spec")
_NAMED = "collections.namedtuple"
_TREE_TYPES = {"builtins.tuple", "builtins.list", "builtins.dict", "collections.OrderedDict", None}
_TEXT = re.compile(r"models/|data/(?:weights|constants)/.*_config\.json\Z", re.DOTALL)
_TEXTS = 2**26  # bytes of JSON: torch writes 3 KB for an operator

predict, export = export_torch.predict, export_torch.export


class _Refused(Exception):
    """What makes a file more than data."""


def _look_through(value, key: str = "") -> None:
    """Refuse what would be evaluated and is not as `torch.export.save` writes it."""
    if isinstance(value, dict):
        for name, part in value.items():
            _refuse_other("name", name)
            if name == "as_operator":
                raise _Refused(f"a function as an argument, {str(part)[:80]!r}")
            if name not in _FREE:
                _look_through(part, name)
    elif isinstance(value, list):
        for part in value:
            _look_through(part, key)
    elif isinstance(value, str) and key in _TREES:
        _look_through_tree(json.loads(value), key)
    elif isinstance(value, str):
        _refuse_other(key, value)


def _refuse_other(key: str, text: str) -> None:
    """Refuse a text that is not what its key may have."""
    if not _PATTERNS.get(key, _NAME).fullmatch(text):
        raise _Refused(f"{key} '{text[:80]}'")


def _look_through_tree(value, key: str) -> None:
    """Refuse inputs of another type than torch's own containers, and keys that are more than texts."""
    if isinstance(value, list):
        for part in value:
            _look_through_tree(part, key)
    elif isinstance(value, dict):
        if value.get("type") not in _TREE_TYPES and key == "in_spec":
            raise _Refused(f"an input of type '{value['type']}'")
        if value.get("type") == _NAMED:
            return  # its context is the name of its class
        names = json.loads(value.get("context") or "null") or []
        if not all(isinstance(name, (str, int)) for name in names):
            raise _Refused(f"keys of an input or output that are no texts: {str(names)[:80]}")
        if key == "in_spec":
            for name in names:
                _refuse_other("name", str(name))
        _look_through_tree(value.get("children_spec", []), key)


def _check(path: Path) -> None:
    """Refuse a file with anything that is not data."""
    with zipfile.ZipFile(path) as archive:
        try:
            names = torch_archive.members(archive)
        except torch_archive.Ambiguous as error:
            raise _Refused(str(error)) from None
        if "archive_format" not in names:
            raise _Refused("the layout of torch 2.7 and older; save it again with a newer torch")
        for name in names:
            if name.startswith("data/aotinductor/"):
                raise _Refused("compiled code")
            if re.fullmatch(r"data/(weights|constants)/.*\.pt", name):
                raise _Refused("pickled weights")
        texts = {name: full for name, full in names.items() if _TEXT.match(name)}
        for name, content in torch_archive.contents(archive, texts, _TEXTS):
            described = json.loads(content)
            if name.startswith("models/"):
                _look_through(described)
                _know_outputs(described["graph_module"])
                continue
            for entry in described["config"].values():
                if entry["use_pickle"] or not re.match("weight_|tensor_", entry["path_name"]):
                    raise _Refused("pickled objects")


def _know_outputs(module: dict) -> None:
    """Let torch know the classes of outputs that it has none of here: each becomes a named tuple, or a dict."""
    from torch.utils import _pytree

    def tell(node):
        kind, context = node["type"], node["context"]
        name = context if kind == _NAMED else kind
        if name is not None and kind not in _TREE_TYPES and name not in _pytree.SERIALIZED_TYPE_TO_PYTHON_TYPE:
            if kind == _NAMED:
                fields = module["treespec_namedtuple_fields"][name]["field_names"]
                _pytree._register_namedtuple(namedtuple("Outputs", fields), serialized_type_name=name)
            else:
                _pytree.register_pytree_node(
                    type("Outputs", (dict,), {}),
                    lambda outputs: (list(outputs.values()), list(outputs)),
                    lambda values, keys: dict(zip(keys, values)),
                    serialized_type_name=name,
                )
        for child in node["children_spec"]:
            tell(child)

    for entry in module["module_call_graph"]:
        if entry["signature"]:
            tell(json.loads(entry["signature"]["out_spec"])[1])


def load(path: Path, source: dict):
    """Read the program, once it is seen to be data only."""
    import torch

    export_torch.check(source)
    if not path.exists():
        raise DliflowError(f"{path}: there is no such file")
    os.environ["TORCH_FORCE_WEIGHTS_ONLY_LOAD"] = "1"  # the example inputs are a pickle that must hold tensors only
    try:
        _check(path)
        program = export_torch.quietly(torch.export.load, path)
    except DliflowError:
        raise
    except _Refused as refused:
        raise DliflowError(f"{path}: not read, since reading could run code that it brings: it has {refused}") from None
    except pickle.UnpicklingError:
        raise DliflowError(
            f"{path}: not read, since reading could run code that it brings: its example inputs"
        ) from None
    except Exception as error:  # torch names no narrower class
        text = (str(error).splitlines() or [repr(error)])[0]
        raise DliflowError(f"{path}: no file of torch.export.save, or cut off: {text}") from error
    program._guards_code = []  # from the file, and evaluated as Python
    export_torch.refuse_training(path, _in_training(program))
    batch_size, dtype = _taken(program, path)
    return export_torch.one_output(_of_images(program), source.get("output"), batch_size, dtype)


def _of_images(program):
    """The program as a module that takes images alone, by themselves, where it takes them by a name or in a dict."""
    import torch
    from torch.utils import _pytree

    network, taken = program.module(check_guards=False), program.graph_signature.user_inputs

    def packed(images):
        values = [images if isinstance(name, str) else name for name in taken]  # others are constants, such as None
        return _pytree.tree_unflatten(values, program.call_spec.in_spec)

    class OfImages(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.network = network

        def forward(self, images):
            arguments, named = packed(images)
            return self.network(*arguments, **named)

    return network if packed(0) == ((0,), {}) else OfImages()


def _in_training(program) -> list[str]:
    """The operators that compute as in training."""
    calls = [(getattr(node.target, "_opname", ""), node.args) for node in program.graph.nodes]
    return [name for name, args in calls if args[export_torch.IN_TRAINING.get(name, len(args)) :][:1] == (True,)]


def _taken(program, path: Path) -> tuple[Optional[int], Any]:
    """The only batch size that a program takes, where it was exported for one, and its dtype, where it takes pixels.

    Raises:
        DliflowError: for a program of another dtype.
    """
    import torch

    taken = [name for name in program.graph_signature.user_inputs if isinstance(name, str)]
    if len(taken) != 1:
        raise DliflowError(f"{path}: the program has {len(taken)} inputs; image classifiers have one")
    values = [node.meta.get("val") for node in program.graph.nodes if node.op == "placeholder" and node.name in taken]
    images = next((value for value in values if isinstance(value, torch.Tensor)), None)
    if images is None:
        return None, None
    if images.dtype not in (torch.float32, torch.uint8):
        kind = str(images.dtype).removeprefix("torch.")
        raise DliflowError(f"{path}: the program takes {kind}; export it for images of float32, or for pixels of uint8")
    size = images.shape[0] if images.ndim else None
    return size if isinstance(size, int) else None, torch.uint8 if images.dtype == torch.uint8 else None
