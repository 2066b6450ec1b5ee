"""What parity, accuracy and latency share: open a converted model, and tell in a record what was run."""

from __future__ import annotations

import argparse
import datetime
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

import numpy as np

from dliflow import frameworks, integrity
from dliflow.errors import Skip
from dliflow.files import payload, read_json, write_json
from dliflow.machine import facts, process, threads, variables
from dliflow.measuring import metrics

SCHEMA_VERSION = 1


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options that name a configuration."""
    parser.add_argument("--model", required=True)
    parser.add_argument("--framework", required=True)
    parser.add_argument("--variant", required=True)
    parser.add_argument("--precision", required=True)
    parser.add_argument("--device", required=True)
    parser.add_argument("--threads", type=threads.parse, required=True, help="a number, or 'default'")
    parser.add_argument("--options", type=json.loads, required=True, help="JSON: the framework's launch options")
    parser.add_argument("--converted", type=Path, required=True, help="manifest of the converted model")
    parser.add_argument("--array", type=Path, required=True, help="manifest of the images' pixels")
    parser.add_argument("--input", type=json.loads, required=True, help="JSON: the model's input entry")
    parser.add_argument("--scores", type=int, required=True, help="how many scores the model must give")
    parser.add_argument("--out", type=Path, required=True, help="the record")


@dataclass
class Opened:
    """A session and what loading it showed."""

    predict: Any
    identity: dict[str, Any]
    import_ms: float
    load_ms: float
    model_bytes: int


def identity(args: argparse.Namespace) -> dict[str, Any]:
    """The part of the identity that is known before anything is loaded."""
    keys = ("model", "framework", "variant", "precision", "device")
    known = {key: getattr(args, key) for key in keys}
    return {**known, "framework_version": None, "threads": args.threads or "default", "options": args.options}


def open_model(args: argparse.Namespace, batch_size: int) -> Opened:
    """Import the framework and load the converted model for one batch size.

    Raises:
        Skip: when the conversion was skipped, or this machine cannot run it.
        DliflowError: when model files are missing or damaged.
    """
    manifest = read_json(args.converted)
    if manifest["status"] == "skipped":
        raise Skip(manifest["reason"])
    folder = payload(args.converted)
    digests = {name: entry["sha256"] for name, entry in manifest["files"].items()}
    integrity.verify(folder, digests, f"delete {args.converted} to convert the model again")
    framework = frameworks.load(args.framework)
    if hasattr(framework, "unavailable"):
        reason = framework.unavailable(args.precision, args.device, args.variant)
        if reason is not None:
            raise Skip(reason)
    if hasattr(framework, "environment"):
        threads.apply(framework.environment(args.threads, args.options))
    started = time.perf_counter()
    version = framework.version()
    imported = time.perf_counter()
    session = framework.load(
        folder,
        precision=args.precision,
        variant=args.variant,
        device=args.device,
        batch_size=batch_size,
        threads=args.threads,
        options=args.options,
    )
    loaded = time.perf_counter()
    return Opened(
        predict=session.predict,
        identity={
            **identity(args),
            "framework_version": version,
            "threads_in_effect": session.threads,
            "batch_size": batch_size,
        },
        import_ms=(imported - started) * 1e3,
        load_ms=(loaded - imported) * 1e3,
        model_bytes=sum(entry["bytes"] for entry in manifest["files"].values()),
    )


def checked_predict(opened: Opened, batch: np.ndarray, scores: int) -> np.ndarray:
    """One request whose scores are checked for shape and finite values; a copy of them, float32."""
    found = opened.predict(batch)
    metrics.check_scores(found, len(batch), scores)
    return np.array(found, np.float32)


def write_record(args: argparse.Namespace, stage: str, identity: dict[str, Any], **figures: Any) -> None:
    """Write a record: what was run, on what, how, and what was found."""
    record = {
        "schema": SCHEMA_VERSION,
        "stage": stage,
        "status": "ok",
        "reason": None,
        "identity": identity,
        **figures,
        "machine": facts.describe(),
        "packages": facts.packages(),
        "environment": variables.in_effect(),
        "command": [Path(sys.executable).name, "-m", "dliflow", *sys.argv[1:]],
        "finished_at": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "process_ms": process.age_ms(),
    }
    write_json(args.out, record)


def write_skip(args: argparse.Namespace, stage: str, skip: Skip, extra: Optional[dict[str, Any]] = None) -> None:
    """Write the record of a configuration that this machine or this framework cannot run."""
    write_record(args, stage, {**identity(args), **(extra or {})}, status="skipped", reason=str(skip))
