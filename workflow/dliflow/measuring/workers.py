"""Processes that hold one loaded configuration each and take turns: all but one are stopped at any time (Linux).

A worker is a stage that runs until its input ends: it tells that it is ready, then answers lines of JSON with lines of
JSON. `Worker` and `started` are the side of the process that asks, `answers` and `serve` that of the one that is asked.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Optional, TextIO

from dliflow.errors import DliflowError, plain
from dliflow.files import read_json
from dliflow.machine.children import dying_with_parent
from dliflow.machine.process import signal_name

ERROR = "error"  # the key of an answer that is none
LONGEST_SHOWN = 100  # bytes of an answer that is not understood


def python(named: str) -> str:
    """The Python that is named, or told by the file of the stage `interpreter` that is named instead."""
    return read_json(Path(named))["python"] if named.endswith(".json") else named


class WorkerEnded(DliflowError):
    """A worker gave no answer that counts: its process ended, hung, or told of an error; `name` is the worker's."""

    def __init__(self, name: str, reason: str):
        super().__init__(f"{name}: {reason}")
        self.name, self.reason = name, plain(reason)


class Worker:
    """One process. Outside `ask` and `awake` it is stopped, so that no spinning thread of it disturbs the others."""

    def __init__(
        self, name: str, command: Sequence[str], inherited: Sequence[int] = (), executable: Optional[Path] = None
    ):
        """Start it.

        Args:
            inherited: file descriptors that it gets, under the same numbers.
            executable: the program's file, where the first word of its command is not that.

        Raises:
            WorkerEnded: when its program is gone, or cannot be run.
        """
        self.name = name
        try:
            self.process = subprocess.Popen(
                command,
                executable=executable,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                bufsize=0,
                pass_fds=inherited,
                preexec_fn=dying_with_parent(),
            )
        except OSError as error:
            raise WorkerEnded(name, f"{executable or command[0]} cannot be run: {error.strerror}") from None
        self._received = b""

    def ready(self, limit_s: Optional[float] = None) -> dict[str, Any]:
        """What starting showed; the process is stopped from then on. Errors and arguments as of `ask`."""
        try:
            return self._read(limit_s)
        finally:  # also one that told of an error: whoever goes on without it must not be disturbed by it
            self._stop()

    def ask(self, request: Mapping[str, Any], limit_s: Optional[float] = None) -> dict[str, Any]:
        """Let it run until it has answered.

        Args:
            limit_s: an answer that takes more seconds is not waited for, and the process is killed.

        Raises:
            WorkerEnded: when it ended instead, told of an error or of something else, or took too long.
        """
        with self.awake():
            return self.exchange(request, limit_s)

    @contextlib.contextmanager
    def awake(self) -> Iterator[None]:
        """Let it run for several questions (`exchange`) without a stop between them."""
        self.send(signal.SIGCONT)
        try:
            yield
        finally:
            self._stop()

    def exchange(self, request: Any, limit_s: Optional[float] = None) -> dict[str, Any]:
        """What it answers, while it is awake; errors and arguments as of `ask`."""
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # that it ended is told below
            self.process.stdin.write(json.dumps(request).encode() + b"\n")
        return self._read(limit_s)

    def _read(self, limit_s: Optional[float]) -> dict[str, Any]:
        line = self._line(limit_s)
        try:
            answer = json.loads(line)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise WorkerEnded(self.name, f"its answer is no object of JSON, but {line[:LONGEST_SHOWN]!r}")
        if ERROR in answer:
            raise WorkerEnded(self.name, answer[ERROR])
        return answer

    def _line(self, limit_s: Optional[float]) -> bytes:
        assert self.process.stdout is not None
        deadline = None if limit_s is None else time.monotonic() + limit_s
        while b"\n" not in self._received:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            if not select.select([self.process.stdout], [], [], left)[0]:
                self.process.kill()
                raise WorkerEnded(self.name, f"its process did not answer within {limit_s:g} s and was killed")
            part = self.process.stdout.read(1 << 16)
            if not part:
                raise WorkerEnded(self.name, f"its process {self._how_it_ended()}; its own message stands in this log")
            self._received += part
        line, _, self._received = self._received.partition(b"\n")
        return line

    def _how_it_ended(self) -> str:
        status = self.process.wait()
        return f"was killed by {signal_name(-status)}" if status < 0 else f"ended with status {status}"

    def _stop(self) -> None:
        self.send(signal.SIGSTOP)

    def send(self, number: signal.Signals) -> None:
        """Signal the process."""
        self.process.send_signal(number)

    def kill(self) -> None:
        """End the process, stopped or not."""
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()


@contextlib.contextmanager
def started(
    commands: Mapping[str, Sequence[str]],
    inherited: Sequence[int] = (),
    limit_s: Optional[float] = None,
    kind: Callable[..., Worker] = Worker,
) -> Iterator[tuple[dict[str, Worker], dict[str, dict[str, Any]]]]:
    """Start a worker for each command; yield them by name, stopped, and what each told when it was ready.

    They start side by side, to save time: only what they are asked later is alone on the machine. All are gone when the
    block ends, however it does.

    Args:
        inherited: file descriptors that they get.
        limit_s: none may take more seconds to start.
        kind: what makes a worker.
    """
    workers: dict[str, Worker] = {}
    try:
        for name, command in commands.items():
            workers[name] = kind(name, command, inherited)
        yield dict(workers), {name: worker.ready(limit_s) for name, worker in workers.items()}
    finally:
        for worker in workers.values():
            worker.kill()


def answers() -> TextIO:
    """Where the process that is asked writes its answers; from now on what it prints goes to the standard error.

    To be called before a framework is imported, whose messages must not come between the answers.
    """
    stream = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return stream


Answer = Callable[[dict[str, Any]], Mapping[str, Any]]


def serve(stream: TextIO, start: Callable[[], tuple[Mapping[str, Any], Answer]]) -> None:
    """Start, tell what that showed, then answer each line of the standard input, up to its end.

    An error is an answer too; whoever asked ends this process then.

    Args:
        start: gives what is told first, and what answers each request.
    """
    try:
        ready, answer = start()
    except Exception as error:
        print(json.dumps({ERROR: _in_words(error)}), file=stream, flush=True)
        return
    print(json.dumps(ready), file=stream, flush=True)
    for line in sys.stdin:
        try:
            text = json.dumps(answer(json.loads(line)))
        except Exception as error:
            text = json.dumps({ERROR: _in_words(error)})
        print(text, file=stream, flush=True)


def _in_words(error: Exception) -> str:
    """An error as its reason is told; where it came from stands in the log, unless dliflow itself raised it."""
    if isinstance(error, DliflowError):
        return str(error)
    traceback.print_exception(type(error), error, error.__traceback__)
    return f"{type(error).__name__}: {error}"
