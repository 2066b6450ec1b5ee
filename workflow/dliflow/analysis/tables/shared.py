"""What all tables share: a row of the plan completed from its record, and frames of rows."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd

from dliflow import frameworks
from dliflow.analysis import columns
from dliflow.study import plan

Row = dict[str, Any]
Rows = list[Row]

OF_THE_PLAN = (
    "needs",
    "record",
    "reason",
    "unmade",
    *plan.DIGESTS,
)  # keys of its rows that say how a record comes to be
DTYPES: dict[str, Any] = {  # those of pandas in which a gap leaves whole numbers whole
    columns.TEXT: "string",
    columns.WHOLE: "Int64",
    columns.NUMBER: "Float64",
    columns.YES_NO: "boolean",
}


def identity(planned: Row, outcome: dict[str, Any]) -> Row:
    """The plan's identity, completed from the record where there is one.

    Args:
        planned: a row of the plan.
        outcome: what became of it, as `record.outcome` tells.
    """
    known = {key: value for key, value in planned.items() if key not in OF_THE_PLAN}
    recorded = outcome["record"]["identity"] if outcome["record"] else {}
    return {**known, **recorded, "status": outcome["status"], "reason": outcome["reason"]}


def figures(outcome: dict[str, Any]) -> dict[str, Any]:
    """The record's figures; none where there is no good record."""
    return outcome["record"]["figures"] if outcome["record"] and outcome["status"] == "ok" else {}


def values(row: Row, names: tuple[str, ...] = plan.IDENTITY) -> tuple:
    """The values of these columns, by default those that identify a configuration of a model."""
    return tuple(row[name] for name in names)


def settings(identity: Row) -> str:
    """What of a member's launch settings is not its framework's default, as JSON: `{"threads": 2}`.

    Args:
        identity: a record's, with `framework`, `threads` and `options`.
    """
    threads = None if identity["threads"] == "default" else identity["threads"]
    return json.dumps(frameworks.settings(identity["framework"], threads, identity["options"]))


def fail_with_parity(row: Row, parity_row: Row) -> None:
    """Figures of what is not known to be the same network are not believed: the row fails with parity's reason."""
    if parity_row["status"] != "ok" and row["status"] == "ok":
        skipped = "parity was skipped: " if parity_row["status"] == "skipped" else ""
        row["status"], row["reason"] = "failed", f"{skipped}{parity_row['reason']}"


def frame(rows: Rows, table: str) -> pd.DataFrame:
    """A table with exactly its declared columns, each of its declared kind; what else rows hold is left out."""
    declared = columns.TABLES[table]
    cells = {column.name: [row.get(column.name) for row in rows] for column in declared}
    for column in declared:
        if column.kind == columns.TEXT:
            cells[column.name] = [columns.inert(text) for text in cells[column.name]]
    return pd.DataFrame({column.name: pd.array(cells[column.name], DTYPES[column.kind]) for column in declared})
