"""Kill a study at random moments, run it to its end, and set it against the same one that nothing disturbed.

    DLIFLOW_TEST_ENVIRONMENTS=FOLDER PYTHONPATH=workflow:tests .venv/bin/python tests/faults/kills.py FOLDER --kills 50

runs config/quick.yaml so, in a copy of the checkout: once whole, then killed until a run ends by itself, and from
nothing again, until it was killed so often. Whatever is no timing must be equal: lists of images, pixels, models,
predictions, figures of quality, and which records there are.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from project import Project, copy_of_the_repository

from dliflow.files import read_json
from dliflow.machine import lock

SAME = ("data", "calibration", "models", "anchor")  # folders of results whose files are equal to the byte
QUALITY = ("parity", "accuracy")
MEASURED = ("sweep", "compare", "throughput", "tune")
RANDOM = ("fingerprint.pb",)  # files of models that are never the same twice: TensorFlow draws a number for each
OF_THE_RUN = ("peak_rss_mib", "evaluated_s", "images_per_s")  # figures of quality that are none
SNAKEMAKE, ONE = "Snakemake alone", "one process"
KINDS, ENDED = ("all", SNAKEMAKE, ONE), "ended"


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

    A run that has lost one process only goes on, and is killed as a whole after as long again. One that has ended by
    itself is not killed.
    """
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--rerun-incomplete", *targets]
    variables = {**os.environ, lock.TEST_LOCK_FOLDER: str(project.folder)}
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, cwd=project.folder, env=variables, start_new_session=True, **silent)
    if _ends(process, after_s):
        return ENDED
    kind, jobs = chance.choice(KINDS), children_of(process.pid)
    if kind == ONE and jobs:
        _kill(chance.choice(jobs))
        if not _ends(process, after_s):
            _kill(process.pid, *children_of(process.pid))
    else:
        _kill(process.pid, *(() if kind == SNAKEMAKE else jobs))
    process.wait()
    return kind


def _ends(process: subprocess.Popen[bytes], within_s: float) -> bool:
    try:
        process.wait(within_s)
    except subprocess.TimeoutExpired:
        return False
    return True


def _kill(*pids: int) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def comparable(folder: Path) -> dict[str, Any]:
    """What of a study's results is no timing, by path."""
    results, seen = folder / "results", {}
    for name in SAME:
        for path in sorted((results / name).rglob("*")):
            if path.is_file() and not path.name.startswith(".") and path.name not in RANDOM:
                seen[str(path.relative_to(results))] = _contents(path)
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


def _contents(path: Path) -> Any:
    """A file's checksum; of a manifest what it says, without what is random."""
    value = read_json(path) if path.suffix == ".json" else None
    if not isinstance(value, dict) or not isinstance(value.get("files"), dict):
        return hashlib.sha256(path.read_bytes()).hexdigest()
    return {**value, "files": {name: of for name, of in value["files"].items() if Path(name).name not in RANDOM}}


def differences(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """Paths of which two studies do not have the same."""
    return sorted(path for path in one.keys() | other.keys() if one.get(path) != other.get(path))


def left_over(folder: Path) -> list[str]:
    """Temporary folders and unfinished work that a finished study has no use for."""
    return [str(path) for path in (folder / "results").rglob("*") if path.suffix == ".partial" or path.name[0] == "."]


def to_the_end(
    project: Project, targets: Sequence[str], kills: int, longest_s: float, chance: random.Random
) -> list[str]:
    """Run a study from nothing to its end, killed so often at most; how it was each time."""
    for name in ("results", "resources/downloads", ".snakemake"):
        shutil.rmtree(project.folder / name, ignore_errors=True)
    kinds: list[str] = []
    while len(kinds) < kills:
        after_s = chance.uniform(2, longest_s)
        kind = killed(project, targets, after_s, chance)
        if kind == ENDED:
            break
        kinds.append(kind)
        print(f"  kill {len(kinds)}: {kind}, after {after_s:.1f} s", flush=True)
        project.run("--unlock", *targets)
    project.run(*targets)
    return kinds


def main() -> None:
    """A study that nothing disturbs, then the same one again and again, and what differs.

    All in one folder, since PyTorch writes its path into models.
    """
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="an empty one, for the copy of the checkout")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--longest", type=float, default=20.0, help="seconds of a run until it is killed, at most")
    args = parser.parse_args()
    environments = Path(os.environ["DLIFLOW_TEST_ENVIRONMENTS"]).resolve()
    chance, started = random.Random(args.seed), time.monotonic()
    project = copy_of_the_repository(args.folder / "study", environments)
    targets = ("all", "--configfile", "config/quick.yaml", "--config", f"environments={{folder: {environments}}}")
    to_the_end(project, targets, 0, args.longest, chance)
    undisturbed = comparable(project.folder)
    print(f"undisturbed: {len(undisturbed)} files to compare, {time.monotonic() - started:.0f} s", flush=True)
    kinds: Counter[str] = Counter()
    wrong: set[str] = set()
    studies = 0
    while (kills := args.kills - sum(kinds.values())) > 0:
        each = to_the_end(project, targets, kills, args.longest, chance)
        if not each:
            sys.exit(f"a study ended within {args.longest:g} s, before it was killed: choose a shorter --longest")
        different, left = differences(undisturbed, comparable(project.folder)), left_over(project.folder)
        print(f"study {studies + 1}: {len(each)} kills, {len(different)} files differ, {len(left)} are left over")
        print("".join(f"  {path}\n" for path in (*different, *left)), end="", flush=True)
        kinds.update(each)
        studies, wrong = studies + 1, wrong | {*different, *left}
    counts = ", ".join(f"{number} of {kind}" for kind, number in sorted(kinds.items()))
    print(
        f"{sum(kinds.values())} kills ({counts}) in {studies} studies, {time.monotonic() - started:.0f} s; of "
        f"{len(undisturbed)} files {len(wrong)} differed or were left over"
    )
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
