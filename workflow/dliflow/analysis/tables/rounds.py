"""rounds.csv: every burst of every comparison."""

from __future__ import annotations

import math
from collections.abc import Sequence
from types import MappingProxyType
from typing import Any

from dliflow.analysis import anchored, strain, surroundings
from dliflow.analysis.tables import shared
from dliflow.records import record


def rows(study_plan: dict[str, Any]) -> shared.Rows:
    """One row for each burst of each comparison, in the order in which they ran."""
    return [row for planned in study_plan["compare"] for row in of_one(planned, record.latest(planned))]


def of_one(planned: shared.Row, outcome: dict[str, Any]) -> shared.Rows:
    """Those of one comparison.

    Args:
        planned: the plan's row.
        outcome: what became of it, as `record.latest` tells.
    """
    point = {**shared.identity(planned, outcome), "record": outcome.get("path", planned["record"])}
    return of_groups(point, shared.figures(outcome).get("groups", []))


def of_groups(point: shared.Row, groups: Sequence[dict[str, Any]]) -> shared.Rows:
    """Those of groups of rounds.

    Args:
        point: what all their rows have.
        groups: as `figures.groups` of a record.
    """
    table: shared.Rows = []
    for group_number, group in enumerate(groups, 1):
        for session_number, session in enumerate(group["sessions"], 1):
            place = {"group": group_number, "session": session_number, "started_at": session["started_at"]}
            for round_, member, latency, anchor in anchored.beside(session):
                of_round = session["rounds"][round_]
                burst = {
                    "round": round_ + 1,
                    "turn": of_round["order"].index(member) + 1,
                    "configuration": member,
                    "batch_size": session["opened"][member]["batch_size"],
                    "latency_p50_ms": math.exp(latency),
                    "requests": len(of_round["latency_ns"][member]),
                    "anchor_ms": math.exp(anchor),
                    "anchor_threads": session["anchor_threads"],
                }
                table.append({**point, **place, **burst})
    return table


def undisturbed(
    planned: shared.Row, outcome: dict[str, Any], best: strain.Best = MappingProxyType({})
) -> Sequence[dict[str, Any]]:
    """The groups of a comparison; none where it has none, or the machine was too busy beside them.

    Args:
        planned: the plan's row.
        outcome: what became of it, as `record.latest` tells.
        best: `strain.best_states` of the study; without it that of this comparison.
    """
    groups = shared.figures(outcome).get("groups", [])
    if not groups:
        return []
    seen = strained(planned, groups, outcome["record"]["machine"]["usable_cpus"], best)
    return [] if seen.doubtful else groups


def strained(
    point: shared.Row, groups: Sequence[dict[str, Any]], usable_cpus: int, best: strain.Best = MappingProxyType({})
) -> strain.Strain:
    """What others did to these groups of rounds.

    Args:
        point: what all their rows have.
        best: `strain.best_states` of the study; without it that of these rounds.
    """
    bursts = of_groups(point, groups)
    return strain.of_rounds(surroundings.taken_share(groups, usable_cpus), bursts, strain.best_states(bursts, best))
