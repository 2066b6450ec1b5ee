"""tuning.csv: every candidate of every race of launch settings, what became of it, and what the winner gained."""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import Any, Optional

from dliflow.analysis import comparison, doubts, race, strain
from dliflow.analysis.tables import rounds, shared
from dliflow.records import record

SCORES = {"max_rel_score_diff": "score_diff", "score_distance": "score_distance", "agreement": "score_agreement"}


def rows(study_plan: dict[str, Any], parity_rows: shared.Rows, best: strain.Best = MappingProxyType({})) -> shared.Rows:
    """One row for each candidate; one without a candidate where there was no race.

    Args:
        best: `strain.best_states` of all other measurements of the study.
    """
    parity = {shared.values(row): row for row in parity_rows}
    table: shared.Rows = []
    for planned in study_plan["tune"]:
        outcome = record.latest(planned)
        row = {**shared.identity(planned, outcome), "record": planned["record"]}
        shared.fail_with_parity(row, parity[shared.values(row)])
        figures = shared.figures(outcome)
        doubted = _doubted(row, outcome, best) if figures.get("confirm") else None
        table += [{**row, **_candidate(figures, one, doubted)} for one in figures.get("candidates", [])] or [row]
    return table


def _doubted(row: shared.Row, outcome: dict[str, Any], best: strain.Best) -> str:
    """Whether the machine was too busy for what the confirmation says."""
    groups, usable_cpus = shared.figures(outcome)["confirm"], outcome["record"]["machine"]["usable_cpus"]
    strained = rounds.strained(row, groups, usable_cpus, best)
    return doubts.joined([*doubts.of_strain(strained), *doubts.of_others(groups, usable_cpus)])


def _candidate(figures: dict[str, Any], one: dict[str, Any], doubted: Optional[str]) -> dict[str, Any]:
    """The columns of one of a race's candidates.

    Args:
        doubted: warnings about the confirmation, if there was one.
    """
    raced = [] if one["name"] == race.DEFAULT else race.figures(figures["race"], one["name"])
    ratio, interval = race.ratio(raced) if raced else (None, None)
    confirmed = one["name"] == figures["winner"] and figures["confirm"]
    scores = one["scores"] or {}
    return {
        "candidate": one["name"],
        "settings": json.dumps(one["settings"]),
        "proposed": one.get("proposed", False),
        "outcome": _outcome(figures, one),
        "why": one["why"],
        "race_ratio": ratio,
        **_interval("race_ratio", interval),
        "race_groups": len(raced) or None,
        **({**_confirmation(figures), "warnings": doubted} if confirmed else {}),
        **{column: scores.get(name) for name, column in SCORES.items()},
        "tried": len(figures["candidates"]),
        "valid": figures["valid"],
        "race_stopped_by": figures["race_stopped_by"],
        "seconds": figures["wall_s"],
    }


def _outcome(figures: dict[str, Any], one: dict[str, Any]) -> str:
    """What became of a candidate."""
    if one["name"] == race.DEFAULT:
        return "default"
    if one["how"] is not None:
        return one["how"]
    if one["name"] != figures["winner"]:
        return "not the fastest"
    return "chosen" if figures["chosen"] else "not confirmed"


def _confirmation(figures: dict[str, Any]) -> dict[str, Any]:
    """What the winner gained, of groups that had no part in choosing it."""
    ratio = comparison.ratio(figures["confirm"], race.PAIR)
    return {
        "ratio": ratio.ratio,
        **_interval("ratio", ratio.interval),
        "groups": len(figures["confirm"]),
        "stopped_by": figures["confirm_stopped_by"],
    }


def _interval(name: str, interval: tuple[float, float] | None) -> dict[str, Any]:
    low, high = interval or (None, None)
    return {f"{name}_ci_low": low, f"{name}_ci_high": high}
