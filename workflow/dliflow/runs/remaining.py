"""Comparisons that could not start because something that one of their members needs has failed.

Snakemake starts no job whose inputs failed. At the end of such a run the comparison is made of the members that are
well, and kept beside the record of the whole one, which the next run makes as soon as it can.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any, NamedTuple, Optional

from dliflow.analysis import comparison
from dliflow.errors import DliflowError
from dliflow.files import write_json
from dliflow.records import record
from dliflow.study import paths, plan


class Job(NamedTuple):
    """A job that the run did not finish."""

    outputs: list[str]
    inputs: list[str]
    log: str
    command: Callable[[], str] | None = None
    """The shell command of a sweep or a comparison, which may leave a part of its record; None for all other jobs."""
    compares: bool = True


def cut_short(jobs: Collection[Job], started: float) -> bool:
    """Whether the run ended before all that could run had: then not all that is missing has failed.

    Args:
        jobs: all that are not finished.
        started: when the run was, in seconds since 1970.
    """
    unfinished = {output for job in jobs for output in job.outputs}
    ready = [job for job in jobs if job.log and unfinished.isdisjoint(job.inputs)]
    return not all(_written_since(Path(paths.failure(job.log)), started) for job in ready)


def _written_since(path: Path, started: float) -> bool:
    return path.exists() and path.stat().st_mtime >= started


def absent(study_plan: dict[str, Any], whole: str, unfinished: set[str], started: float) -> tuple[list[str], list[str]]:
    """Names of a comparison's candidates: those that something is missing of, and those that are well.

    A sweep that broke at other batch sizes is well at this one: part of it was recorded in this run.

    Args:
        study_plan: the plan, of this model at least.
        whole: the comparison's record.
        unfinished: outputs of all jobs that the run did not finish.
        started: when the run was, in seconds since 1970.
    """
    (row,) = (row for row in study_plan["compare"] if row["record"] == whole)
    keys = ("model", "device", "node", "batch_size")
    point = {key: row[key] for key in keys if row[key] is not None}  # no batch size: all of them
    missing: list[str] = []
    well: list[str] = []
    for candidate in plan.candidates(study_plan, **point):
        lost = unfinished.intersection(plan.needs(study_plan, **point, **candidate))
        whole_or_part = all(_in_part(output, row["batch_size"], started) for output in lost)
        (well if whole_or_part else missing).append(comparison.name(candidate))
    return missing, well


def _in_part(output: str, batch_size: Optional[int], started: float) -> bool:
    """Whether what this run recorded of a sweep holds a batch size; of all of them, whether there is any."""
    part = Path(paths.partial(output))
    if not _written_since(part, started):
        return False
    try:
        figures = record.read(str(part))["figures"]
    except (OSError, DliflowError):
        return False
    broken = {one["batch_size"] for one in figures.get("broken", [])}
    return bool(figures.get("groups")) and batch_size not in broken


def make(study_plan: dict[str, Any], jobs: Collection[Job], started: float) -> None:
    """Make or keep each such comparison, and list those that hold for this run, for the tables.

    Args:
        study_plan: the plan.
        jobs: all that the run did not finish.
        started: when the run was, in seconds since 1970.
    """
    unfinished = {output for job in jobs for output in job.outputs}
    ended = not cut_short(jobs, started)
    plan_of, model_of = plan.by_model(study_plan), {row["record"]: row["model"] for row in study_plan["compare"]}
    holding = {}
    for job in jobs:
        if job.command is None:
            continue
        (whole,) = job.outputs
        part = Path(paths.partial(whole))
        if not job.compares or unfinished.isdisjoint(job.inputs):
            # it ran and failed: what it left was made of those that were well
            recorded = _written_since(part, started)
        else:
            missing, well = absent(plan_of[model_of[whole]], whole, unfinished, started)
            recorded = ended and len(well) > 1 and _compare_without(job, missing, unfinished, part, started)
        if recorded:
            holding[whole] = str(part)
    write_json(Path(paths.PARTIALS), holding)


def _compare_without(job: Job, missing: Iterable[str], unfinished: Collection[str], part: Path, started: float) -> bool:
    """Measure those that are well together, unless the same was done before; whether there is a record of it."""
    assert job.command is not None
    options = ["--missing", *missing, "--out", str(part)]
    command = f"{job.command()} {shlex.join(options)}"
    if _up_to_date(part, command, [Path(path) for path in job.inputs if path not in unfinished]):
        return True
    without = ", ".join(missing) or "what failed at other batch sizes"
    print(f"{job.outputs[0]}: comparing without {without}", file=sys.stderr, flush=True)
    environment = {**os.environ, "DLIFLOW_PYTHON": sys.executable}
    subprocess.run(command, shell=True, executable="/bin/bash", env=environment)
    return _written_since(part, started)  # also where one of them broke on the way and was left out


def _up_to_date(part: Path, command: str, inputs: Iterable[Path]) -> bool:
    """Whether the record was made by this very command from these very files."""
    try:
        before = record.read(str(part))["command"][3:]
    except (OSError, DliflowError):  # there is none, or it is damaged
        return False
    words = shlex.split(command)
    if before != words[words.index("--") + 1 :]:
        return False
    record_mtime = part.stat().st_mtime
    return all(path.exists() and path.stat().st_mtime <= record_mtime for path in inputs)
