"""The packages of a deployed configuration, `requirements.txt`: what running needs of `envs/<framework>.yaml`'s pins.

Such a file also pins what converts. Of an environment that lies on this machine the packages themselves tell what they
need; where conda has made it, all pins are taken.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any, Optional

import PIL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from dliflow.errors import DliflowError
from dliflow.files import read_json
from dliflow.study import environments


def python(file: Path) -> str:
    """The version of Python that `envs/<framework>.yaml` asks for."""
    return str(environments.read(file)["python"])


def imported(program: str) -> set[str]:
    """The top-level modules that a program imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(program)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return {name.partition(".")[0] for name in names}


def _modules(package: Distribution) -> set[str]:
    """The top-level modules that a package has installed."""
    return {file.parts[0].partition(".")[0] for file in package.files or ()}


def needed(environment: Path, modules: Iterable[str]) -> set[str]:
    """The packages, by their normal names, that have these modules, and all that they need in turn.

    Args:
        environment: what tells of an environment, in its folder.

    Raises:
        DliflowError: when there is nothing of it.
    """
    python = read_json(environment)["python"]
    site = [str(folder) for folder in environment.parent.glob("lib/python*/site-packages")]
    packages = {canonicalize_name(package.name): package for package in distributions(path=site)}
    if not packages:
        raise DliflowError(f"{environment.parent}: the environment is gone; delete {environment} to make it again")
    where = {"python_full_version": python, "python_version": ".".join(python.split(".")[:2]), "extra": ""}
    wanted: set[str] = set()
    waiting = [name for name, package in packages.items() if _modules(package) & set(modules)]
    while waiting:
        name = waiting.pop()
        if name in wanted or name not in packages:
            continue
        wanted.add(name)
        for text in packages[name].requires or ():
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate(where):
                waiting.append(canonicalize_name(requirement.name))
    return wanted


def requirements(file: Path, program: Optional[str], environment: Optional[Path]) -> str:
    """The text of `requirements.txt`.

    Args:
        file: `envs/<framework>.yaml`.
        program: the program that is to run; None where there is none.
        environment: what tells of the environment of that file; None where that is not known.
    """
    known: dict[str, Any] = environments.read(file)
    pins: dict[str, str] = {canonicalize_name(pin.partition("==")[0]): pin for pin in known["packages"]}
    which = "The packages"
    if program is not None and environment is not None:
        wanted, which = needed(environment, imported(program)), "What running needs of the packages"
        pins = {name: pin for name, pin in pins.items() if name in wanted}
    pins["pillow"] = f"pillow=={PIL.__version__}"
    lines = [
        f"# Python {known['python']}. {which} with which it was measured.",
        "# Pillow is the one that prepared the study's images; another version may make other pixels.",
    ]
    if any(pin.endswith("+cpu") for pin in pins.values()):
        lines.append("# The usual index has no CPU build: uv pip install --torch-backend cpu -r requirements.txt")
    return "\n".join([*lines, *(pins[name] for name in sorted(pins))]) + "\n"
