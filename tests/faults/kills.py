"""Kill a study at random moments, run it to its end, and set it against the same one that nothing disturbed.

    DLIFLOW_TEST_ENVIRONMENTS=FOLDER PYTHONPATH=workflow:tests .venv/bin/python tests/faults/kills.py FOLDER --kills 50

runs config/quick.yaml so, in two copies of the checkout. Whatever is no timing must be equal: lists of images, pixels,
models, predictions, figures of quality, and which records there are.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from project import Project, copy_of_the_repository

from dliflow.files import read_json
from dliflow.machine import lock

SAME = ("data", "calibration", "models", "anchor")  # folders of results whose files are equal to the byte
QUALITY = ("parity", "accuracy")
MEASURED = ("sweep", "compare", "throughput", "tune")
OF_THE_RUN = ("peak_rss_mib", "evaluated_s", "images_per_s")  # figures of quality that are none


def children_of(pid: int) -> list[int]:
    """Processes that a process has started, and those that these have started."""
    try:
        tasks = Path(f"/proc/{pid}/task").iterdir()
        first = [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except OSError:  # it has ended
        return []
    return [*first, *(other for child in first for other in children_of(child))]


def killed(project: Project, targets: Sequence[str], after_s: float, chance: random.Random) -> str:
    """Start a run, and kill all of it, Snakemake alone or one of its processes after a while; says which.

    A run that has lost one process only ends by itself.
    """
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--rerun-incomplete", *targets]
    variables = {**os.environ, lock.TEST_LOCK_FOLDER: str(project.folder)}
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, cwd=project.folder, env=variables, start_new_session=True, **silent)
    time.sleep(after_s)
    kind = chance.choice(["all", "snakemake", "one"])
    jobs = children_of(process.pid)
    if kind == "all":
        for pid in (process.pid, *jobs):
            _kill(pid)
    elif kind == "snakemake" or not jobs:
        _kill(process.pid)
    else:
        _kill(chance.choice(jobs))
    process.wait()
    return kind


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def comparable(folder: Path) -> dict[str, Any]:
    """What of a study's results is no timing, by path."""
    results, seen = folder / "results", {}
    for name in SAME:
        for path in sorted((results / name).rglob("*")):
            if path.is_file() and not path.name.startswith("."):
                seen[str(path.relative_to(results))] = hashlib.sha256(path.read_bytes()).hexdigest()
    for name in QUALITY:
        for path in sorted((results / name).rglob("*.*")):
            if path.suffix == ".json":
                figures = read_json(path).get("figures") or {}
                seen[str(path.relative_to(results))] = {
                    key: value for key, value in figures.items() if key not in OF_THE_RUN
                }
            else:
                seen[str(path.relative_to(results))] = path.read_text()
    for name in MEASURED:
        seen.update({str(path.relative_to(results)): "there" for path in sorted((results / name).rglob("*.json"))})
    return seen


def differences(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """Paths of which two studies do not have the same."""
    return sorted(path for path in one.keys() | other.keys() if one.get(path) != other.get(path))


def left_over(folder: Path) -> list[str]:
    """Temporary folders and unfinished work that a finished study has no use for."""
    return [str(path) for path in (folder / "results").rglob("*") if path.suffix == ".partial" or path.name[0] == "."]


def main() -> None:
    """Both studies, and what differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="an empty one, for the two copies")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--longest", type=float, default=60.0, help="seconds of a run until it is killed, at most")
    args = parser.parse_args()
    environments = Path(os.environ["DLIFLOW_TEST_ENVIRONMENTS"]).resolve()
    chance, studies = random.Random(args.seed), []
    targets = ("all", "--configfile", "config/quick.yaml", "--config", f"environments={{folder: {environments}}}")
    for name in ("undisturbed", "killed"):
        project = copy_of_the_repository(args.folder / name, environments)
        for number in range(args.kills if name == "killed" else 0):
            after_s = chance.uniform(2, args.longest)
            kind = killed(project, targets, after_s, chance)
            project.run("--unlock", *targets)
            print(f"kill {number + 1} of {args.kills}: {kind}, after {after_s:.1f} s", flush=True)
        project.run(*targets)
        studies.append(comparable(project.folder))
    different, left = differences(*studies), left_over(args.folder / "killed")
    print(f"{len(studies[0])} files compared, {len(different)} differ, {len(left)} are left over")
    print("\n".join([*different, *left]))
    sys.exit(bool(different or left))


if __name__ == "__main__":
    main()
