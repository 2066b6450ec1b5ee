"""Whether the code that a TorchScript file brings computes only.

Such a file holds its modules as text, in Python's syntax, and torch runs parts of it (`__setstate__`) when it reads the
file. So the text is looked through before. Beside what the file itself brings, it may use:

- operators of `aten`, but those that open files, as functions (`torch.save`) or as methods (`x.save`, getattr);
- of the other namespaces (`ops.NAME`) those of quantized networks, and of `prim` those of a list;
- as objects of C++ classes packed weights.

TorchScript's own functions without a namespace (`annotate`, `len`, `getattr`, `fork` ...) open nothing.
"""

from __future__ import annotations

import ast
import pickletools
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

from dliflow.errors import DliflowError
from dliflow.sources.shared import torch_archive

MAGIC = b"PK\x03\x04"  # torch reads files that begin otherwise as flatbuffers, which hold code of another kind

FILES = frozenset({"from_file", "save"})
"""What opens files; `tests/frameworks` asks torch which operators of `aten` take names of them."""

_PRIM = """
data NumToTensor RaiseException TupleIndex TupleUnpack ListUnpack unchecked_cast device dtype layout is_quantized
requires_grad shape abs max min is_cuda is_cpu is_sparse is_mkldnn itemsize grad name type index tolist sum any all
id unchecked_unwrap_optional Uninitialized isinstance StringIndex is_nested is_meta
"""
PRIM = frozenset(_PRIM.split())
NAMESPACES = ("quantized", "_quantized", "prepacked")
ROOTS = ("torch", "ops")
PICKLES = ("data.pkl", "constants.pkl")
CLASSES = re.compile(r"torch\.classes\.(?!(?:quantized|xnnpack)\b)[\w.]+")

TEXTS = 2**23
"""Bytes of code and of pickles without tensors: torch writes 0.6 KB of them for an operator, and of some texts Python's
parser makes 900 times their size."""


def check(path: Path) -> None:
    """Refuse a file whose code does more than compute.

    Raises:
        DliflowError: naming what it uses.
        ValueError: when it is no such file, or cut off.
    """
    with open(path, "rb") as stream:
        if stream.read(len(MAGIC)) != MAGIC:
            raise ValueError("it does not begin as a file of torch.jit.save")
    try:
        with zipfile.ZipFile(path) as archive:
            _check_members(archive, path)
    except zipfile.BadZipFile as error:
        raise ValueError(str(error)) from error


def _check_members(archive: zipfile.ZipFile, path: Path) -> None:
    try:
        names = torch_archive.members(archive)
    except torch_archive.Ambiguous as error:
        raise _refused(path, str(error)) from None
    if "model.json" in names:
        raise _refused(path, "the layout of torch 1.2 and older; save it again with a newer torch")
    texts = {name: full for name, full in names.items() if name.endswith(".py") or name in PICKLES}
    for name, content in torch_archive.contents(archive, texts, TEXTS):
        if name in PICKLES:
            _check_classes(" ".join(_texts(content)), path)
        else:
            _check_text(content.decode("utf-8"), path)


def _refused(path: Path, what: str) -> DliflowError:
    return DliflowError(f"{path}: refused: it has {what}, and TorchScript is taken where it is known to compute only")


def _texts(pickle: bytes) -> Iterator[str]:
    """Every text in a pickle, among them the names of its classes; nothing is made of it."""
    for _, argument, _ in pickletools.genops(pickle):
        if isinstance(argument, str):
            yield argument.replace(" ", ".")


def _check_classes(text: str, path: Path) -> None:
    kind = CLASSES.search(text)
    if kind:
        raise _refused(path, f"an object of {kind[0]}")


def _check_text(text: str, path: Path) -> None:
    """Refuse a file of code that names what is not known to compute."""
    _check_classes(text, path)
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise _refused(path, "code that cannot be read here") from None
    within = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for node in ast.walk(tree):
        name = _name(node)
        if isinstance(node, ast.Attribute) and id(node) not in within and _root(node) in ROOTS:
            if not _computes(ast.unparse(node)):
                raise _refused(path, f"the operator {ast.unparse(node)}")
        elif name in FILES or (isinstance(node, ast.Name) and name in ROOTS and id(node) not in within):
            raise _refused(path, f"the name {name}")


def _name(node: ast.AST) -> str:
    """What a part of the code names; of getattr's arguments the text is the name."""
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Name):
        return node.id
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _root(node: ast.expr) -> str:
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def _computes(name: str) -> bool:
    root, *parts = name.split(".")
    if root == "torch":
        return len(parts) == 1 and parts[0] not in FILES
    if len(parts) != 2 or parts[1] in FILES:
        return False
    return parts[0] == "aten" or parts[0] in NAMESPACES or (parts[0] == "prim" and parts[1] in PRIM)
