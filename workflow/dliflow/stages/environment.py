"""Make a framework's virtual environment from its conda file, with uv."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
from pathlib import Path
from typing import Any, Optional

from dliflow import progress
from dliflow.errors import DliflowError
from dliflow.fetching import uv
from dliflow.files import not_whole, sync_all, write_json
from dliflow.machine import lock
from dliflow.study import environments


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--file", type=Path, required=True, help="envs/<framework>.yaml")
    parser.add_argument("--out", type=Path, required=True, help="environment.json, in the environment's folder")


def install(python: Path, requirements: Path, packages: list[str], locked: Optional[str]) -> None:
    """Install exactly the listed packages; with their checksums where they are locked.

    A pin such as `torch==2.13.0+cpu` names a build that the usual index does not hold. It is looked for where pip and
    uv are configured to look first, then at PyTorch's own index for CPU builds, which uv knows by the name `cpu`. The
    build for CUDA, gigabytes of it, never matches.

    Args:
        locked: lines of the same packages with hashes, of all or of most; None where there are none.
    """
    requirements.write_text("\n".join(packages) + "\n" if locked is None else locked, encoding="utf-8")
    hashes = []
    if locked is not None:
        hashes = ["--verify-hashes" if environments.without_checksums(locked) else "--require-hashes"]
    command = ["pip", "sync", *hashes, "--python", str(python), "--compile-bytecode", str(requirements)]
    result = uv.run(*command)
    print(result.stderr, flush=True)
    if result.returncode and any(pin.endswith("+cpu") for pin in packages):
        print("not found as configured; trying PyTorch's CPU builds", flush=True)
        result = uv.run(*command, "--torch-backend", "cpu")
        print(result.stderr, flush=True)
    if result.returncode:
        raise DliflowError(f"the environment could not be built:\n{result.stderr.strip()}")


def run(args: argparse.Namespace) -> None:
    """Build the environment, or reuse the one that another run has built; `environment.json` is written last."""
    wanted, locked = environments.read(args.file), environments.locked(args.file)
    folder = args.out.parent
    if folder.exists() and not folder.is_dir():
        raise DliflowError(f"{folder}: is no folder; delete it, and the environment is made there")
    folder.parent.mkdir(parents=True, exist_ok=True)
    guard = lock.take(environments.lock_of(folder), f"{folder} is")
    try:
        folder.mkdir(exist_ok=True)  # not before: whoever had the lock may have deleted it
        python = folder / "bin" / "python"
        if args.out.exists() and not not_whole([str(args.out)]) and python.exists():
            return
        _check_may_clear(folder)
        result = uv.run("venv", "--clear", "--python", wanted["python"], str(folder))
        if result.returncode:
            raise DliflowError(
                f"no environment with Python {wanted['python']} could be made; install that Python version where the "
                f"PATH or pyenv has it, or let uv download it:\n{result.stderr.strip()}"
            )
        if locked is None:
            progress.say(
                f"{args.file}: packages are taken without checksums, since {environments.lock(args.file)} is missing "
                f"or of other versions; ./dliflow lock {args.file.stem} makes it"
            )
        elif without := environments.without_checksums(locked):
            progress.say(f"{args.file}: {', '.join(without)}: taken without checksums; all others are compared")
        install(python, folder / "requirements.txt", wanted["packages"], locked)
        sync_all(folder)  # a machine that loses its power must not leave the mark with half of the packages
        write_json(args.out, installed(python))
    finally:
        os.close(guard)


def _check_may_clear(folder: Path) -> None:
    """Refuse a folder that is not this user's to empty, before uv does that.

    Raises:
        DliflowError: for a link, and for a folder of another user.
    """
    if folder.is_symlink():
        raise DliflowError(f"{folder}: is a link, and all that it leads to would be deleted; delete the link")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise DliflowError(
            f"{folder}: may not be written, and the environment there is not finished; let the run of whoever began it "
            "end well, or name a folder of your own in environments.folder"
        )


def installed(python: Path) -> dict[str, Any]:
    """`{"python": version, "packages": {name: version}}` as that Python itself tells."""
    code = (
        "import importlib.metadata as m, json, platform;"
        "packages = {d.metadata['Name'].lower(): d.version for d in m.distributions()};"
        "print(json.dumps({'python': platform.python_version(), 'packages': packages}, sort_keys=True))"
    )
    return json.loads(subprocess.check_output([python, "-c", code], text=True))
