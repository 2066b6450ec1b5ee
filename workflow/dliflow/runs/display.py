"""What the terminal shows while a run goes on, in place of Snakemake's several lines for each job.

A terminal has a bar for each part of the study at its lower end. A file or a pipe gets a line for each job that has
ended. All else that Snakemake tells is shown as ever, and its own log file has everything.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Optional

from dliflow.progress import CLEAR
from dliflow.runs.forecast import Durations, Job, forecast
from dliflow.runs.standing import Standing

# Events of Snakemake's, by their names, and messages that are none: what they tell is told better here.
TOLD_HERE = ("job_started", "job_finished", "progress")
UNTOLD = ("Select jobs to execute...", "Updating checkpoint dependencies.")
TICK_S = 5.0  # from one drawing to the next: seldom enough to take no time from what is measured
QUICK_S = 0.01  # a drawing that takes longer, of a large plan,
PAUSES = 20  # is followed by so many times that without one


class Screen:
    """Lines at the lower end of a terminal that are drawn over and over.

    The cursor rests in an empty line above them: what jobs write on their own stands there, and is kept.
    """

    def __init__(self, stream: Any):
        self._stream = stream

    @staticmethod
    def fits(stream: Any) -> bool:
        """Whether a stream is a terminal that understands where to write."""
        return stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"

    def write(self, text: str) -> None:
        """Write where the cursor is; a terminal that is gone must not end a run."""
        with contextlib.suppress(OSError):
            self._stream.write(text)
            self._stream.flush()

    def clear(self) -> None:
        """Take the lines away."""
        self.write(CLEAR)

    def draw(self, lines: list[str]) -> None:
        """Show these lines."""
        fitting = lines[-max(1, self.size.lines - 2) :]
        self.write(f"{CLEAR}\n" + "\n".join(fitting) + f"\r\x1b[{len(fitting)}A")

    @property
    def size(self) -> os.terminal_size:
        """Columns and lines; a usual size where the terminal does not tell."""
        try:
            size = os.get_terminal_size(self._stream.fileno())
        except OSError:
            size = os.terminal_size((0, 0))
        return size if size.columns and size.lines else os.terminal_size((80, 24))

    def characters(self) -> tuple[str, str]:
        """What bars are made of: of what is done, and of what is not."""
        try:
            "━╌".encode(self._stream.encoding or "ascii")
        except UnicodeEncodeError:
            return "#", "."
        return "━", "╌"


class Display(logging.Handler):
    """Stands in for Snakemake's own handler of the terminal, which goes on to show all that is not told here."""

    def __init__(self, handler: logging.StreamHandler):
        super().__init__()
        self._handler = handler
        self._screen = Screen(handler.stream)
        self._draws = Screen.fits(handler.stream)
        self._standing: Optional[Standing] = None
        self._list: Callable[[], Sequence[Job]] = list
        self._total = 0  # jobs in Snakemake's own count, which a checkpoint may change
        self._next = 0.0  # no drawing before; monotonic, s
        self._over = threading.Event()
        atexit.register(self.end)

    def begin(self, list_jobs: Callable[[], Sequence[Job]], durations: Durations, cores: int) -> None:
        """From now on show what becomes of the jobs.

        Args:
            list_jobs: those of the run as they are planned at that moment.
            cores: how many run side by side at most.
        """
        jobs = list_jobs()
        self._list = list_jobs
        self._standing = Standing(jobs, durations, cores, time.monotonic())
        if self._draws:
            threading.Thread(target=self._tick, daemon=True).start()
        else:
            self._screen.write(f"{forecast(jobs, durations, cores)}\n")

    def end(self) -> None:
        """Show no more of it."""
        with self._alone():
            if self._standing is not None and self._draws:
                self._screen.clear()
            self._standing = None
            self._over.set()

    def close(self) -> None:
        """As handlers are closed when the run has ended."""
        self.end()
        self._handler.close()
        super().close()

    def emit(self, record: logging.LogRecord) -> None:
        """Take note of what an entry of the log tells, and show it or pass it on. The lock is held by the caller."""
        if self._standing is None:
            self._handler.handle(record)
            return
        event = str(getattr(record, "event", None))
        if self._draws and event not in TOLD_HERE:
            self._screen.clear()
        try:
            self._follow(event, record)
        except Exception:  # whatever is wrong with the display, the run goes on
            self.handleError(record)
        if event not in TOLD_HERE and record.getMessage() not in UNTOLD:
            self._handler.handle(record)
        self._draw()

    def _follow(self, event: str, record: Any) -> None:
        standing, now = self._standing, time.monotonic()
        assert standing is not None
        if event == "job_started":
            if not standing.jobs.keys() >= set(record.jobs):  # a checkpoint has added jobs
                standing.plan(self._list())
            for number in standing.jobs.keys() & record.jobs:  # not `all`, which is no work
                standing.start(number, now)
        elif event in ("job_finished", "job_error"):
            number = record.job_id if event == "job_finished" else record.jobid
            if number not in standing.jobs:
                return
            seconds = standing.end(number, event == "job_finished", now)
            if not self._draws:
                self._screen.write(f"{time.strftime('%H:%M:%S')}  {standing.line(number, seconds, now)}\n")
        elif event == "progress" and record.total != self._total:
            self._total = record.total
            standing.plan(self._list())

    def _draw(self) -> None:
        began = time.monotonic()
        if self._draws and self._standing is not None and began >= self._next:
            self._screen.draw(self._standing.block(began, self._screen.size.columns, *self._screen.characters()))
            taken = time.monotonic() - began
            self._next = began + (PAUSES * taken if taken > QUICK_S else 0.0)

    def _tick(self) -> None:
        while not self._over.wait(TICK_S):
            with self._alone():
                self._draw()

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        self.acquire()
        try:
            yield
        finally:
            self.release()
