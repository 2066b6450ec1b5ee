"""What the code of a stage does, as a digest: jobs take it as a parameter, so that another behaviour re-runs them.

The syntax trees of the stage's module and of all of dliflow that it imports are compared, without docstrings, comments,
layout, annotations and the wording of errors: none of these can change what a finished job has written.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import Any, Optional

from dliflow.files import digest as digest_of

PACKAGE = Path(__file__).parents[1]

# Parts of a node that decide nothing: how a constant was written, and what an expression is used for, which its place
# tells. `type_comment` and `type_params` stand beside annotations, which are left out too.
SILENT = ("ctx", "kind", "type_comment", "type_params", "annotation", "returns")
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def _file(module: str) -> Optional[Path]:
    base = PACKAGE.parent.joinpath(*module.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.exists():
            return path
    return None


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def _imports(path: Path) -> frozenset[str]:
    names: set[str] = set()
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return frozenset(name for name in names if name.split(".")[0] == "dliflow")


def files(*modules: str) -> list[Path]:
    """Files of the named modules (`stages.latency`, `frameworks.openvino`) and of all that they import, sorted.

    Imports inside functions count; a module that is loaded by its name must be named here.
    """
    reached: set[Path] = set()
    pending = [f"dliflow.{name}" for name in modules]
    while pending:
        path = _file(pending.pop())
        if path is not None and path not in reached:
            reached.add(path)
            pending.extend(_imports(path))
    return sorted(reached)


def _is_text(node: Any) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _raises_for_people(node: Any) -> bool:
    """Whether it raises a DliflowError, which ends the job: its wording is in no result. That of a Skip is."""
    error = node.exc if isinstance(node, ast.Raise) else None
    return isinstance(error, ast.Call) and isinstance(error.func, ast.Name) and error.func.id == "DliflowError"


def behaviour(node: Any) -> Any:
    """A syntax tree as plain data, the same in every version of Python, with nothing in it that decides nothing."""
    if isinstance(node, list):
        return [behaviour(part) for part in node if not _is_text(part)]
    if not isinstance(node, ast.AST):
        return f"{type(node).__name__}:{node!r}"
    if _raises_for_people(node):
        return ["Raise", "DliflowError"]
    if isinstance(node, ast.AnnAssign) and node.value is None:
        return ["Pass"]  # a name and its type
    parts = [(name, value) for name, value in ast.iter_fields(node) if name not in SILENT and value not in (None, [])]
    return [type(node).__name__, *([name, behaviour(value)] for name, value in parts)]


@cache
def _digest_of_file(path: Path) -> str:
    return digest_of(behaviour(_tree(path)), 64)


def digest(*modules: str) -> str:
    """Digest of what the files of these modules do, and where in the package they lie."""
    return digest_of([[str(path.relative_to(PACKAGE)), _digest_of_file(path)] for path in files(*modules)])
