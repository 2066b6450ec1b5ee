"""Programs in C++ (`workflow/cpp`): each answers what a worker in Python answers, of the same files and settings.

A worker checks the files, tells what only Python can, and *becomes* the program (execve(2)): processors, memory policy,
priority, pipes and the descriptor of the inputs stay. Parity and accuracy ask a program as their child.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NoReturn, Optional

import numpy as np

from dliflow import frameworks, integrity
from dliflow.configuration import CPP
from dliflow.errors import DliflowError, Skip
from dliflow.files import payload, read_json
from dliflow.images import inputs
from dliflow.machine import energy, facts, launch, process
from dliflow.measuring import feed, session, workers

NAME = "worker"  # of the program's file
WITHOUT_WARM_UP = {"requests": 0, "limit_s": 0}


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

    def command(self, ready: dict[str, Any], taken: Any, descriptor: int, **more: Any) -> list[str]:
        """The words that it is started with, its own name first; `Settings` of `worker.h` tells of them.

        Args:
            ready: what it is to tell when it is ready.
            taken: the inputs, a numpy.memmap of float32 (images, *input shape), as `feed.mapped` gives them.
            descriptor: of the inputs, which it inherits.
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
            "offset": taken.offset,
            "images": len(taken),
            "shape": ",".join(map(str, taken.shape[1:])),
            "cores": facts.physical_cores(),
            "cache": facts.last_level_cache_bytes(),
            "energy": ":".join(energy.read()),
            "ready": json.dumps(ready)[:-1],  # to which it adds how long it took to start
            "began": time.perf_counter_ns(),
            **{key if key == "threads" else f"option.{key}": written(value) for key, value in chosen.items()},
            **more,
        }
        return [NAME, *(f"{key}={value}" for key, value in words.items() if value is not None)]


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
    if manifest["status"] == "skipped":
        raise Skip(manifest["reason"])
    again = f"delete {description.built} to build it again"
    digests = {name: entry["sha256"] for name, entry in manifest["files"].items()}
    integrity.verify(payload(description.built), digests, again)
    if manifest["site"] != str(facts.site()):
        raise DliflowError(
            f"the program was built for packages in {manifest['site']}, which are now in {facts.site()}; {again}"
        )
    return Program(description, payload(description.built) / NAME, manifest["version"], model)


def become(
    description: session.Description, descriptor: int, distinct: Optional[int], asked: dict[str, Any], answers: int
) -> NoReturn:
    """Be the program from now on, in place of this worker.

    Args:
        descriptor: of the inputs.
        distinct: how many distinct batches at most; None for all.
        asked: the config's `launch`, which is in effect.
        answers: descriptor that it writes its answers to.

    Raises:
        Skip, DliflowError: as of `checked`.
    """
    program = checked(description)
    ready = {"identity": program.identity, "model_bytes": program.model.size, **session.software()}
    known = launch.in_effect(asked)
    of_threads = {key: known["in_effect"].pop(key) for key in ("cpus", "outside")}  # a framework may move its threads
    bound = launch.bound(asked)
    os.set_inheritable(answers, True)
    words = program.command(
        ready,
        feed.mapped(descriptor),
        descriptor,
        distinct=distinct,
        answers=answers,
        bound=",".join(map(str, sorted(bound or ()))),
        launch=json.dumps(known)[: -len("}}")],  # to which it adds these
    )
    print(f"becomes {program.file}, on processors {of_threads['cpus']}", flush=True)
    os.execv(program.file, words)


@contextlib.contextmanager
def opened(description: session.Description, batch_size: int, entry: dict[str, Any]) -> Iterator[session.Opened]:
    """The converted model, loaded for one batch size in the configuration's language; a program is gone afterwards.

    Args:
        entry: the model's `input` entry.

    Raises:
        Skip, DliflowError: as of `session.open_model` or `checked`.
        WorkerEnded: when a program breaks.
    """
    if description.configuration.api != CPP:
        yield session.open_model(description, batch_size)
        return
    program = checked(description)
    empty = np.zeros((batch_size, *inputs.shape(entry)), inputs.dtype(entry))
    with feed.shared(empty) as descriptor:
        batch = np.load(f"/proc/self/fd/{descriptor}", mmap_mode="r+")
        command = program.command({}, batch, descriptor)
        child = workers.Worker(program.file.name, command, [descriptor], program.file)
        try:
            child.ready()
            answer = child.ask({"open": {"batch_size": batch_size, "warm_up": WITHOUT_WARM_UP}})
            if "skip" in answer:
                raise Skip(answer["skip"])

            def predict(images: np.ndarray) -> np.ndarray:
                batch[:] = images
                return np.array(child.ask({"scores": {"images": batch_size}})["scores"], np.float32)

            in_effect = {"threads_in_effect": answer["threads_in_effect"], "batch_size": batch_size}
            identity = {**program.identity, **in_effect}
            peak = partial(process.peak_rss_mib, child.process.pid)
            yield session.Opened(predict, identity, answer["load_ms"], peak)
        finally:
            child.kill()
