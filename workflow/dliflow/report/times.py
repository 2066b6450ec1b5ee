"""Where the time went: the durations that every job leaves beside its log, by group."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, NamedTuple, Optional

from dliflow.analysis.columns import CONFIGURATION
from dliflow.analysis.rows import Rows, grouped
from dliflow.records import notes
from dliflow.study.parts import OTHER, PARTS, part_of


class Job(NamedTuple):
    """One job: its stage, when it started (seconds since 1970) and how long it took."""

    stage: str
    started: float
    seconds: float


class Share(NamedTuple):
    """One group of stages."""

    group: str
    stages: tuple[str, ...]
    jobs: int
    seconds: float
    share: float


class Run(NamedTuple):
    """One call of the workflow, so far."""

    command: str
    wall: float
    busy: float
    shares: list[Share]

    @property
    def overhead(self) -> float:
        """Time in which none of the jobs ran: the workflow engine itself and waiting."""
        return max(0.0, self.wall - self.busy)


def jobs(logs: Path) -> list[Job]:
    """The last run of every job that left its times below the folder of logs."""
    timings = [notes.timing(path) for path in sorted(logs.rglob("*.time.json"))]
    return [Job(data["stage"], data["started"], data["seconds"]) for data in timings if data is not None]


def shares(jobs: list[Job]) -> list[Share]:
    """Seconds and jobs of every group, in the order of the workflow; groups without jobs are left out."""
    total = sum(job.seconds for job in jobs)
    result = []
    for group in (*PARTS, OTHER):
        in_group = [job for job in jobs if part_of(job.stage) == group]
        seconds = sum(job.seconds for job in in_group)
        stages = tuple(dict.fromkeys(job.stage for job in in_group))
        if in_group:
            result.append(Share(group, stages, len(in_group), seconds, seconds / total if total else 0.0))
    return result


def busy(jobs: list[Job]) -> float:
    """Seconds in which at least one job ran: jobs side by side count once."""
    covered, end = 0.0, float("-inf")
    for job in sorted(jobs, key=lambda job: job.started):
        finish = job.started + job.seconds
        covered += max(0.0, finish - max(job.started, end))
        end = max(end, finish)
    return covered


def this_run(jobs: list[Job], run: Optional[dict[str, Any]], now: Optional[float] = None) -> Optional[Run]:
    """The jobs that this call of the workflow ran, and what went by beside them.

    Args:
        run: when it was started and by what command, or None.
        now: seconds since 1970; the present when None.
    """
    if run is None:
        return None
    its_jobs = [job for job in jobs if job.started >= run["started"]]
    wall = (time.time() if now is None else now) - run["started"]
    return Run(run.get("command", ""), wall, busy(its_jobs), shares(its_jobs))


class Effort(NamedTuple):
    """What the groups of the sweep spent their time on, seconds over all of them."""

    framework: str
    groups: int
    total: float
    """From the start of each group's processes to their end."""
    imports: float
    """Import of the framework, once in a group."""
    loading: float
    """Opening the model, and the first request, in each session."""
    warm_up: float
    requests: float

    @property
    def opening(self) -> float:
        """What fresh processes and sessions cost, before anything is warm."""
        return self.imports + self.loading

    @property
    def rest(self) -> float:
        """What is left: the start of the processes, inputs, the anchor's bursts, pauses, the record."""
        return max(0.0, self.total - self.opening - self.warm_up - self.requests)


GROUP = (*CONFIGURATION, "node", "scenario", "parameters", "group")


def effort(measurements: Rows) -> list[Effort]:
    """Where the time of the sweep went, for each framework, and for all where there are several."""
    ok = (row for row in measurements if row["status"] == "ok" and row["parameters"] == "default")
    good = [row for row in ok if row["group_ms"] is not None]
    by_framework = [_effort(name, rows) for (name,), rows in sorted(grouped(good, ("framework",)).items())]
    return [*by_framework, _effort("all", good)] if len(by_framework) > 1 else by_framework


def _effort(name: str, sessions: Rows) -> Effort:
    """Of these sessions; what a group tells of itself stands in each of its rows."""
    groups = [rows[0] for rows in grouped(sessions, GROUP).values()]
    parts = (
        [row["group_ms"] for row in groups],
        [row["import_ms"] for row in groups],
        [row["load_ms"] + row["first_request_ms"] for row in sessions],
        [row["warmup_ms"] for row in sessions],
        [row["requests"] * row["latency_mean_ms"] for row in sessions],
    )
    return Effort(name, len(groups), *(sum(part) / 1e3 for part in parts))
