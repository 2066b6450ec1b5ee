"""What a framework left in another environment than today's: its older version, to be run again or to be told of."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Optional

from dliflow.errors import DliflowError
from dliflow.files import read_json
from dliflow.records import record
from dliflow.study import paths
from dliflow.study.plan import IDENTITY

Left = dict[str, list[Path]]


def version(member: dict[str, Any], point: dict[str, Any]) -> Optional[dict[str, Any]]:
    """A configuration as the environment measured it that did so last before today's; None where there is none.

    It counts as long as that environment and its converted model are there, and if it ran the same model.

    Args:
        member: with the digest of its `environment`.
        point: node, model and device.

    Returns:
        The member with `older` (the version), and its own `python`, `converted` and `built`.
    """
    if _identity(_path({**point, **member})) is None:
        return None
    versions = [then for then in others({**point, **member}) if _can_run(then)]
    if not versions:
        return None
    last = max(versions, key=lambda then: then["finished_at"])
    its_own = {key: last[key] for key in ("python", "converted", "built")}
    return {**member, **its_own, "older": last["framework_version"]}


def others(row: dict[str, Any], left: Optional[Left] = None) -> list[dict[str, Any]]:
    """What other environments measured of a configuration and the same model, as their first groups tell.

    Args:
        row: what a path of the sweep is made of, with today's digest of its `environment`.
        left: the folders of its model, where they were looked for already.

    Returns:
        For each what its record tells of itself, with the digest of its `environment`.
    """
    today = _path(row)
    folders = (_left(today.parents[1]) if left is None else left).get(_plain(today.parent), [])
    now, known = None, []
    for folder in folders:
        if folder != today.parent:
            then, now = _identity(folder / today.name), now or _identity(today)
            if then is not None and (now is None or then["origin"] == now["origin"]):
                known.append({**then, "environment": folder.name.rpartition("-")[2]})
    return known


def _plain(folder: Path) -> str:
    """The name of a configuration's folder without the environment."""
    return folder.name.rpartition("-")[0]


def _left(of_model: Path) -> Left:
    """The folders of a model's configurations, by `_plain`: one for each environment."""
    folders: Left = {}
    for folder in of_model.glob("*-*"):
        folders.setdefault(_plain(folder), []).append(folder)
    return folders


def plan(study_plan: dict[str, Any]) -> dict[str, Any]:
    """The rows of a plan of which an older environment of the framework left records, and these: the environment that
    measured last. Of comparisons and profiles there are none; a configuration without parity or a sweep has no rows,
    nor has one that ran another model then.
    """
    planned = (row for row in study_plan["sweep"] if row["group"] == 1 and row["reason"] is None)
    firsts = {_path(row): row for row in planned}
    latest = _latest(firsts)
    patterns = {"parity": paths.PARITY, "accuracy": paths.ACCURACY, "agreement": paths.ACCURACY}
    patterns |= {"sweep": paths.SWEEP, "throughput": paths.THROUGHPUT, "tune": paths.TUNE}
    before: dict[str, Any] = {stage: [] for stage in study_plan}
    for stage, pattern in patterns.items():
        for row in study_plan[stage]:
            if row["reason"] is None and row["framework"] in latest:
                then = {**row, "environment": latest[row["framework"]], "needs": []}
                then["record"] = pattern.format(**then)
                then.pop("unmade", None)  # that is of today's
                before[stage] += [then] if Path(then["record"]).exists() else []
    agreeing, swept = ({_identified(row) for row in before[stage]} for stage in ("parity", "sweep"))
    replaced = {
        _identified(row)
        for today, row in firsts.items()
        if row["framework"] in latest and _differ(today, _path({**row, "environment": latest[row["framework"]]}))
    }
    same = agreeing & swept - replaced
    return {stage: [row for row in rows if _identified(row) in same] for stage, rows in before.items()}


def _identified(row: dict[str, Any]) -> tuple:
    return tuple(row[key] for key in IDENTITY)


def _differ(today: Path, then: Path) -> bool:
    """Whether two records tell of different models."""
    now, before = _identity(today), _identity(then)
    return now is not None and before is not None and now["origin"] != before["origin"]


def _latest(firsts: Mapping[Path, dict[str, Any]]) -> dict[str, str]:
    """For each framework that has another environment's records the digest of the one that measured last.

    Args:
        firsts: by their records, the plan's rows of first groups of the sweep.
    """
    newest: dict[str, tuple[str, str]] = {}
    left: dict[Path, Left] = {}
    for path, row in firsts.items():
        of_model = path.parents[1]
        if of_model not in left:
            left[of_model] = _left(of_model)
        for then in others(row, left[of_model]):
            at = (then["finished_at"], then["environment"])
            newest[row["framework"]] = max(newest.get(row["framework"], at), at)
    return {framework: environment for framework, (_, environment) in newest.items()}


def _path(row: dict[str, Any]) -> Path:
    return Path(paths.SWEEP.format(**{**row, "group": 1}))


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
