"""How long the jobs of a run take: told by a dry run beforehand, and while it runs, by the jobs that have ended."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, Optional

from dliflow.progress import duration
from dliflow.records import notes
from dliflow.study import paths
from dliflow.study.parts import ALONE, OTHER, PARTS, part_of

START_S = 2.0  # of a measurement's processes
# Seconds that a job took in the default study on two cores, in the mean: only until one of its kind has ended.
USUAL_S = {
    **{
        "environment": 20.0,
        "fetch": 2.0,
        "prepare": 2.0,
        "export": 10.0,
        "reference": 3.0,
        "convert": 5.0,
        "library": 1500.0,
        "build": 10.0,
    },
    **{"parity": 1.0, "accuracy": 4.0, "tables": 5.0, "plots": 14.0, "report": 4.0, "export_tables": 8.0},
}
ELSE_S = 1.0
# By stage the keys of the config that bound its time together.
BUDGETS = {"throughput": ("budget_s",), "tune": ("budget_s", "confirm_budget_s"), "compare": ("budget_s",)}
# What else than the sweep is measured, as a forecast calls it.
MEASURED = {
    "throughput": "with several requests in flight",
    "tune": "races of launch parameters",
    "compare": "in rounds",
    "profile": "of the time of operators",
}

Kind = tuple[str, str, str]


class Job(NamedTuple):
    """A job of a run."""

    id: int
    stage: str
    log: str
    wildcards: Mapping[str, str]
    needs: frozenset[int] = frozenset()
    """Numbers of the jobs whose outputs it needs."""

    @property
    def part(self) -> str:
        """Of the study."""
        return part_of(self.stage)

    @property
    def framework(self) -> str:
        """Whose job it is; empty where it is none's."""
        return self.wildcards.get("framework", "")

    @property
    def node(self) -> str:
        """On which it measures; empty where it does not."""
        return self.wildcards.get("node", "")

    @property
    def kind(self) -> Kind:
        """What decides how long it is expected to take, and what it waits for: there may be thousands of a kind."""
        return self.stage, self.framework, self.node


@cache
def stage_of(shellcmd: Optional[str]) -> Optional[str]:
    """The stage that a rule's command has the supervisor run; None where it runs none."""
    named = re.search(r" supervise .*? -- (\w+)", shellcmd or "")
    return named[1] if named else None


def budgeted(stage: str, config: Mapping[str, Any]) -> Optional[float]:
    """Seconds that a measurement takes by the config; None where the config does not bound a stage's time.

    What an earlier run of it took tells less: its budget may have been another one.
    """
    latency = config["latency"]
    if stage in BUDGETS:
        return START_S + sum(config[stage][key] for key in BUDGETS[stage]) if config[stage] else None
    if stage != "sweep":
        return None
    if latency["mode"] != "adaptive":
        return None
    session = latency["warmup_limit_s"] + latency["rounds"] * 2 * latency["burst_s"]  # a burst and the anchor's
    everything = len(latency["batch_sizes"]) * latency["sessions"] * session
    return START_S + min(latency["budget_s"], everything)


class Durations:
    """What jobs of a kind take, in the mean; each that ends makes it better known.

    What is known of all jobs of a stage counts like one job of a framework's own.
    """

    def __init__(self, config: Mapping[str, Any]):
        self._config = config
        self._ended: dict[tuple[str, str], tuple[int, float]] = {}  # by stage and framework: how many, seconds of all

    def learn(self, job: Job, seconds: float) -> None:
        """Of a job that ended well."""
        for kind in {(job.stage, ""), (job.stage, job.framework)}:
            number, total = self._ended.get(kind, (0, 0.0))
            self._ended[kind] = number + 1, total + seconds

    def learn_of_earlier_runs(self, jobs: Iterable[Job]) -> None:
        """Of what jobs have left beside their logs, where no budget tells it."""
        for job in jobs:
            if job.log and budgeted(job.stage, self._config) is None:
                timing = notes.timing(Path(paths.timing(job.log)))
                if timing is not None and timing.get("status") == 0:
                    self.learn(job, timing["seconds"])

    def of(self, job: Job) -> float:
        """Seconds that a job is expected to take."""
        seconds = budgeted(job.stage, self._config) or USUAL_S.get(job.stage, ELSE_S)
        for kind in dict.fromkeys([(job.stage, ""), (job.stage, job.framework)]):
            number, total = self._ended.get(kind, (0, 0.0))
            seconds = (seconds + total) / (1 + number)
        return seconds

    def of_all(self, jobs: Collection[Job], spent: Mapping[int, float], cores: int) -> float:
        """Seconds until jobs have ended: measurements of a node one after another, all others side by side.

        Args:
            spent: seconds that those which run have taken, by number.
            cores: how many run side by side at most.
        """
        waiting: dict[Kind, list[Job]] = {}
        for job in jobs:
            if job.id not in spent:
                waiting.setdefault(job.kind, []).append(job)
        return self.of_kinds(waiting.values(), [job for job in jobs if job.id in spent], spent, cores)

    def of_kinds(
        self, waiting: Iterable[Collection[Job]], started: Iterable[Job], spent: Mapping[int, float], cores: int
    ) -> float:
        """The same of jobs that wait, with all of a kind together, and of those that were started."""
        lasting = [(job, 1, max(0.0, self.of(job) - spent[job.id])) for job in started]
        firsts = [(next(iter(members)), len(members)) for members in waiting if members]
        lasting += [(job, number, self.of(job)) for job, number in firsts]
        together, longest = 0.0, 0.0
        by_node: dict[str, float] = {}
        for job, number, seconds in lasting:
            if job.part == ALONE:
                by_node[job.node] = by_node.get(job.node, 0.0) + number * seconds
            else:
                together, longest = together + number * seconds, max(longest, seconds)
        return max(by_node.values(), default=0.0) + max(together / cores, longest)


def about(seconds: float) -> str:
    """A duration that is not known well: `about 40 s`, `about 25 min`."""
    return f"about {duration(max(1.0, seconds if seconds < 10 else round(seconds, -1)))}"


def parts(jobs: Iterable[Job]) -> dict[str, list[Job]]:
    """Jobs by the part of the study that they belong to, in the order of the study."""
    of_part: dict[str, list[Job]] = {part: [] for part in (*PARTS, OTHER)}
    for job in jobs:
        of_part[job.part].append(job)
    return {part: members for part, members in of_part.items() if members}


def jobs_in_words(number: int) -> str:
    """`1 job`, `2 jobs`."""
    return f"{number} job" if number == 1 else f"{number} jobs"


def measurements(jobs: Sequence[Job]) -> str:
    """What would be measured: `105 of the sweep (openvino, tflite) and 5 in rounds`; empty where nothing would."""
    sweeps = [job for job in jobs if job.stage == "sweep"]
    frameworks = ", ".join(sorted({job.framework for job in sweeps}))
    counts = {name: sum(job.stage == stage for job in jobs) for stage, name in MEASURED.items()}
    others = [f"{count} {name}" for name, count in counts.items() if count]
    return " and ".join([*([f"{len(sweeps)} of the sweep ({frameworks})"] if sweeps else []), *others])


def reasons(jobs: Iterable[tuple[str, Iterable[str]]]) -> str:
    """By reason the rules whose jobs would run for it; empty where none would.

    Args:
        jobs: of each the name of its rule, and Snakemake's reasons.
    """
    rules: dict[str, set[str]] = {}
    for rule, named in jobs:
        for reason in named:
            rules.setdefault(reason, set()).add(rule)
    lines = [f"  {reason}: {', '.join(sorted(names))}" for reason, names in sorted(rules.items())]
    return "\n".join(["Reasons:", *lines]) if lines else ""


def forecast(jobs: Sequence[Job], durations: Durations, cores: int) -> Optional[str]:
    """What a run would do, by part of the study, and about how long that takes; None where there is nothing to do."""
    if not jobs:
        return None
    rows = [
        (part, jobs_in_words(len(members)), about(durations.of_all(members, {}, cores)))
        for part, members in parts(jobs).items()
    ]
    rows.append(("in all", jobs_in_words(len(jobs)), about(durations.of_all(jobs, {}, cores))))
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = [
        f"  {part:<{widths[0]}}  {number:>{widths[1]}}  {seconds:>{widths[2]}}".rstrip()
        for part, number, seconds in rows
    ]
    measured = measurements(jobs)
    return "\n".join([*lines, *([f"Measurements to be made: {measured}."] if measured else [])])
