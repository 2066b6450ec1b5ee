"""An exported PyTorch program (`torch.export.save`).

`torch.export.load` runs code that a file brings: pickled objects, compiled kernels, and expressions and guards that are
evaluated as Python. So a file is looked through before, and what is more than a graph with tensors is refused.
"""

from __future__ import annotations

import json
import os
import pickle
import re
import zipfile
from pathlib import Path

from dliflow import sources
from dliflow.errors import DliflowError
from dliflow.sources.shared import export_torch

FRAMEWORK = "pytorch"
SUFFIXES = (".pt2",)
LAYOUT = "NCHW"

# Operators with a namespace; names are identifiers, since torch writes Python code with them.
_TARGET = re.compile(r"torch\.ops\.\w+\.\w+\.\w+|torch\.ops\.higher_order\.\w+|torch\.sym_\w+|_operator\.\w+|math\.\w+")
_NAME = re.compile(r"[\w.]*")
# Sizes such as 2*s77 + FloorDiv(s0, 2), which are evaluated: no attributes, no strings, no dunder names.
_SIZE = re.compile(r"(?:Symbol\('\w+'(?:, \w+=True)*\)|[a-z]+\d+|[A-Z][A-Za-z]*|\d+|[\s+\-*/(),<>=])*")
_FREE = ("metadata", "as_string", "torch_version")  # texts that are not evaluated
_TREES = ("in_spec", "out_spec")
_TREE_TYPES = {"builtins.tuple", "builtins.list", "builtins.dict", None}

predict = export_torch.predict


class _Refused(Exception):
    """What makes a file more than data."""


def _look_through(value, key: str = "") -> None:
    """Refuse what would be evaluated and is not as `torch.export.save` writes it."""
    if isinstance(value, dict):
        for name, part in value.items():
            if name not in _FREE and name != "guards_code":
                _look_through(name, "name")
                _look_through(part, name)
    elif isinstance(value, list):
        for part in value:
            _look_through(part, key)
    elif isinstance(value, str):
        if key in _TREES:
            _look_through_tree(json.loads(value))
            return
        pattern = {"expr_str": _SIZE, "target": _TARGET}.get(key, _NAME)
        if not pattern.fullmatch(value) or "__" in value:
            raise _Refused(f"{key} '{value[:80]}'")


def _look_through_tree(value) -> None:
    if isinstance(value, dict):
        if value.get("type") not in _TREE_TYPES:
            raise _Refused(f"an input or output of type '{value['type']}'")
        for part in value.values():
            _look_through_tree(part)
    elif isinstance(value, list):
        for part in value:
            _look_through_tree(part)


def _check(path: Path) -> None:
    """Refuse a file with anything that is not data."""
    with zipfile.ZipFile(path) as archive:
        names = {name.partition("/")[2]: name for name in archive.namelist()}
        if "archive_format" not in names:
            raise _Refused("the layout of torch 2.7 and older; save it again with a newer torch")
        for name, full in names.items():
            if name.startswith("data/aotinductor/"):
                raise _Refused("compiled code")
            if re.fullmatch(r"data/(weights|constants)/.*\.pt", name):
                raise _Refused("pickled weights")
            if re.fullmatch(r"data/(weights|constants)/.*_config\.json", name):
                for entry in json.loads(archive.read(full))["config"].values():
                    if entry["use_pickle"] or not re.match("weight_|tensor_", entry["path_name"]):
                        raise _Refused("pickled objects")
            if name.startswith("models/"):
                _look_through(json.loads(archive.read(full)))


def load(path: Path, source: dict):
    """Read the program, once it is seen to be data only."""
    import torch

    sources.only_nchw(source)
    if not path.exists():
        raise DliflowError(f"{path}: there is no such file")
    os.environ["TORCH_FORCE_WEIGHTS_ONLY_LOAD"] = "1"  # the example inputs are a pickle that must hold tensors only
    try:
        _check(path)
        program = export_torch.quietly(torch.export.load, path)
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
    return program.module(check_guards=False)


def export(network, shape: tuple[int, ...], out: Path) -> int:
    """Export the program anew, for any batch size."""
    return export_torch.write(export_torch.program(network, shape), shape, out)
