"""rounds.csv: every burst of every comparison."""

from __future__ import annotations

from typing import Any

import numpy as np

from dliflow.analysis import surroundings
from dliflow.analysis.tables import shared
from dliflow.records import record


def rows(study_plan: dict[str, Any]) -> shared.Rows:
    """One row for each burst of each comparison, in the order in which they ran."""
    table: shared.Rows = []
    for planned in study_plan["compare"]:
        outcome = record.compared(planned)
        point = {**shared.identity(planned, outcome), "record": outcome.get("path", planned["record"])}
        for group_number, group in enumerate(shared.figures(outcome).get("groups", []), 1):
            for round_number, round_ in enumerate(group["rounds"], 1):
                place = {**point, "group": group_number, "round": round_number}
                pacer_ms = float(np.median(round_["pacer_ns"])) / 1e6
                for turn, member in enumerate(round_["order"], 1):
                    durations = round_["latency_ns"][member]
                    burst = {
                        "turn": turn,
                        "configuration": member,
                        "latency_p50_ms": float(np.median(durations)) / 1e6,
                        "requests": len(durations),
                        "probe_ms": surroundings.probe_ms(round_["probe_ns"][member]),
                        "pacer_ms": pacer_ms,
                    }
                    table.append({**place, **burst})
    return table
