"""What the code of a stage does, as a digest: jobs take it as a parameter, so that another behaviour re-runs them.

The syntax trees of the stage's module and of all of dliflow that it imports are compared, without docstrings, comments,
layout, annotations and the wording of errors: none of these can change what a finished job has written. Of a constant
that is imported by name (`from dliflow.frameworks.opencv import MODEL`) the value counts, not the rest of its module.

To look at all that takes each job 0.3 s, so a run writes down what it learned of the files (`note`). It counts for as
long as no file was touched.
"""

from __future__ import annotations

import ast
import time
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any, Optional

from dliflow.files import digest as digest_of
from dliflow.files import read_json, write_json
from dliflow.study.paths import CODE

PACKAGE = Path(__file__).parents[1]
SETTLED_NS = 2 * 10**9  # after so long another change of a file has another time, on any file system

# Parts of a node that decide nothing: how a constant was written, and what an expression is used for, which its place
# tells. `type_comment` and `type_params` stand beside annotations, which are left out too.
SILENT = ("ctx", "kind", "type_comment", "type_params", "annotation", "returns")


@cache
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
def _constants(path: Path) -> dict[str, Any]:
    """The texts, numbers and flags that a module names at its top, by names in capitals that it sets only once."""
    stored = Counter(
        node.id for node in ast.walk(_tree(path)) if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)
    )
    constants = {}
    for node in _tree(path).body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            names = [target.id for target in node.targets if isinstance(target, ast.Name)]
            constants.update({name: node.value.value for name in names if name.isupper() and stored[name] == 1})
    return constants


@cache
def _imports(path: Path) -> tuple[frozenset[str], dict[str, Any]]:
    """What a file imports of dliflow: modules, and by their full names the values of constants."""
    modules: set[str] = set()
    values: dict[str, Any] = {}
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            modules.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            origin = _file(node.module)
            constants = {} if origin is None else _constants(origin)
            for alias in node.names:
                if alias.name in constants:
                    values[f"{node.module}.{alias.name}"] = constants[alias.name]
                else:
                    modules.update((node.module, f"{node.module}.{alias.name}"))
    return frozenset(name for name in modules if name.split(".")[0] == "dliflow"), values


def files(*modules: str) -> list[Path]:
    """Files of the named modules (`stages.sweep`, `frameworks.openvino`) and of all that they import, sorted.

    A module of which only constants are taken is not among them. Imports inside functions count; a module that is
    loaded by its name must be named here. All versions of a framework share its code: `frameworks.openvino@2025.3` is
    `frameworks.openvino`.
    """
    reached: set[Path] = set()
    pending = [f"dliflow.{name.partition('@')[0]}" for name in modules]
    while pending:
        path = _file(pending.pop())
        if path is not None and path not in reached:
            reached.add(path)
            pending.extend(_learned(path)[0])
    return sorted(reached)


def _is_text(node: Any) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _raises_for_people(node: Any) -> bool:
    """Whether it raises a DliflowError, which ends the job: its wording is in no result. That of a Skip is."""
    error = node.exc if isinstance(node, ast.Raise) else None
    return isinstance(error, ast.Call) and isinstance(error.func, ast.Name) and error.func.id == "DliflowError"


def _fields(node: ast.ClassDef) -> list[str]:
    """Names that a class only annotates, in their order: what a NamedTuple or a dataclass is made of."""
    return [ast.unparse(part.target) for part in node.body if isinstance(part, ast.AnnAssign)]


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
    fields = [_fields(node)] if isinstance(node, ast.ClassDef) else []
    return [type(node).__name__, *([name, behaviour(value)] for name, value in parts), *fields]


def _all() -> dict[str, Path]:
    """All files of the package by their names; no hidden ones, which editors make."""
    return {str(path.relative_to(PACKAGE)): path for path in sorted(PACKAGE.rglob("[a-z_]*.py"))}


@cache
def _state() -> tuple[str, bool]:
    """Of all files what tells that none was touched, and whether a change from now on would be seen.

    The time of the last change of any kind (`st_ctime_ns`) cannot be set by a program.
    """
    now = time.time_ns()
    stats = {name: path.stat() for name, path in _all().items()}
    told = {name: [of.st_size, of.st_mtime_ns, of.st_ctime_ns, of.st_ino] for name, of in stats.items()}
    newest = max((of.st_ctime_ns for of in stats.values()), default=0)
    return digest_of(told, 64), newest < now - SETTLED_NS


@cache
def _noted() -> dict[str, Any]:
    """What an earlier run has learned of the files, by their names; nothing where one of them was touched since."""
    state, _ = _state()  # before any of them is read
    try:
        noted = read_json(Path(CODE))
        return noted["files"] if noted["state"] == state else {}
    except (OSError, ValueError, TypeError, LookupError):  # none, or damaged: they are read
        return {}


@cache
def _learned(path: Path) -> tuple[list[str], str]:
    """The modules of dliflow that a file imports, and a digest of what it does."""
    noted = _noted().get(str(path.relative_to(PACKAGE)))
    if noted is not None:
        modules, does = noted
        return modules, does
    imported, constants = _imports(path)
    values = {name: repr(value) for name, value in constants.items()}
    return sorted(imported), digest_of([behaviour(_tree(path)), values], 64)


def note() -> None:
    """Write down what is learned of all files, for the jobs of this run and for later runs."""
    state, settled = _state()
    if settled and not _noted():
        write_json(Path(CODE), {"state": state, "files": {name: _learned(path) for name, path in _all().items()}})


@cache
def digest(*modules: str) -> str:
    """Digest of what the files of these modules do, and where in the package they lie."""
    return digest_of([[str(path.relative_to(PACKAGE)), _learned(path)[1]] for path in files(*modules)])
