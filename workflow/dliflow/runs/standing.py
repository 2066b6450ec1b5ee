"""Where a run stands: what is done, what is going on, how long the rest will take. In numbers and in words."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from dliflow.progress import duration
from dliflow.runs.forecast import Durations, Job, Kind, about, jobs_in_words, parts
from dliflow.study import paths

# Of a job's wildcards, those that tell people which one it is, in their order; a job is one of its framework's version
# anyway. Model and node are told where there are several.
TELLING = ("framework", "api", "variant", "precision", "dataset", "batch_size", "group")
USUAL = ("default", "python", "")
BAR, LEAST_BAR = 30, 8  # characters
SHOWN = 4  # so many of the jobs that run side by side are named


def called(job: Job, model: bool = False, node: bool = False) -> str:
    """A job's name: `sweep openvino fp32, group 3`.

    Args:
        model: whether to name it, since there are several.
        node: likewise.
    """
    keys = ("model", *TELLING) if model else TELLING
    values = {key: job.wildcards[key] for key in keys if job.wildcards.get(key, "") not in USUAL}
    sizes = values.pop("batch_size", None)
    group = values.pop("group", None)
    words = [" ".join([job.stage, *values.values()])]
    if sizes is not None:
        words[0] += " of batch sizes" if sizes == paths.SIZES else f" at batch size {sizes}"
    if node and "node" in job.wildcards:
        words[0] += f" on {job.wildcards['node']}"
    return ", ".join([*words, *([f"group {group}"] if group else [])])


class Standing:
    """Where a run stands. All times are seconds of the same monotonic clock.

    Attributes:
        jobs: all of them, by number.
        running: when those that run were started.
        several: whether jobs have to be told apart by their model, and by their node.
    """

    def __init__(self, jobs: Iterable[Job], durations: Durations, cores: int, now: float):
        self.jobs = {job.id: job for job in jobs}
        self.running: dict[int, float] = {}
        self._ended: dict[int, bool] = {}  # and whether well
        self._durations, self._cores, self._began = durations, cores, now
        self._look()

    def plan(self, jobs: Iterable[Job]) -> None:
        """Take note that other jobs are to run: fewer, where a result turned out to be the same as before; more, where
        a checkpoint has told which. Snakemake may then give a job that has ended another number, but not another log.
        """
        kept = {number: self.jobs[number] for number in (*self._ended, *self.running)}
        logs = {job.log for job in kept.values()}
        self.jobs = {job.id: job for job in jobs if job.log not in logs} | kept
        self._look()

    def _look(self) -> None:
        """Find out what follows from the plan: once, since of a large one it takes longer than many jobs."""
        self.several = {
            key: len({job.wildcards.get(key, "") for job in self.jobs.values()} - {""}) > 1 for key in ("model", "node")
        }
        self._look_who_waits()

    def _look_who_waits(self) -> None:
        """Find those that will still run, without those that need something that failed."""
        lost = {number for number, well in self._ended.items() if not well}
        rest = [job for job in self.jobs.values() if job.id not in self._ended and job.id not in self.running]
        while blocked := {job.id for job in rest if job.id not in lost and not lost.isdisjoint(job.needs)}:
            lost |= blocked
        self._waiting: dict[Kind, dict[int, Job]] = {}
        for job in rest:
            if job.id not in lost:
                self._waiting.setdefault(job.kind, {})[job.id] = job

    def _waits_no_more(self, number: int) -> None:
        self._waiting.get(self.jobs[number].kind, {}).pop(number, None)

    def start(self, number: int, now: float) -> None:
        """A job starts."""
        self.running[number] = now
        self._waits_no_more(number)
        if self._ended.pop(number, None) is not None:  # it is tried again
            self._look_who_waits()

    def end(self, number: int, well: bool, now: float) -> float:
        """A job ends; the seconds that it took."""
        seconds = now - self.running.pop(number, now)
        self._ended[number] = well
        self._waits_no_more(number)
        if well:
            self._durations.learn(self.jobs[number], seconds)
        else:
            self._look_who_waits()
        return seconds

    @property
    def done(self) -> list[Job]:
        """Those that ended well."""
        return [self.jobs[number] for number, well in self._ended.items() if well]

    @property
    def failed(self) -> list[Job]:
        """Those that failed."""
        return [self.jobs[number] for number, well in self._ended.items() if not well]

    @property
    def waiting(self) -> list[Job]:
        """Those that will still run, without those that need something that failed."""
        return [job for members in self._waiting.values() for job in members.values()]

    @property
    def rest(self) -> list[Job]:
        """Those that run, and those that will."""
        return [*(self.jobs[number] for number in self.running), *self.waiting]

    @property
    def _still(self) -> int:
        """How many these are."""
        return len(self.running) + sum(map(len, self._waiting.values()))

    def left(self, jobs: Collection[Job], now: float) -> float:
        """Seconds until these have ended that run or will run."""
        return self._durations.of_all(jobs, self._spent(now), self._cores)

    def left_of_all(self, now: float) -> float:
        """The same of all that run or will run, of which there may be ten thousand."""
        waiting = (members.values() for members in self._waiting.values())
        started = [self.jobs[number] for number in self.running]
        return self._durations.of_kinds(waiting, started, self._spent(now), self._cores)

    def _spent(self, now: float) -> dict[int, float]:
        return {number: now - started for number, started in self.running.items()}

    def share(self, left: float, now: float) -> float:
        """Of the run's whole time, the part that has passed.

        Args:
            left: seconds until its end.
        """
        passed = now - self._began
        return passed / (passed + left) if passed + left else 1.0

    # In words ---------------------------------------------------------------------------------------------------------

    def _counts(self) -> str:
        lost = len(self.jobs) - len(self._ended) - self._still
        failed = [f"{len(self.failed)} failed"] if self.failed else []
        return ", ".join([*failed, *([f"{jobs_in_words(lost)} cannot run for that"] if lost else [])])

    def line(self, number: int, seconds: float, now: float) -> str:
        """One line on a job that has ended, and on the rest.

        Args:
            seconds: that it took.
        """
        left = self.left_of_all(now)
        failed = "" if self._ended[number] else " failed after"
        ended = f"{called(self.jobs[number], **self.several)}:{failed} {duration(seconds)}"
        so_far = (
            f"{len(self._ended)} of {jobs_in_words(len(self.jobs))}, {100 * self.share(left, now):.0f} % of the time"
        )
        return "; ".join(filter(None, [ended, so_far, self._counts(), f"{about(left)} left" if self._still else ""]))

    def block(self, now: float, columns: int, solid: str = "━", empty: str = "╌") -> list[str]:
        """Several lines: a bar for each part of the study, then the whole, and what is going on.

        Args:
            columns: of the terminal, which no line fills.
            solid: a character of what is done of a bar, and `empty` of what is not.
        """
        rest = self.rest
        of_part, left_of_part = parts(self.jobs.values()), parts(rest)
        width = max(map(len, of_part))
        length = max(LEAST_BAR, min(BAR, columns - width - 36))
        done = {job.id for job in self.done}
        lines = []
        for part, members in of_part.items():
            number = sum(job.id in done for job in members)
            filled = length * number // len(members)
            bar = solid * filled + empty * (length - filled)
            still = f"  {about(self.left(left_of_part[part], now))} left" if part in left_of_part else ""
            lines.append(f"{part:<{width}}  {bar}  {number} of {len(members)}{still}")
        left = self.left_of_all(now)
        so_far = f"{100 * self.share(left, now):.0f} % of the time, {duration(now - self._began)} so far"
        whole = [f"{so_far}, {about(left)} left" if rest else so_far, self._counts()]
        lines.append("; ".join(filter(None, whole)))
        lines += [self._going_on(number, now) for number in list(self.running)[:SHOWN]]
        more = len(self.running) - SHOWN
        lines += [f"  and {jobs_in_words(more)} more"] if more > 0 else []
        return [line[: columns - 1] for line in lines]

    def _going_on(self, number: int, now: float) -> str:
        job = self.jobs[number]
        passed, expected = now - self.running[number], self._durations.of(job)
        return f"  {called(job, **self.several)}, {duration(passed)} of {about(expected)}"
