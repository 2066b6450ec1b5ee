"""Compile the library that a framework's program in C++ is linked with, from the source package of the pinned version.

With CMake and Ninja of an environment of their own. It is whole or not there. A job that was killed is gone on with: in
`<result>.partial/` lie sources and what was compiled, of which Ninja compiles again what is not whole.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Optional

from dliflow import progress
from dliflow.errors import DliflowError, Skip
from dliflow.fetching import archive, download, uv
from dliflow.files import digest, payload, replacing, sha256, write_json
from dliflow.machine import children, compiler, lock, variables
from dliflow.measuring import workers
from dliflow.records import journal
from dliflow.study import environments, paths

SHOWN = 30  # lines of what a command says


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--framework", required=True)
    parser.add_argument("--file", type=Path, required=True, help="envs/<framework>.yaml, which pins the package")
    parser.add_argument("--source", type=json.loads, required=True, help="JSON: as `building.Source`")
    parser.add_argument("--tools", required=True, help="Python of the environment that CMake and Ninja lie in")
    parser.add_argument("--jobs", type=int, required=True, help="how many compilers run at a time")
    parser.add_argument("--out", type=Path, required=True, help="the manifest; the library lies in a folder beside it")


def run(args: argparse.Namespace) -> None:
    """Fetch, compile, install, and write the manifest; without a compiler that tells of the skip."""
    manifest = {"framework": args.framework, "status": "ok", "reason": None}
    try:
        version = compiler.needed()
    except Skip as skip:
        write_json(args.out, {**manifest, "status": "skipped", "reason": str(skip)})
        return
    package = fetched(args.file, args.source["package"])
    tools = Path(workers.python(args.tools)).absolute().parent
    cmake, ninja = str(tools / "cmake"), str(tools / "ninja")
    chosen = [f"CMAKE_MAKE_PROGRAM={ninja}", f"CMAKE_CXX_COMPILER={compiler.name()}", *args.source["definitions"]]
    library, partial = payload(args.out), payload(args.out, ".partial")
    partial.mkdir(parents=True, exist_ok=True)
    guard = lock.take(partial / journal.LOCK, f"{partial} is")
    try:
        unpacked(package, partial, digest([sha256(package), version, chosen]))
        (place,) = partial.glob(f"source/*/{args.source['folder']}/CMakeLists.txt")
        build = str(partial / "build")
        run_command([cmake, "-G", "Ninja", "-S", str(place.parent), "-B", build, *(f"-D{each}" for each in chosen)])
        run_command([ninja, "-C", build, "-j", str(args.jobs)], steps_of(args.framework))
        with replacing(library) as folder:
            run_command([cmake, "--install", build, "--prefix", str(folder.absolute())])
        files = sorted(file for file in library.rglob("*") if file.is_file())
        described = {"package": package.name, "compiler": version, "definitions": args.source["definitions"]}
        digests = {str(file.relative_to(library)): sha256(file) for file in files}
        write_json(args.out, {**manifest, **described, "files": digests})
        shutil.rmtree(partial)
    finally:
        os.close(guard)


def fetched(file: Path, name: str) -> Path:
    """The source package of the version that an environment file pins.

    Raises:
        DliflowError: when it cannot be had, or is none of the files that the lock of the environment lists.
    """
    (pin,) = (pin for pin in environments.read(file)["packages"] if pin.startswith(f"{name}=="))
    location, known = uv.source_package(pin), environments.checksums(file, name)
    if known is None:
        progress.say(
            f"{pin}: its source package is taken without a checksum of ours; ./dliflow lock {file.stem} makes it"
        )
    elif location["sha256"] not in known:
        raise DliflowError(
            f"{pin}: the source package on the index has the checksum {location['sha256']}, which is not in "
            f"{environments.lock(file)}; do not use it, or, if the index is right, run ./dliflow lock {file.stem}"
        )
    return download.fetch(location, Path(paths.DOWNLOADS))


def unpacked(package: Path, partial: Path, key: str) -> None:
    """Let the sources lie in `partial/source`, with what was compiled of them beside, if the same was begun before.

    Args:
        key: digest of what decides what is compiled.
    """
    mark, *folders = (partial / name for name in ("key", "source", "build"))
    if mark.exists() and mark.read_text(encoding="utf-8") == key:
        print(f"goes on in {partial}", flush=True)
        return
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
    source, _ = folders
    source.mkdir()
    archive.extract(package, source)
    mark.write_text(key, encoding="utf-8")


def steps_of(framework: str) -> Callable[[str], None]:
    """A function that takes the lines that Ninja prints, and tells how far it is."""
    report: Optional[Callable[[int], None]] = None

    def look(line: str) -> None:
        nonlocal report
        step = re.match(r"\[(\d+)/(\d+)\]", line)
        if step:
            report = report or progress.meter(f"library of {framework}", int(step[2]), unit="steps")
            report(int(step[1]))

    return look


def run_command(command: Sequence[str], look: Callable[[str], None] = lambda line: None) -> None:
    """Run a command, its output in the log. No variable of a shell's reaches it that would choose other flags.

    Args:
        look: is called with each line.

    Raises:
        DliflowError: with the end of what it said, from what Ninja calls failed on, when it did.
    """
    print(" ".join(command), flush=True)
    environment, _ = variables.passed_on(os.environ, "cmake")
    lines = []
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=environment,
        preexec_fn=children.dying_with_parent(),
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            look(line)
            lines.append(line.rstrip())
    if process.returncode:
        failed = next((place for place, line in enumerate(lines) if line.startswith("FAILED:")), len(lines) - SHOWN)
        said = "\n".join(lines[max(0, failed) :][:SHOWN])
        raise DliflowError(f"{Path(command[0]).name} failed (status {process.returncode}):\n{said}")
