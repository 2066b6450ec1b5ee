"""What Snakemake does over for the whole plan whenever a job has ended, spared where it cannot matter.

In a plan of ten thousand measurements it would take longer than many of them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any


def selectable(jobs: Iterable[Any], measures: Callable[[Any], bool]) -> list[Any]:
    """Of jobs that are ready those that can be started next: of those that measure the one of the highest priority.

    Each of them takes the whole machine, so no other one could be chosen.
    """
    every = list(jobs)
    first = max(filter(measures, every), key=lambda job: job.priority, default=None)
    return [job for job in every if job is first or not measures(job)]


def choose_among_few(scheduler: Any, measures: Callable[[Any], bool]) -> None:
    """Let Snakemake's scheduler, which weighs all jobs that are ready at each step, see `selectable` ones only."""
    kind: Any = type(scheduler)

    class Sparing(kind):
        @property
        def open_jobs(self) -> list[Any]:
            return selectable(super().open_jobs, measures)

    scheduler.__class__ = Sparing


def keep_the_plan(dag: Any, checkpoint: str) -> None:
    """Let a job of a checkpoint of which nothing was made yet end like any other: what needs it runs in any case.

    Otherwise the whole plan is made anew, to see whether what was made of its old output still holds.

    Args:
        dag: Snakemake's.
        checkpoint: the name of its rule.
    """
    update = dag.update_checkpoint_dependencies

    def matters(job: Any) -> bool:
        outputs = (str(output) for other in dag.depending[job] for output in other.output)
        return job.rule.name != checkpoint or any(map(os.path.exists, outputs))

    async def sparing(jobs: Sequence[Any] | None = None) -> bool:
        updated: bool = await update(jobs if jobs is None else [job for job in jobs if matters(job)])
        return updated

    dag.update_checkpoint_dependencies = sparing
