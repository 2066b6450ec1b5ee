"""Programs in C++ (`workflow/cpp`) that open a model and make its requests, and what is asked of them.

A program is a child of the process that asks it: a worker, or the stage that looks at quality. Processors, memory
policy and priority are inherited; inputs lie in memory that both see. All that is no request is done here, as it is for
Python: bounds, the rule of the warm-up, the check of scores, what the system tells of a process.
"""

from __future__ import annotations

import contextlib
import math
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dliflow import frameworks, integrity
from dliflow.configuration import CPP
from dliflow.errors import DliflowError, Skip
from dliflow.files import payload, read_json
from dliflow.images import inputs
from dliflow.machine import facts
from dliflow.measuring import feed, measure, session, workers

NAME = "worker"  # of the program's file
ENDLESS = 1 << 62  # ns
COUNTERS = {  # what it tells of itself, as `disturbance.process_counters` does, and how many of it are one
    "wall_s": 1e9,
    "own_cpu_s": 1e9,
    "involuntary_switches": 1,
    "major_faults": 1,
    "minor_faults": 1,
}


@dataclass(frozen=True)
class Program:
    """A program and a converted model, whose files are whole."""

    description: session.Description
    file: Path
    version: str
    model: session.Converted

    @property
    def identity(self) -> dict[str, Any]:
        """The part of a record's identity that is the same for all batch sizes."""
        return {**self.description.identity, "framework_version": self.version}

    def command(self, taken: np.memmap, descriptor: int, output: int) -> list[str]:
        """The words that it is started with, its own name first; `Settings` of `worker.h` tells of them.

        Args:
            taken: the inputs, float32 (images, *input shape), as `feed.mapped` gives them.
            descriptor: of the inputs, which it inherits.
            output: of a file for scores, likewise.
        """
        of, configuration = self.description, self.description.configuration
        if taken.dtype != np.float32:
            raise DliflowError(f"{configuration.framework}: a program in C++ takes float32, and this is {taken.dtype}")
        chosen = frameworks.settings(configuration.framework, of.threads, of.options)
        words = {
            "model": self.model.folder,
            "precision": configuration.precision,
            "scores": of.scores,
            "inputs": descriptor,
            "output": output,
            "offset": taken.offset,
            "images": len(taken),
            "shape": ",".join(map(str, taken.shape[1:])),
            "cores": facts.physical_cores(),
            **{key if key == "threads" else f"option.{key}": written(value) for key, value in chosen.items()},
        }
        return [NAME, *(f"{key}={value}" for key, value in words.items())]


def written(value: Any) -> str:
    """A launch option as the program reads it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def checked(description: session.Description) -> Program:
    """The program of a configuration.

    Raises:
        Skip: when it could not be built, or the model not be converted, or this machine cannot run it.
        DliflowError: when files are missing or damaged, or it was built for another place.
    """
    assert description.built is not None
    model, manifest = session.converted(description), read_json(description.built)
    again = f"delete {description.built} to build it again"
    digests = {name: entry["sha256"] for name, entry in manifest["files"].items()}
    integrity.verify(payload(description.built), digests, again)
    if manifest["site"] != str(facts.site()):
        raise DliflowError(
            f"the program was built for packages in {manifest['site']}, which are now in {facts.site()}; {again}"
        )
    return Program(description, payload(description.built) / NAME, manifest["version"], model)


class Running:
    """A program that runs, in place of a framework that is imported (`session.Imported`)."""

    def __init__(self, program: Program, taken: np.memmap, descriptor: int):
        """Start it; arguments as of `Program.command`."""
        self.identity, self.model_bytes = program.identity, program.model.size
        self._taken, self._scores = taken, program.description.scores
        self._output = os.memfd_create("dliflow-scores", 0)
        command = program.command(taken, descriptor, self._output)
        began = time.perf_counter_ns()
        self._worker = workers.Worker(NAME, command, [descriptor, self._output], program.file)
        self.pid = self._worker.process.pid
        with _anonymous():
            self.import_ms = (self._worker.ready()["ready_ns"] - began) / 1e6

    def awake(self) -> contextlib.AbstractContextManager[None]:
        """Let it run inside; it is stopped outside."""
        return self._worker.awake()

    def counters(self) -> dict[str, float]:
        """Those of its process."""
        return {name: value / unit for (name, unit), value in zip(COUNTERS.items(), self.ask("counters")["counters"])}

    def open(self, batch_size: int) -> session.Opened:
        """Load the converted model for one batch size.

        Raises:
            Skip: when this machine, or the program, cannot run it.
        """
        answer = self.ask("open", batch_size)
        in_effect = {"threads_in_effect": answer["threads"], "batch_size": batch_size}
        return Opened(self, {**self.identity, **in_effect}, answer["load_ns"] / 1e6)

    def ask(self, call: str, *numbers: int) -> dict[str, Any]:
        """What it answers, awake.

        Raises:
            Skip: when it cannot do it here.
            DliflowError: when it breaks, or tells of an error.
        """
        with _anonymous():
            answer = self._worker.exchange([call, *numbers])
        if "skip" in answer:
            raise Skip(answer["skip"])
        return answer

    def place(self, batch: np.ndarray) -> int:
        """Which one of the inputs' batches this is; of few images there is one, which is filled with them."""
        if len(self._taken) < len(batch):
            return 0
        return (batch.ctypes.data - self._taken.ctypes.data) // batch.nbytes

    def scores(self, batch: np.ndarray) -> np.ndarray:
        """What a request gives, float32 (batch, scores)."""
        count = self.ask("scores", self.place(batch))["count"]
        if count != len(batch) * self._scores:
            raise DliflowError(f"there are {count} scores; expected {len(batch)} x {self._scores}")
        return np.frombuffer(os.pread(self._output, 4 * count, 0), np.float32).reshape(len(batch), -1)

    def kill(self) -> None:
        """End it."""
        self._worker.kill()
        os.close(self._output)


@contextlib.contextmanager
def _anonymous() -> Iterator[None]:
    """Tell how a program ended without its name, which is that of all programs."""
    try:
        yield
    except workers.WorkerEnded as ended:
        raise DliflowError(ended.reason) from None


class Opened(session.Opened):
    """A model that is open in a program."""

    def __init__(self, running: Running, identity: dict[str, Any], load_ms: float):
        super().__init__(running.scores, identity, load_ms, running.pid)
        self._running = running

    def run(self, batches: Sequence[np.ndarray], **bounds: Any) -> measure.Samples:
        """As `measure.run`; the program makes all requests from one look to the next by itself."""
        place = self._running.place(batches[0])

        def burst(first: int, most: int, limit_ns: float) -> tuple[list[int], int]:
            limit = ENDLESS if math.isinf(limit_ns) else int(limit_ns)
            answer = self._running.ask("run", place + first, len(batches), most, limit)
            return answer["latency_ns"], answer["wall_ns"]

        return measure.bounded(burst, **bounds)

    def close(self) -> None:
        """Let the program give its memory back."""
        self._running.ask("close")


@contextlib.contextmanager
def opened(description: session.Description, batch_size: int, entry: dict[str, Any]) -> Iterator[session.Opened]:
    """The converted model, loaded for one batch size in the configuration's language; a program is gone afterwards.

    Args:
        entry: the model's `input` entry.

    Raises:
        Skip, DliflowError: as of `session.open_model`, or `checked` and `Running.ask`.
    """
    if description.configuration.api != CPP:
        yield session.open_model(description, batch_size)
        return
    program = checked(description)
    empty = np.zeros((batch_size, *inputs.shape(entry)), inputs.dtype(entry))
    with feed.shared(empty) as descriptor:
        batch = np.load(f"/proc/self/fd/{descriptor}", mmap_mode="r+")
        running = Running(program, batch, descriptor)
        try:
            with running.awake():
                in_program = running.open(batch_size)

                def predict(images: np.ndarray) -> np.ndarray:
                    batch[:] = images
                    return running.scores(batch)

                yield session.Opened(predict, in_program.identity, in_program.load_ms, running.pid)
        finally:
            running.kill()
