"""Read what the jobs left: records, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, Optional

import jsonschema

from dliflow import integrity
from dliflow.errors import DliflowError
from dliflow.files import read_json
from dliflow.records import notes
from dliflow.study import config, paths

DURATIONS = {"type": "integer", "exclusiveMinimum": 0}  # each item of an array of them
NOT_RUN = "the job did not run or was killed from outside"
USUAL = jsonschema.Draft202012Validator


def _items(validator: Any, of: Any, instance: Any, schema: Any) -> Iterator[Any]:
    """Durations all at once: a record has thousands, and one by one they take most of the time in which it is read."""
    if (
        of == DURATIONS
        and isinstance(instance, list)
        and {*map(type, instance)} <= {int}
        and min(instance, default=1) > 0
    ):
        return
    yield from USUAL.VALIDATORS["items"](validator, of, instance, schema)


@lru_cache(maxsize=1)
def _validator() -> Any:
    return jsonschema.validators.extend(USUAL, {"items": _items})(config.schema("record"))


def read(path: str) -> dict[str, Any]:
    """A record, checked against its schema.

    Raises:
        DliflowError: naming the record and the key, when it is not what this version of dliflow writes.
    """
    record = read_json(Path(path))
    problem = next(iter(_validator().iter_errors(record)), None)
    if problem is not None:
        key = ".".join(map(str, problem.absolute_path)) or "(top level)"
        raise DliflowError(f"{path}: {key}: {_message(problem)}; delete it to make it again")
    integrity.verify_seal(Path(path), record, "delete it to make it again")
    return record


def _message(problem: Any) -> str:
    """What is wrong, whole: jsonschema begins with the value, which may be thousands of durations."""
    value = repr(problem.instance)
    return problem.message.replace(value, f"{value[:60]} …") if len(value) > 80 else problem.message


def latest(row: dict[str, Any]) -> dict[str, Any]:
    """What became of a sweep or comparison: its `outcome`, or that of the part that was well in the last run."""
    try:
        holding = read_json(Path(paths.PARTIALS))
    except (OSError, ValueError):  # none, or damaged: then only whole records count
        holding = {}
    if row["reason"] is not None or row["record"] not in holding:
        return outcome(row)
    path = holding[row["record"]]
    try:
        record = read(path)
    except (OSError, DliflowError) as error:
        return {"status": "failed", "reason": str(error), "record": None, "path": path}
    return {"status": record["status"], "reason": record["reason"], "record": record, "path": path}


def at_size(known: dict[str, Any], batch_size: int, in_flight: Optional[int] = None) -> dict[str, Any]:
    """What became of a sweep at one of its batch sizes, with so many requests in flight where they are not one by one.

    Args:
        known: what became of all of it, as `latest` tells.
    """
    for broken in (known["record"] or {}).get("figures", {}).get("broken", []):
        if (broken["batch_size"], broken.get("in_flight")) == (batch_size, in_flight):
            status = "skipped" if broken["skipped"] else "failed"
            reason = broken["reason"] if broken["skipped"] else f"sweep: {broken['reason']}"
            return {**known, "status": status, "reason": reason}
    return known


def _verify_predictions(path: str, record: dict[str, Any]) -> None:
    figures = record.get("figures") or {}
    if "predictions_sha256" in figures:
        name = figures.get("predictions")
        if not isinstance(name, str) or Path(name).name != name or "\0" in name:
            raise DliflowError(
                f"{path}: figures.predictions: {name!r} is no file beside it; delete it to make it again"
            )
        digests = {figures["predictions"]: figures["predictions_sha256"]}
        integrity.verify(Path(path).parent, digests, f"delete {path} to evaluate again")


def outcome(row: dict[str, Any], study: Path = Path()) -> dict[str, Any]:
    """What became of a row of the plan: `status`, `reason` and, where there is one, its `record`.

    A record counts when today's configuration made it: not when the end of the run says otherwise (`unmade`,
    unfinished.py), nor when something that it needs is gone since its job failed. Then, and when it is missing or
    cannot be read, the row failed; the reason is that of the first job it needs which left one.

    Args:
        study: the folder that its paths start from.
    """
    if row["reason"] is not None:
        return {"status": "skipped", "reason": row["reason"], "record": None}
    path = str(study / row["record"])
    reason = row.get("unmade") or _lost(row["needs"], study)
    if reason is None and not Path(path).exists():
        reason = NOT_RUN
    if reason is None:
        try:
            record = read(path)
            _verify_predictions(path, record)
        except DliflowError as error:
            reason = str(error)
    if reason is not None:
        return {"status": "failed", "reason": reason, "record": None}
    return {"status": record["status"], "reason": record["reason"], "record": record}


def _lost(needs: list[str], study: Path) -> Optional[str]:
    """The reason of the first of these outputs that is not there since its job failed."""
    for output in needs:
        if not (study / output).exists():
            failure = notes.failure(study / paths.failure(paths.log(output)))
            if failure is not None:
                return f"{failure['stage']}: {failure['reason']}"
    return None
