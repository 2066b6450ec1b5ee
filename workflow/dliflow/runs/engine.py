"""What Snakemake does over for the whole plan whenever a job has ended, spared where it cannot matter.

In a plan of ten thousand measurements it would take longer than many of them.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any, Optional


def ask_functions_once(*modules: Any) -> None:
    """Let Snakemake remember which arguments a function of a rule takes: for each job it finds that out twenty times.

    Args:
        modules: Snakemake's, that call `get_function_params`.
    """
    remembering = cache(modules[0].get_function_params)
    for module in modules:
        module.get_function_params = remembering


def find_producers_once(index: Any) -> None:
    """Let Snakemake remember which rules make a file: it looks for them once for each job that needs it.

    Args:
        index: its class `OutputIndex`, of which there is another object whenever rules are added.
    """
    find = index.match_producers

    def remembering(self: Any, path: str) -> set[Any]:
        known: dict[str, set[Any]] = vars(self).setdefault("known", {})
        if (key := str(path)) not in known:
            known[key] = find(self, path)
        return known[key]

    index.match_producers = remembering


def selectable(jobs: Iterable[Any], node: Callable[[Any], Optional[str]]) -> list[Any]:
    """Of jobs that are ready those that can be started next: of those that measure on a node the one of the highest
    priority.

    Each of them takes the whole machine, so no other one could be chosen.

    Args:
        node: on which a job measures; None for one that does not.
    """
    every = [(job, node(job)) for job in jobs]
    first: dict[str, tuple[int, Any]] = {}
    for job, name in every:
        if name is not None and (name not in first or job.priority > first[name][0]):
            first[name] = job.priority, job
    return [job for job, name in every if name is None or job is first[name][1]]


def choose_among_few(
    scheduler: Any, node: Callable[[Any], Optional[str]], note_ready: Callable[[set[str]], None]
) -> None:
    """Let Snakemake's scheduler, which weighs all jobs that are ready at each step, see `selectable` ones only.

    Args:
        note_ready: is called at each step with the nodes on which a measurement can be started.
    """
    kind: Any = type(scheduler)

    class Sparing(kind):
        @property
        def open_jobs(self) -> list[Any]:
            jobs = selectable(super().open_jobs, node)
            note_ready({name for name in map(node, jobs) if name is not None})
            return jobs

    scheduler.__class__ = Sparing


def look_again_once(scheduler: Any) -> None:
    """Let Snakemake's scheduler look again once for each time that its bound on jobs per second names.

    It looks again that long after every look, and after every job: after a hundred jobs a hundred times a second.
    """
    waiting = threading.Event()

    def look() -> None:
        waiting.clear()
        scheduler._open_jobs.release()

    def look_later(delay: int) -> None:
        if not waiting.is_set():
            waiting.set()
            threading.Timer(delay, look).start()

    scheduler._schedule_reevalutation = look_later


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
