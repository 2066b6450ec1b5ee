"""What is missing and why: every row without figures, by reason, failed ones first."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from dliflow.analysis.rows import Row
from dliflow.records import notes
from dliflow.report import names
from dliflow.report.read import Tables
from dliflow.study import paths

TABLES = ("parity", "accuracy", "performance", "throughput", "comparison", "tuning", "profile")
LOGGED = tuple("measurements" if name == "performance" else name for name in TABLES)  # whose rows are those of a job


class Failure(NamedTuple):
    """What a job that broke left: the reason as the tables have it, its log, the log's last lines."""

    reason: str
    log: str
    tail: list[str]


class Missing(NamedTuple):
    """One reason and all that it took away."""

    status: str
    reason: str
    rows: int
    models: list[str]
    configurations: list[str]
    tables: list[str]
    logs: list[str]
    tail: list[str]


def failures(logs: Path) -> list[Failure]:
    """The failures that lie below the folder of logs."""
    left_behind = []
    for path in sorted(logs.rglob("*.failed.json")):
        data = notes.failure(path)
        if data is None:
            continue  # its job has begun anew meanwhile
        log = str(path).replace(".failed.json", ".log")
        left_behind.append(Failure(f"{data['stage']}: {data['reason']}", log, data.get("output_tail", [])))
    return left_behind


def _called(table: str, row: Row) -> str:
    """What a row is about: a configuration, or a comparison of several."""
    if table != "comparison":
        return names.configuration(row)
    return "batch sizes" if row["batch_size"] is None else f"batch size {row['batch_size']}"


def plain(reason: str | None) -> str:
    """The reason without how many groups it concerned, so that the same ones meet."""
    return re.sub(r"^\d+ of \d+ groups: ", "", reason or "") or "no reason was recorded"


def _own_log(table: str, row: Row, logs: Path) -> str | None:
    """The log of the job that makes a row's record, where it exists: of several environments' the last one."""
    pattern = {"parity": paths.PARITY, "accuracy": paths.ACCURACY}.get(table)
    record = pattern.format(**row, environment="*") if pattern else row.get("record")
    if not record:
        return None
    written = logs.glob(str(Path(paths.log(record)).relative_to(f"{paths.RESULTS}/logs")))
    return max(map(str, written), key=lambda path: Path(path).stat().st_mtime, default=None)


def _own_logs(tables: Tables, logs: Path, told: Collection[str]) -> dict[str, list[str]]:
    """By the reason of failed rows the logs of the jobs that make them, but for reasons that are told by failures."""
    logs_of: dict[str, list[str]] = {}
    for table in LOGGED:
        for row in getattr(tables, table):
            reason = plain(row["reason"])
            if row["status"] == "failed" and reason not in told:
                log = _own_log(table, row, logs)
                logs_of.setdefault(reason, []).extend([log] if log else [])
    return logs_of


def missing(tables: Tables, logs: Path) -> list[Missing]:
    """Every row that is not ok, by status and reason; the most frequent reasons first."""
    failures_of: dict[str, list[Failure]] = {}
    for failure in failures(logs):
        failures_of.setdefault(failure.reason, []).append(failure)
    rows: dict[tuple[str, str], list[tuple[str, Row]]] = {}
    for table in TABLES:
        for row in getattr(tables, table):
            alone = table == "comparison" and row["status"] == "skipped"  # told where comparisons are
            if row["status"] != "ok" and not alone:
                rows.setdefault((row["status"], plain(row["reason"])), []).append((table, row))
    logs_of = _own_logs(tables, logs, failures_of)
    reasons = []
    for (status, reason), met in rows.items():
        causes = failures_of.get(reason, []) if status == "failed" else []
        own = logs_of.get(reason, []) if status == "failed" else []
        reasons.append(
            Missing(
                status,
                reason,
                len(met),
                models=_unique(row["model"] for _, row in met),
                configurations=_unique(_called(table, row) for table, row in met),
                tables=_unique(table for table, _ in met),
                logs=_unique([cause.log for cause in causes] or own),
                tail=causes[0].tail if causes else [],
            )
        )
    return sorted(reasons, key=lambda item: (item.status != "failed", -item.rows))


def _unique(values) -> list[str]:
    return list(dict.fromkeys(values))
