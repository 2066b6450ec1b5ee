"""What parity, accuracy and measuring share: open a converted model, and tell in a record what was run."""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Optional, Union

import numpy as np

from dliflow import frameworks, integrity
from dliflow.configuration import CPP, PYTHON, Configuration
from dliflow.errors import Skip
from dliflow.files import payload, read_json, write_json
from dliflow.machine import disturbance, facts, process, variables
from dliflow.measuring import measure, metrics

SCHEMA_VERSION = 2


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options that describe a session."""
    parser.add_argument("--model", required=True)
    parser.add_argument("--framework", required=True)
    parser.add_argument("--api", choices=(PYTHON, CPP), default=PYTHON, help="in which language it is called")
    parser.add_argument("--variant", required=True)
    parser.add_argument("--precision", required=True)
    parser.add_argument("--device", required=True)
    parser.add_argument("--parameters", default="default")
    parser.add_argument("--threads", type=int, help="compute threads; the framework's own choice when absent")
    parser.add_argument("--options", type=json.loads, default={}, help="JSON: the framework's launch options")
    parser.add_argument("--converted", type=Path, required=True, help="manifest of the converted model")
    parser.add_argument("--built", type=Path, help="with the API cpp: manifest of the program")
    parser.add_argument("--scores", type=int, required=True, help="how many scores the model must give")


@dataclass(frozen=True)
class Description:
    """What is to be opened.

    Attributes:
        threads: compute threads; None for the framework's own choice.
        options: the framework's launch options.
        converted: manifest of the converted model.
        scores: how many scores the model must give.
        built: manifest of the program in C++ that runs it; None where it is run in Python.
    """

    configuration: Configuration
    threads: Optional[int]
    options: dict[str, Any]
    converted: Path
    scores: int
    built: Optional[Path] = None

    @property
    def identity(self) -> dict[str, Any]:
        """The part of a record's identity that is known before anything is loaded."""
        known = {"framework_version": None, "threads": self.threads or "default", "options": self.options}
        return {**self.configuration.identity, **known}


def described(args: argparse.Namespace) -> Description:
    """The session that the options of `arguments` describe."""
    keys = ("model", "framework", "api", "variant", "precision", "device", "parameters")
    configuration = Configuration(**{key: getattr(args, key) for key in keys})
    return Description(configuration, args.threads, args.options, args.converted, args.scores, args.built)


@dataclass(frozen=True)
class Imported:
    """A framework that is imported and a model whose files are whole: what sessions are opened of."""

    description: Description
    framework: ModuleType
    folder: Path
    version: str
    import_ms: float
    model_bytes: int

    @property
    def identity(self) -> dict[str, Any]:
        """The part of a record's identity that is the same for all batch sizes."""
        return {**self.description.identity, "framework_version": self.version}

    pid = "self"
    """The process that runs it."""
    counters = staticmethod(disturbance.process_counters)
    """Those of this process."""
    awake = staticmethod(contextlib.nullcontext)
    """In what requests are made: nothing, since they are made here."""

    def open(self, batch_size: int) -> Opened:
        """Load the converted model for one batch size.

        Raises:
            Skip: when this machine cannot run it.
        """
        session, load_ms = self._timed(self.framework.load, batch_size=batch_size)
        in_effect = {"threads_in_effect": session.threads, "batch_size": batch_size}
        return Opened(session.predict, {**self.identity, **in_effect}, load_ms)

    def queue(self, batch_size: int, in_flight: int) -> tuple[frameworks.Queue, float]:
        """The framework's own queue of so many slots, and what loading it took, ms; errors as of `open`."""
        queue, load_ms = self._timed(self.framework.concurrent, batch_size=batch_size, in_flight=in_flight)
        return queue, load_ms

    def loaded(self, load: Callable[..., Any], **how: int) -> Any:
        """What a framework's `load`, or another function that takes the same, makes of the converted model."""
        configuration = self.description.configuration
        return load(
            self.folder,
            precision=configuration.precision,
            variant=configuration.variant,
            device=configuration.device,
            threads=self.description.threads,
            options=self.description.options,
            **how,
        )

    def _timed(self, load: Callable[..., Any], **how: int) -> tuple[Any, float]:
        """The same, and how long it took, ms."""
        started = time.perf_counter()
        loaded = self.loaded(load, **how)
        return loaded, (time.perf_counter() - started) * 1e3


@dataclass
class Opened:
    """A session, and what loading it showed."""

    predict: Any
    identity: dict[str, Any]
    load_ms: float
    pid: Union[int, str] = "self"
    """The process that runs it."""

    def run(self, batches: Sequence[np.ndarray], **bounds: Any) -> measure.Samples:
        """Timed requests; arguments as of `measure.run`."""
        return measure.run(self.predict, batches, **bounds)

    def close(self) -> None:
        """Give back what does not go when this is forgotten: here nothing."""


def set_variables(description: Description) -> None:
    """Set the variables that the framework's file asks for, as `variables.enter` does: this process may begin anew."""
    framework = frameworks.load(description.configuration.framework)
    if hasattr(framework, "environment"):
        variables.enter(framework.environment(description.threads, description.options))


@dataclass(frozen=True)
class Converted:
    """A converted model whose files are whole, and the file of the framework that is to run it."""

    framework: ModuleType
    folder: Path
    size: int
    """Bytes of all files."""


def refused(description: Description) -> Optional[str]:
    """Why it cannot run here, as far as that shows without its framework; None where it may."""
    for manifest in filter(None, (description.converted, description.built)):
        known = read_json(manifest)
        if known["status"] == "skipped":
            return known["reason"]
    configuration = description.configuration
    framework = frameworks.load(configuration.framework)
    if hasattr(framework, "unavailable"):
        return framework.unavailable(configuration.precision, configuration.device, configuration.variant)
    return None


def converted(description: Description) -> Converted:
    """Look whether the converted model is whole and can run here, and set the variables that running it needs.

    Raises:
        Skip: when the conversion, or the building of a program, was skipped, or this machine cannot run it.
        DliflowError: when model files are missing or damaged.
    """
    reason = refused(description)
    if reason is not None:
        raise Skip(reason)
    manifest, folder = read_json(description.converted), payload(description.converted)
    digests = {name: entry["sha256"] for name, entry in manifest["files"].items()}
    integrity.verify(folder, digests, f"delete {description.converted} to convert the model again")
    set_variables(description)
    framework = frameworks.load(description.configuration.framework)
    return Converted(framework, folder, sum(entry["bytes"] for entry in manifest["files"].values()))


def import_model(description: Description) -> Imported:
    """Look whether the converted model is whole, and import the framework; errors as of `converted`."""
    model = converted(description)
    started = time.perf_counter()
    version = model.framework.version()
    import_ms = (time.perf_counter() - started) * 1e3
    return Imported(description, model.framework, model.folder, version, import_ms, model.size)


def open_model(description: Description, batch_size: int) -> Opened:
    """Import the framework and load the converted model; errors as of `import_model` and `Imported.open`."""
    return import_model(description).open(batch_size)


def checked_predict(opened: Opened, batch: np.ndarray, scores: int) -> np.ndarray:
    """One request whose scores are checked for shape and finite values; a copy of them, float32."""
    predicted = opened.predict(batch)
    metrics.check_scores(predicted, len(batch), scores)
    return np.array(predicted, np.float32)


def software() -> dict[str, Any]:
    """What of a record tells how this process came to be: its packages, variables and command."""
    return {
        "packages": facts.packages(),
        "environment": variables.in_effect(),
        "command": [Path(sys.executable).name, "-m", "dliflow", *sys.argv[1:]],
    }


def write_record(out: Path, stage: str, identity: dict[str, Any], **figures: Any) -> None:
    """Write a record: what was run, on what, how, and what came out."""
    record = {
        "schema": SCHEMA_VERSION,
        "stage": stage,
        "status": "ok",
        "reason": None,
        "identity": identity,
        **figures,
        "machine": facts.describe(),
        **software(),
        "finished_at": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "process_ms": process.age_ms(),
    }
    write_json(out, integrity.sealed(record))


def write_skip(
    out: Path, stage: str, description: Description, skip: Skip, extra: Optional[dict[str, Any]] = None
) -> None:
    """Write the record of a configuration that this machine or this framework cannot run."""
    write_record(out, stage, {**description.identity, **(extra or {})}, status="skipped", reason=str(skip))
