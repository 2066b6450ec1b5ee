"""Read what the jobs left: records, or the reason why there is none."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import jsonschema

from dliflow import config, integrity, paths
from dliflow.errors import DliflowError
from dliflow.files import read_json


@lru_cache(maxsize=1)
def _validator() -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(config.schema("record"))


def read(path: str) -> dict[str, Any]:
    """A record, checked against its schema.

    Raises:
        DliflowError: naming the record and the key, when it is not what this version of dliflow writes.
    """
    record = read_json(Path(path))
    problem = next(iter(_validator().iter_errors(record)), None)
    if problem is not None:
        key = ".".join(map(str, problem.absolute_path)) or "(top level)"
        raise DliflowError(f"{path}: {key}: {problem.message[:200]}; delete it to measure again")
    return record


def compared(row: dict[str, Any]) -> dict[str, Any]:
    """What became of a comparison: its `outcome`, or that of those of its members that were well in the last run."""
    try:
        holding = read_json(Path(paths.PARTIALS))
    except (OSError, ValueError):  # none, or damaged: then only whole comparisons count
        holding = {}
    if row["record"] not in holding:
        return outcome(row)
    path = holding[row["record"]]
    try:
        record = read(path)
    except (OSError, DliflowError) as error:
        return {"status": "failed", "reason": str(error), "record": None, "path": path}
    return {"status": record["status"], "reason": record["reason"], "record": record, "path": path}


def _verify_predictions(path: str, record: dict[str, Any]) -> None:
    figures = record.get("figures") or {}
    if "predictions_sha256" in figures:
        digests = {figures["predictions"]: figures["predictions_sha256"]}
        integrity.verify(Path(path).parent, digests, f"delete {path} to evaluate again")


def outcome(row: dict[str, Any]) -> dict[str, Any]:
    """What became of a row of the plan: `status`, `reason` and, where there is one, its `record`.

    A row whose record is missing failed; the reason is that of the first job it needs which left one. So did one whose
    record, or the predictions beside it, are damaged: it must not stop the tables of all others.
    """
    if row["reason"] is not None:
        return {"status": "skipped", "reason": row["reason"], "record": None}
    if Path(row["record"]).exists():
        try:
            record = read(row["record"])
            _verify_predictions(row["record"], record)
        except DliflowError as error:
            return {"status": "failed", "reason": str(error), "record": None}
        return {"status": record["status"], "reason": record["reason"], "record": record}
    for output in row["needs"]:
        path = Path(paths.failure(paths.log(output)))
        if path.exists():
            failure = read_json(path)
            return {"status": "failed", "reason": f"{failure['stage']}: {failure['reason']}", "record": None}
    return {"status": "failed", "reason": "the job did not run or was killed from outside", "record": None}
