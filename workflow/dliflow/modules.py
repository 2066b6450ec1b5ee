"""Which source files decide a stage's result: the stage's module and all of dliflow that it imports."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

from dliflow.files import digest, sha256

PACKAGE = Path(__file__).parent


def _file(module: str) -> Path | None:
    base = PACKAGE.parent.joinpath(*module.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.exists():
            return path
    return None


@cache
def _imports(path: Path) -> frozenset[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return frozenset(name for name in found if name.split(".")[0] == "dliflow")


def sources(*names: str) -> list[str]:
    """Files of the named modules (`stages.latency`, `frameworks.openvino`) and of what they import, transitively.

    They are inputs of the jobs that run them, so that a change re-runs what it can have changed and nothing else.
    Imports inside functions count; a framework that is loaded by name must be named here. Sorted, relative to
    the working directory where they lie below it.
    """
    found: set[Path] = set()
    pending = [f"dliflow.{name}" for name in names]
    while pending:
        path = _file(pending.pop())
        if path is not None and path not in found:
            found.add(path)
            pending.extend(_imports(path))
    here = Path.cwd()
    return sorted(str(path.relative_to(here) if path.is_relative_to(here) else path) for path in found)


def contents(*names: str) -> str:
    """Digest of the contents of those files."""
    return digest([sha256(Path(path)) for path in sources(*names)], 64)
