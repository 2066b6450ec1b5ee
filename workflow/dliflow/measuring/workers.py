"""Processes that hold one loaded configuration each and take turns: all but one are stopped at any time (Linux).

A worker is a stage that runs until its input ends: it tells that it is ready, then answers lines of JSON with lines of
JSON. `Worker` and `started` are the side of the process that asks, `answers` and `serve` that of the one that is asked.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from dliflow.errors import DliflowError
from dliflow.files import read_json
from dliflow.machine.children import dying_with_parent


def python(named: str) -> str:
    """The Python that is named, or told by the file of the stage `interpreter` that is named instead."""
    return read_json(Path(named))["python"] if named.endswith(".json") else named


class WorkerEnded(DliflowError):
    """A worker's process ended though it was to answer; `name` is the worker's."""

    def __init__(self, name: str, how: str):
        super().__init__(f"{name}: its process {how}; its own message stands above, in this log")
        self.name, self.how = name, how


class Worker:
    """One process. It is stopped except inside `ask`, so that no spinning thread of it disturbs the others."""

    def __init__(self, name: str, command: Sequence[str]):
        self.name = name
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=dying_with_parent()
        )

    def ready(self) -> dict[str, Any]:
        """What loading and warming up showed; the process is stopped from then on.

        Raises:
            WorkerEnded: when it ended instead.
        """
        answer = self._read()
        self._stop()
        return answer

    def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Let it run until it has answered.

        Raises:
            WorkerEnded: when it ended instead.
        """
        self.process.send_signal(signal.SIGCONT)
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # that it ended is told below
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
        answer = self._read()
        self._stop()
        return answer

    def _read(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            status = self.process.wait()
            how = f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
            raise WorkerEnded(self.name, how)
        return json.loads(line)

    def _stop(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def kill(self) -> None:
        """End the process, stopped or not."""
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()


@contextlib.contextmanager
def started(commands: Mapping[str, Sequence[str]]) -> Iterator[tuple[dict[str, Worker], dict[str, dict[str, Any]]]]:
    """Start a worker for each command; yield them by name, loaded and stopped, and what each told when it was ready.

    They load side by side, to save time: only what they are asked later is alone on the machine. All are gone when the
    block ends, however it does.
    """
    workers: dict[str, Worker] = {}
    try:
        for name, command in commands.items():
            workers[name] = Worker(name, command)
        yield workers, {name: worker.ready() for name, worker in workers.items()}
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


def serve(stream: TextIO, ready: Mapping[str, Any], answer: Callable[[dict[str, Any]], Mapping[str, Any]]) -> None:
    """Tell that all is ready, then answer each line of the standard input, up to its end."""
    print(json.dumps(ready), file=stream, flush=True)
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), file=stream, flush=True)
