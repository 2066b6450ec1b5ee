"""Compile the program in C++ that runs a framework's models, in that framework's environment."""

from __future__ import annotations

import argparse
import subprocess
from pathlib import Path
from typing import Optional

from dliflow import building, frameworks, integrity
from dliflow.errors import DliflowError, Skip
from dliflow.files import payload, read_json, replacing, sha256, write_json
from dliflow.machine import compiler, facts
from dliflow.measuring.program import NAME

FLAGS = ("-O2", "-Wall")
SHOWN = 20  # lines of what the compiler says


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--framework", required=True)
    parser.add_argument("--sources", nargs="+", required=True, help="its own file, and the shared ones")
    parser.add_argument("--library", type=Path, help="manifest of one that was compiled, or folder of an installed one")
    parser.add_argument("--out", type=Path, required=True, help="the manifest; the program lies in a folder beside it")


def run(args: argparse.Namespace) -> None:
    """Compile, and write the manifest; a skip is written there too, with its reason."""
    manifest = {"framework": args.framework, "status": "ok", "reason": None, "files": {}}
    target, site = payload(args.out), facts.site()
    try:
        version, library = compiler.needed(), folder_of(args.library)
        line = building.load(args.framework).compile_line(*([site] if library is None else [site, library]))
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
        **({} if library is None else {"library": str(library)}),
    }
    write_json(args.out, {**manifest, **described, "files": files})


def folder_of(library: Optional[Path]) -> Optional[Path]:
    """Where the library lies that a program is linked with; None for nothing.

    Args:
        library: as the option has it.

    Raises:
        Skip: when it could not be compiled here.
        DliflowError: when it was compiled, and is damaged.
    """
    if library is None or library.suffix != ".json":
        return library and library.resolve()
    manifest = read_json(library)
    if manifest["status"] == "skipped":
        raise Skip(manifest["reason"])
    integrity.verify(payload(library), manifest["files"], f"delete {library} to compile it again")
    return payload(library).resolve()


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
