"""uv, which makes the environments: where it is, the index that it or pip is configured for, and where Pythons are."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from dliflow.errors import DliflowError
from dliflow.machine import children


def program() -> str | None:
    """uv of the orchestrator's own environment, or else the one on the PATH."""
    beside = Path(sys.executable).with_name("uv")
    return str(beside) if beside.exists() else shutil.which("uv")


@cache
def pip_configuration() -> str:
    """What pip tells of its configuration (files and variables); '' when there is no pip."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return ""


def pip_setting(name: str) -> str:
    """A setting of pip's own configuration, '' when there is none."""
    values = {}
    for line in pip_configuration().splitlines():
        key, _, value = line.partition("=")
        section, _, option = key.rpartition(".")
        if option == name:
            values[section] = value.strip("'\"")
    return values.get(":env:") or values.get("install") or values.get("global") or next(iter(values.values()), "")


def pythons_of_pyenv() -> list[str]:
    """The folders of the Pythons that pyenv has installed.

    On the PATH pyenv has a `python3.10` for each of them, which fails unless that version is the chosen one. uv knows
    nothing else of pyenv.
    """
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    return sorted(map(str, root.glob("versions/3.*/bin")))


def variables() -> dict[str, str]:
    """Environment variables for uv: those at hand, and pip's index and folders of wheels where uv has none of its own.

    uv does not read pip's configuration, yet this is where a mirror, or a folder of wheels, usually stands. Behind all
    that is on the PATH it finds pyenv's Pythons.
    """
    environment = dict(os.environ)
    index, links = pip_setting("index-url"), pip_setting("find-links")
    if index and not {"UV_DEFAULT_INDEX", "UV_INDEX_URL"} & set(environment):
        environment["UV_DEFAULT_INDEX"] = index
    if links and "UV_FIND_LINKS" not in environment:
        environment["UV_FIND_LINKS"] = ",".join(links.split())
    environment["PATH"] = os.pathsep.join([environment.get("PATH", os.defpath), *pythons_of_pyenv()])
    environment.pop("VIRTUAL_ENV", None)
    return environment


def run(*arguments: str, links: bool = True, timeout: float | None = None) -> subprocess.CompletedProcess[str]:
    """Run uv and keep its messages, which belong in the log.

    Args:
        links: whether it looks into folders of wheels, too, where it or pip is configured for some.
        timeout: seconds after which it is killed, and `subprocess.TimeoutExpired` raised.

    Raises:
        DliflowError: when there is no uv.
    """
    uv = program()
    if uv is None:
        raise DliflowError("uv is not installed; it comes with requirements.lock")
    # It dies with this process: else it would go on in a folder that the next run builds in.
    tied = children.dying_with_parent()
    environment = {name: value for name, value in variables().items() if links or name != "UV_FIND_LINKS"}
    return subprocess.run(
        [uv, *arguments], env=environment, text=True, stderr=subprocess.PIPE, preexec_fn=tied, timeout=timeout
    )


def source_package(pin: str) -> dict[str, Any]:
    """Where the package index has the source package of a pin: `url`, `sha256`, and `bytes` where it tells them.

    Raises:
        DliflowError: when the index is out of reach, or has none.
    """
    import tomllib

    with tempfile.TemporaryDirectory() as folder:
        wanted, answer = Path(folder, "wanted.in"), Path(folder, "pylock.toml")  # uv wants this name
        wanted.write_text(f"{pin}\n", encoding="utf-8")
        form = ("--no-deps", "--quiet", "--python", sys.executable, "--format", "pylock.toml")
        result = run("pip", "compile", *form, "-o", str(answer), str(wanted), links=False)
        if result.returncode:
            raise DliflowError(
                f"{pin}: its source package could not be looked up; is the package index that uv or pip is configured "
                f"for in reach?\n{result.stderr.strip()}"
            )
        (package,) = tomllib.loads(answer.read_text(encoding="utf-8"))["packages"]
    source = package.get("sdist", {})
    if not re.match("https?://", source.get("url", "")):
        raise DliflowError(f"{pin}: the package index has no source package of it")
    size = {"bytes": source["size"]} if "size" in source else {}
    return {"url": source["url"], "sha256": source["hashes"]["sha256"], **size}


def has_python(version: str) -> bool:
    """Whether uv finds a Python of this version (`3.11`) on the machine; nothing is downloaded."""
    uv = program()
    command = [uv or "uv", "python", "find", "--no-project", "--no-python-downloads", "--offline", version]
    return uv is not None and subprocess.run(command, env=variables(), capture_output=True).returncode == 0
