"""What an older version of a framework left, with which it can be run again beside the new one."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Optional

from dliflow.errors import DliflowError
from dliflow.files import read_json
from dliflow.records import record
from dliflow.study import paths


def version(member: dict[str, Any], point: dict[str, Any]) -> Optional[dict[str, Any]]:
    """A configuration as the version measured it that was measured last before today's; None where there is none.

    It counts as long as its environment and its converted model are there, and if it ran the same model.

    Args:
        member: with the digest of its `environment`.
        point: node, model and device.

    Returns:
        The member with `older` (the version), and its own `python`, `converted` and `built`.
    """
    now = _identity(Path(paths.SWEEP.format(**{**point, **member}, group=1)))
    pattern = paths.SWEEP.format(**{**point, **member, "environment": "*"}, group=1)
    versions = []
    for path in Path().glob(pattern):
        then = _identity(path)
        if now is None or then is None or then["framework_version"] == now["framework_version"]:
            continue
        if then["origin"] == now["origin"] and _can_run(then):
            versions.append(then)
    if not versions:
        return None
    last = max(versions, key=lambda then: then["finished_at"])
    its_own = {key: last[key] for key in ("python", "converted", "built")}
    return {**member, **its_own, "older": last["framework_version"]}


def _identity(path: Path) -> Optional[dict[str, Any]]:
    """What a record tells of itself; None where there is none that this version of dliflow reads."""
    try:
        known = record.read(str(path))
    except (OSError, DliflowError):
        return None
    if known["status"] != "ok":
        return None
    return {**known["identity"], **known["figures"], "finished_at": known["finished_at"]}


def _can_run(then: dict[str, Any]) -> bool:
    """Whether the environment, once it was whole, and the model of a record are there."""
    environment = Path(then["python"]).parents[1] / "environment.json"
    try:
        return environment.is_file() and read_json(Path(then["converted"]))["status"] == "ok"
    except (OSError, DliflowError):
        return False
