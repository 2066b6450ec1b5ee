"""`envs/<name>.yaml`: one conda file for each framework, the only place where packages are pinned; one more for each
version of it that is to be measured beside the others, `envs/<name>@<version>.yaml`.

Without conda a uv virtual environment is made from the same file. What decides it is the Python version and the list of
pinned packages; a comment or the channels do not.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Optional

from dliflow import files, frameworks
from dliflow.errors import DliflowError
from dliflow.fetching import uv
from dliflow.study import yaml_files

FOLDER = Path("envs")
COMPILER = "cxx-compiler"  # which conda users may add, for programs in C++; without conda the system's own is taken


def names(family: str, checkout: Path = Path()) -> list[str]:
    """What a framework can be called in a config, by the environment files of a checkout: older versions first."""
    every = [path.stem for path in (checkout / FOLDER).glob(f"{family}*.yaml")]
    of_family = (name for name in every if frameworks.family(name) == family)
    return sorted(of_family, key=lambda name: (frameworks.line(name), frameworks.age(name)))


def read(path: Path) -> dict[str, Any]:
    """`{"python": version, "packages": [pins]}` of an environment file.

    Raises:
        DliflowError: when the file is missing, or holds what a virtual environment cannot be made of.
    """
    if not path.exists():
        there = ", ".join(sorted(file.name for file in path.parent.glob("*.yaml"))) or "none"
        raise DliflowError(f"{path}: there is no environment file for this framework; there are {there}")
    entries = yaml_files.mapping(path).get("dependencies")
    if not isinstance(entries, list):
        raise DliflowError(f"{path}: dependencies: {entries!r}. Right would be: a list, as conda's files have it")
    python: Optional[str] = None
    packages: list[str] = []
    problems = []
    for entry in entries:
        if isinstance(entry, dict) and set(entry) == {"pip"} and isinstance(entry["pip"], list):
            packages += map(str, entry["pip"])
        elif isinstance(entry, str) and entry.replace(" ", "").startswith("python="):
            python = entry.replace(" ", "").removeprefix("python").lstrip("=")
        elif entry not in ("pip", COMPILER):
            problems.append(f"'{entry}' can be had from conda only; move it to the list under 'pip:'")
    problems += [f"pip: '{pin}' is not pinned; write '{pin}==VERSION'" for pin in packages if "==" not in pin]
    if python is None:
        problems.append("'python=VERSION' is missing")
    if problems:
        raise DliflowError("\n".join(f"{path}: dependencies: {problem}" for problem in problems))
    return {"python": python, "packages": sorted(packages)}


def unmade_pythons(paths: Iterable[Path], base: str) -> set[str]:
    """The versions of Python, others than this one, that environments need which are not there yet."""
    this = f"{sys.version_info.major}.{sys.version_info.minor}"
    unmade = (path for path in paths if not Path(folder(path, base), "environment.json").exists())
    return {read(path)["python"] for path in unmade} - {this}


def lacking(path: Path, base: str) -> Optional[str]:
    """Why an environment that is not there yet cannot be made: no Python of its version. None where it can."""
    missing = [version for version in unmade_pythons([path], base) if not uv.has_python(version)]
    return (
        f"{path} needs Python {missing[0]}, which is neither on the PATH nor among pyenv's, and which uv could not "
        f"fetch (uv python install {missing[0]}); conda can have it: --sdm conda"
        if missing
        else None
    )


def lock(path: Path) -> Path:
    """Where the checksums of an environment file's packages stand, made by `./dliflow lock`; it need not be there."""
    return path.parent / "locks" / f"{path.stem}.txt"


def locked(path: Path) -> Optional[str]:
    """The lines of an environment file's lock; None where it has none, or one of other pins."""
    if not lock(path).is_file():
        return None
    text = lock(path).read_text(encoding="utf-8")
    pins = re.findall(r"(?m)^[^\s#]+==[^\s;\\]+", text)
    return text if set(map(_normal, pins)) == set(map(_normal, read(path)["packages"])) else None


def without_checksums(text: str) -> list[str]:
    """The pins that stand in a lock without a checksum."""
    entries = re.split(r"(?m)^(?=[^\s#])", text)
    return [entry.strip() for entry in entries if "==" in entry and "--hash=" not in entry]


def checksums(path: Path, package: str) -> Optional[set[str]]:
    """The SHA-256 of all files of a package of an environment, as its lock has them; None where none is known."""
    entries = re.split(r"(?m)^(?=[^\s#])", locked(path) or "")
    of_package = (entry for entry in entries if _normal(entry).startswith(_normal(package)))
    return {digest for entry in of_package for digest in re.findall(r"--hash=sha256:(\w+)", entry)} or None


def _normal(pin: str) -> str:
    """A pin with the package's name as indexes have it, whose spelling differs from file to file (PEP 503)."""
    name, _, version = pin.partition("==")
    return f"{re.sub('[-_.]+', '-', name).lower()}=={version}"


def lock_of(folder: Path) -> Path:
    """The file that whoever makes or deletes a virtual environment holds a lock on (flock)."""
    return folder.with_name(f"{folder.name}.lock")


def digest(path: Path) -> str:
    """Of what decides an environment."""
    return files.digest(read(path))


def folder(path: Path, base: str) -> str:
    """Where the virtual environment of an environment file lies: named after what decides it."""
    return f"{base}/{path.stem}-{digest(path)}"
