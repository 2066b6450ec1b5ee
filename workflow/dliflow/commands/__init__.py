"""One module for each command that people type, `./dliflow NAME`, found by its file name.

Each has, as a stage has, `arguments(parser)` and `run(args)`; the first line of its docstring is its line in
`./dliflow --help`. What the workflow runs is a stage and belongs in `stages/`. A name stands in one of the two only.
"""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

from dliflow import rooms

CHECKOUT = Path(__file__).parents[3]


def names(package: ModuleType) -> list[str]:
    """The modules of a package, in alphabetical order."""
    return rooms.modules(package.__path__)


def listing(package: ModuleType) -> str:
    """The modules of a package, each with the first line of its docstring; none of them is imported."""
    import ast  # here, since measuring processes need none of them
    import shutil
    import textwrap

    width, columns = max(map(len, names(package))), shutil.get_terminal_size().columns
    lines = []
    for name in names(package):
        source = Path(package.__path__[0], f"{name}.py").read_text(encoding="utf-8")
        meaning = (ast.get_docstring(ast.parse(source)) or "").partition("\n")[0]
        first, others = f"  {name:<{width}}  ", " " * (width + 4)
        lines += textwrap.wrap(meaning, columns, initial_indent=first, subsequent_indent=others)
    return "\n".join(lines)
