"""parity.csv: how far each configuration's scores are from the reference runtime's."""

from __future__ import annotations

from typing import Any

from dliflow.analysis.tables import shared
from dliflow.records import record


def rows(study_plan: dict[str, Any]) -> shared.Rows:
    """One row for each configuration."""
    outcomes = [(planned, record.outcome(planned)) for planned in study_plan["parity"]]
    return [
        {**shared.identity(planned, outcome), **shared.figures(outcome), "record": planned["record"]}
        for planned, outcome in outcomes
    ]
