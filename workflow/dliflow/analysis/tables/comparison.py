"""comparison.csv: what the rounds of each comparison say of each pair that it was to decide."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Optional

import numpy as np

from dliflow.analysis import anchored, comparison, doubts, strain
from dliflow.analysis.comparison import Pair
from dliflow.analysis.tables import rounds, shared
from dliflow.analysis.tables.measurements import placed
from dliflow.records import record


def rows(study_plan: dict[str, Any], parity_rows: shared.Rows) -> shared.Rows:
    """One row for each pair that a comparison was to decide; one without figures where it did not run."""
    others = differing(parity_rows)
    return [row for planned in study_plan["compare"] for row in of_one(planned, record.latest(planned), others)]


def differing(parity_rows: shared.Rows) -> dict[tuple, shared.Row]:
    """The configurations that are not known to be the network that they should be, with their rows of parity."""
    return {shared.values(row): row for row in parity_rows if row["status"] == "failed"}


def of_one(
    planned: shared.Row,
    outcome: dict[str, Any],
    others: Mapping[tuple, shared.Row],
    best: strain.Best = MappingProxyType({}),
    of_sweep: anchored.Reference = MappingProxyType({}),
) -> shared.Rows:
    """Those of one comparison.

    Args:
        planned: the plan's row.
        outcome: what became of it, as `record.latest` tells.
        others: what `differing` tells.
        best: `strain.best_states` of the study; without it that of this comparison.
        of_sweep: the reference state of the node's sweep; without it that of this comparison.
    """
    row = {**shared.identity(planned, outcome), "record": outcome.get("path", planned["record"])}
    figures = shared.figures(outcome)
    if not figures:
        return [row]
    table: shared.Rows = []
    usable_cpus = outcome["record"]["machine"]["usable_cpus"]
    pairs = [Pair(**pair) for pair in figures["pairs"]]
    strained = rounds.strained(row, figures["groups"], usable_cpus, best)
    at = comparison.reference(figures["groups"], of_sweep)
    for pair in pairs:
        table.append({**row, **_pair(figures, pair, comparison.of_verdicts(pairs), at, usable_cpus, strained)})
        for member in pair[:2]:
            parity_row = others.get(shared.values(figures["members"][member]), {"status": "ok"})
            shared.fail_with_parity(table[-1], parity_row)
    return table


def _pair(
    figures: dict[str, Any], pair: Pair, confidence: float, at: float, usable_cpus: int, strained: strain.Strain
) -> dict[str, Any]:
    """The columns of one pair.

    Args:
        figures: the comparison's.
        confidence: of its interval and of what would decide it.
        at: the state that it is read off at.
    """
    groups, members, width = figures["groups"], figures["members"], figures["width_asked"]
    ratio = comparison.ratio(groups, pair, confidence, at)
    low, high = ratio.interval or (None, None)
    without = [f"compared without {name}: {why}" for name, why in figures["missing"].items()]
    doubted = [*doubts.of_strain(strained), *doubts.of_pair(groups, usable_cpus, pair, ratio, width)]
    sessions = [session for group in groups for session in group["sessions"]]
    asked = sessions[0]["opened"][pair.first]["launch"]["asked"]
    return {
        **pair._asdict(),
        "first_version": members[pair.first]["framework_version"],
        "second_version": members[pair.second]["framework_version"],
        "ratio": ratio.ratio,
        "ratio_ci_low": low,
        "ratio_ci_high": high,
        "state_slope": ratio.slope,
        "reference_anchor_ms": math.exp(at),
        "verdict": ratio.verdict,
        "groups": len(groups),
        "sessions": len(sessions),
        "rounds": sum(len(session["rounds"]) for session in sessions),
        "stopped_by": figures["stopped_by"],
        "warnings": doubts.joined([*without, *doubted]),
        "missing": ", ".join(figures["missing"]),
        "taken_share": strained.taken,
        "launch": "; ".join(placed(asked)),
        "first_peak_rss_mib": _peak(sessions, pair.first),
        "second_peak_rss_mib": _peak(sessions, pair.second),
        "groups_needed": comparison.groups_needed(groups, pair, width, confidence, at),
        "group_s": float(np.median([group["wall_s"] for group in groups])),
    }


def _peak(sessions: list[dict[str, Any]], member: str) -> Optional[float]:
    """The largest peak memory of a member's own processes, MiB."""
    peaks = [session["opened"][member]["peak_rss_mib"] for session in sessions]
    return max((peak for peak in peaks if peak is not None), default=None)
