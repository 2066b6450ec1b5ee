"""What a study needs of the machine before it can run at all: rights, room, programs and libraries.

Each function returns messages `WHO NEEDS IT: what is missing; how to mend it`. Nothing is asked of the network.
"""

from __future__ import annotations

import ctypes
import itertools
import re
import shlex
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Optional
from urllib.parse import urlsplit

from dliflow import building, conversion, frameworks, sources
from dliflow.configuration import CPP, family
from dliflow.fetching import uv
from dliflow.machine import compiler
from dliflow.study import config, environments, known, paths

ROOM_GB = 4  # of all environments together


def _there(folder: Path) -> Path:
    """The folder, or the first one around it that exists."""
    return next(path for path in (folder, *folder.parents) if path.is_dir())


def _refusal(folder: Path) -> Optional[str]:
    """Why a folder takes no file; None where it does."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return None
    except OSError as error:
        return error.strerror


def folders_of_results(checkout: Path) -> list[Path]:
    """Those that every run writes to; what a link leads to may be for reading, such as environments of others."""
    results = checkout / paths.RESULTS
    inside = sorted(results.glob("*")) if results.is_dir() else []
    return [results, *(path for path in inside if path.is_dir() and not path.is_symlink())]


def unwritable(folders: Iterable[Path]) -> list[str]:
    """Folders of a checkout that take no file, whoever made them (root, by sudo, say); or those around them."""
    refusals = {folder: _refusal(folder) for folder in map(_there, folders)}
    return [
        f"every run: {folder} cannot be written to ({reason}); take it over (sudo chown -R $USER "
        f"{shlex.quote(str(folder))}), or free the disk"
        for folder, reason in refusals.items()
        if reason is not None
    ]


def closed(folder: Path) -> list[str]:
    """That environments cannot be made in a folder, where that is so."""
    refusal = _refusal(_there(folder))
    if refusal is None:
        return []
    return [
        f"environments: {_there(folder)} cannot be written to ({refusal}); name a folder of your own in "
        "environments.folder"
    ]


def _used_environments(study: dict[str, Any], checkout: Path) -> list[str]:
    """The environments in which the study's models are read, converted or run, and libraries for that compiled."""
    named, kinds = study["frameworks"], study["precisions"]
    converters = {conversion.converter(name, kind, checkout / "envs") for name in named for kind in kinds}
    compiles = CPP in study["apis"] and any(building.source_of(name, study["cpp"]) for name in named)
    names = {*named, *([building.TOOLS] if compiles else [])}
    models = checkout / "config/models"
    for position, name in enumerate(study["models"]):
        if known.unanswered(name, models, "models"):
            names |= converters | {known.environment_file(name.partition("/")[0]).stem}
            continue
        source = config.model(models, name, "the study", f"models[{position}]")["source"]
        names.add(sources.home(source["format"]))
        if "precision" not in source:  # else its file runs as it is
            names |= converters | {sources.exporter(source["format"])}
    return sorted(names)


def index() -> tuple[str, list[str]]:
    """Where packages will come from, in words and without passwords, and what is wrong with that."""
    variables = uv.variables()
    address = variables.get("UV_DEFAULT_INDEX") or variables.get("UV_INDEX_URL")
    links = [link for link in re.split(r"[,\s]+", variables.get("UV_FIND_LINKS", "")) if link]
    missing = []
    where = "uv's usual index (no mirror is named: UV_DEFAULT_INDEX, or index-url in pip's configuration)"
    if address:
        parts = urlsplit(address.partition("=")[2] if re.match(r"[\w.-]+=", address) else address)  # NAME=URL
        where = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
        if parts.scheme not in ("http", "https", "file") and not Path(parts.path).is_dir():
            missing.append(
                f"environments: the package index '{where}' is no address; write one that begins with https:// in "
                "UV_DEFAULT_INDEX or pip's configuration"
            )
    for link in links:
        if "://" not in link and not Path(link).exists():
            missing.append(
                f"environments: the folder of wheels '{link}' is not there; correct find-links in pip's configuration "
                "(pip config list), or PIP_FIND_LINKS or UV_FIND_LINKS"
            )
    for name in ("UV_OFFLINE", "UV_NO_INDEX"):
        if variables.get(name, "").lower() in ("1", "true", "yes", "on", "y", "t"):
            missing.append(f"environments: {name} is set, so uv asks no package index; unset {name}")
    return where, missing


def for_environments(study: dict[str, Any], checkout: Path) -> list[str]:
    """What is missing to make the environments of a study that are not there yet."""
    folder = checkout / study["environments"]["folder"]
    files = [checkout / f"envs/{name}.yaml" for name in _used_environments(study, checkout)]
    unmade = [file for file in files if not Path(environments.folder(file, str(folder)), "environment.json").exists()]
    if not unmade:
        return []
    _, missing = index()
    if not folder.is_relative_to(checkout):  # whose folders are told of anyway
        missing += closed(folder)
    free = shutil.disk_usage(_there(folder)).free / 1e9
    if free < ROOM_GB:
        missing.append(
            f"environments: {free:.1f} GB are free in {_there(folder)}, all of them take {ROOM_GB} ({len(unmade)} of "
            f"{len(files)} are still to be made); free some, or name a folder on another disk in environments.folder"
        )
    if uv.program() is None:
        missing.append(
            "environments: uv is not there; install it as the README does (it comes with requirements.lock), or let "
            "conda make them (--sdm conda)"
        )
        return missing
    for version in sorted({environments.read(file)["python"] for file in unmade}):
        if not uv.has_python(version):
            named = ", ".join(file.stem for file in unmade if environments.read(file)["python"] == version)
            missing.append(
                f"environments of {named}: no Python {version} is installed; uv will try to download it when the "
                "study begins; where it cannot, their rows are skipped, until that version is installed (with the "
                "system's packages, or pyenv)"
            )
    return missing


def for_frameworks(
    chosen: Sequence[str], precisions: Sequence[str], variants: Optional[Mapping[str, Sequence[str]]] = None
) -> list[str]:
    """Parts of the system that packages of frameworks rely on and do not bring.

    Args:
        variants: those that the config names, by framework.
    """
    missing = []
    if "mxnet" in map(family, chosen):
        try:
            ctypes.CDLL("libgomp.so.1")
        except OSError:
            missing.append(
                "MXNet: the system has no libgomp; sudo apt-get install libgomp1 (Fedora: dnf install libgomp), or "
                "leave mxnet out of frameworks"
            )
    compiled = [
        f"{name} {variant} {precision}"
        for name, precision in itertools.product(chosen, precisions)
        for variant in frameworks.variants(name, variants)
        if precision in frameworks.more_variants(name).get(variant, [precision])  # others are no rows
        and conversion.compiles(name, variant, precision)
    ]
    return missing + (for_compiling(", ".join(compiled), "to convert with") if compiled else [])


def for_compiling(who: str, purpose: str) -> list[str]:
    """That there is no C++ compiler, where there is none."""
    if compiler.version() is not None:
        return []
    return [
        f"{who}: there is no C++ compiler '{compiler.name()}' {purpose}; sudo apt-get install g++ (Fedora: dnf install "
        "gcc-c++), or name another one in CXX; without it these rows are skipped"
    ]


def missing(study: dict[str, Any], checkout: Path) -> list[str]:
    """All that a study lacks here.

    Args:
        study: a checked config, as `config.study` gives it.
        checkout: the folder that its paths are relative to.

    Raises:
        DliflowError: when a model's entry or an environment file is wrong.
    """
    return [
        *unwritable([checkout, *folders_of_results(checkout), checkout / paths.DOWNLOADS]),
        *for_environments(study, checkout),
        *for_frameworks(study["frameworks"], study["precisions"], study["variants"]),
        *(for_compiling("apis: cpp", "for programs in C++") if CPP in study["apis"] else []),
    ]
