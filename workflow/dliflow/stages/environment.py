"""Make a framework's virtual environment from its conda file, with uv."""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from dliflow import environments
from dliflow.errors import DliflowError
from dliflow.files import write_json


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--file", type=Path, required=True, help="envs/<framework>.yaml")
    parser.add_argument("--out", type=Path, required=True, help="environment.json, in the environment's folder")


def pip_setting(name: str) -> str:
    """A setting of pip's own configuration (files and variables), '' when there is none."""
    try:
        command = [sys.executable, "-m", "pip", "config", "list"]
        listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return ""
    found = {}
    for line in listing.splitlines():
        key, _, value = line.partition("=")
        section, _, option = key.rpartition(".")
        if option == name:
            found[section] = value.strip("'\"")
    return found.get(":env:") or found.get("install") or found.get("global") or next(iter(found.values()), "")


def uv_environment() -> dict[str, str]:
    """Environment variables for uv: those at hand, and pip's index and folders of wheels where uv has none of its own.

    uv does not read pip's configuration, yet this is where a mirror, or a folder of wheels, usually stands.
    """
    environment = dict(os.environ)
    index, links = pip_setting("index-url"), pip_setting("find-links")
    if index and not {"UV_DEFAULT_INDEX", "UV_INDEX_URL"} & set(environment):
        environment["UV_DEFAULT_INDEX"] = index
    if links and "UV_FIND_LINKS" not in environment:
        environment["UV_FIND_LINKS"] = ",".join(links.split())
    environment.pop("VIRTUAL_ENV", None)
    return environment


def uv(*command: str) -> subprocess.CompletedProcess:
    """Run uv from the orchestrator's own environment; its messages go to the log."""
    beside = Path(sys.executable).with_name("uv")
    program = str(beside) if beside.exists() else shutil.which("uv")
    if program is None:
        raise DliflowError("uv is not installed; it comes with requirements.lock")
    return subprocess.run([program, *command], env=uv_environment(), text=True, stderr=subprocess.PIPE)


def install(python: Path, requirements: Path, packages: list[str]) -> None:
    """Install exactly the listed packages.

    A pin such as `torch==2.13.0+cpu` names a build that the usual index does not hold. It is looked for where pip and
    uv are configured to look first, then at PyTorch's own index for CPU builds, which uv knows by the name `cpu`. The
    build for CUDA, gigabytes of it, never matches.
    """
    requirements.write_text("\n".join(packages) + "\n", encoding="utf-8")
    command = ["pip", "sync", "--python", str(python), "--compile-bytecode", str(requirements)]
    result = uv(*command)
    print(result.stderr, flush=True)
    if result.returncode and any(pin.endswith("+cpu") for pin in packages):
        print("not found as configured; trying PyTorch's CPU builds", flush=True)
        result = uv(*command, "--torch-backend", "cpu")
        print(result.stderr, flush=True)
    if result.returncode:
        raise DliflowError(f"the environment could not be built:\n{result.stderr.strip()}")


def run(args: argparse.Namespace) -> None:
    """Build the environment, or reuse the one that another run has built; `environment.json` is written last."""
    wanted = environments.read(args.file)
    folder = args.out.parent
    folder.mkdir(parents=True, exist_ok=True)
    with open(f"{folder}.lock", "w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        if args.out.exists():
            return
        result = uv("venv", "--clear", "--python", wanted["python"], str(folder))
        if result.returncode:
            raise DliflowError(
                f"no environment with Python {wanted['python']} could be made; install that Python version, or let "
                f"uv download it:\n{result.stderr.strip()}"
            )
        python = folder / "bin" / "python"
        install(python, folder / "requirements.txt", wanted["packages"])
        write_json(args.out, installed(python))


def installed(python: Path) -> dict[str, Any]:
    """`{"python": version, "packages": {name: version}}` as that Python itself tells."""
    code = (
        "import importlib.metadata as m, json, platform;"
        "packages = {d.metadata['Name'].lower(): d.version for d in m.distributions()};"
        "print(json.dumps({'python': platform.python_version(), 'packages': packages}, sort_keys=True))"
    )
    return json.loads(subprocess.check_output([python, "-c", code], text=True))
