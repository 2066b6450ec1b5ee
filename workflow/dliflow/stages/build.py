"""Compile the program in C++ that runs a framework's models, in that framework's environment."""

from __future__ import annotations

import argparse
import subprocess
from pathlib import Path

from dliflow import building, frameworks
from dliflow.errors import DliflowError, Skip
from dliflow.files import payload, replacing, sha256, write_json
from dliflow.machine import compiler, facts
from dliflow.measuring.program import NAME

FLAGS = ("-O2", "-Wall")
SHOWN = 20  # lines of what the compiler says


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--framework", required=True)
    parser.add_argument("--sources", nargs="+", required=True, help="its own file, and the shared ones")
    parser.add_argument("--out", type=Path, required=True, help="the manifest; the program lies in a folder beside it")


def run(args: argparse.Namespace) -> None:
    """Compile, and write the manifest; a skip is written there too, with its reason."""
    manifest = {"framework": args.framework, "status": "ok", "reason": None, "files": {}}
    target, site = payload(args.out), facts.site()
    try:
        version = compiler_version()
        line = building.load(args.framework).compile_line(site)
    except Skip as skip:
        write_json(args.out, {**manifest, "status": "skipped", "reason": str(skip)})
        return
    units = [source for source in args.sources if source.endswith(".cpp")]
    with replacing(target) as folder:
        folder.mkdir()
        compile_program([compiler.name(), *FLAGS, *units, *line, "-o", str(folder / NAME)])
    files = {NAME: {"bytes": (target / NAME).stat().st_size, "sha256": sha256(target / NAME)}}
    described = {
        "version": frameworks.load(args.framework).version(),
        "compiler": version,
        "command": [compiler.name(), *FLAGS, *units, *line, "-o", str(target / NAME)],
        "site": str(site),
    }
    write_json(args.out, {**manifest, **described, "files": files})


def compiler_version() -> str:
    """What the compiler calls itself.

    Raises:
        Skip: when the machine has none.
    """
    version = compiler.version()
    if version is None:
        raise Skip(
            f"this machine has no C++ compiler '{compiler.name()}'; sudo apt-get install g++ (Fedora: dnf install "
            "gcc-c++; conda: cxx-compiler among the dependencies of the environment file), or name another one in CXX"
        )
    return version


def compile_program(command: list[str]) -> None:
    """Run the compiler.

    Raises:
        DliflowError: with the beginning of what it said, when it failed.
    """
    print(" ".join(command), flush=True)
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    print(result.stdout, flush=True)
    if result.returncode:
        said = "\n".join(result.stdout.splitlines()[:SHOWN])
        raise DliflowError(f"the program in C++ could not be compiled (status {result.returncode}):\n{said}")
