"""What a run was to make and did not, and through whose fault.

A record may lie where it should although today's configuration did not make it: its own job never came to run. Only the
DAG of the run knows that, so at the end of a run that failed it is asked, and the tables are told.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Optional

from dliflow.records import notes
from dliflow.study import paths

NOT_RUN = "not made yet by this configuration: the job did not run"


def outputs(dag: Any, failed: Iterable[Any]) -> dict[str, Optional[str]]:
    """Every output of a job that was to run and did not finish, with the log of the failed job that it waited for.

    Args:
        dag: Snakemake's, or what has its `needrun_jobs()` and `dependencies`.
        failed: the jobs that failed; an output that waited for none of them has None.
    """
    failed = set(failed)
    waiting = set(dag.needrun_jobs())
    causes: dict[Any, Any] = {}

    def cause(job: Any) -> Any:
        if job not in causes:
            causes[job] = job if job in failed else None
            before = (cause(other) for other in dag.dependencies[job] if other in waiting)
            causes[job] = causes[job] or next((other for other in before if other is not None), None)
        return causes[job]

    return {
        str(output): None if cause(job) is None else str(next(iter(cause(job).log), ""))
        for job in waiting
        for output in job.output
    }


def reason(log: Optional[str]) -> str:
    """Why an output was not made, by the log of the job at fault, if there is one."""
    if log is None:
        return NOT_RUN
    failure = notes.failure(Path(paths.failure(log)))
    if failure is None:
        return f"not made yet by this configuration: a job that it needs ended without a reason; its log is {log}"
    return f"{failure['stage']}: {failure['reason']}"


def with_reasons(study_plan: dict[str, Any], left: dict[str, Optional[str]]) -> dict[str, Any]:
    """The plan with, in the rows whose record is not that of today's configuration, the reason under `unmade`."""
    return {
        stage: [{**row, "unmade": reason(left[row["record"]])} if row["record"] in left else row for row in rows]
        for stage, rows in study_plan.items()
    }


def read(path: Path) -> dict[str, Optional[str]]:
    """What the last run that failed left; nothing when there was none, or its file cannot be read."""
    return notes.read(path) or {} if path.exists() else {}


def missing(needed: Iterable[str], left: dict[str, Optional[str]]) -> list[str]:
    """Outputs that are gone since their jobs failed or were stopped.

    Snakemake forgets about such a job where what was made of its earlier output is still there.
    """
    return [
        output
        for output in needed
        if not Path(output).exists() and (output in left or Path(paths.failure(paths.log(output))).exists())
    ]
