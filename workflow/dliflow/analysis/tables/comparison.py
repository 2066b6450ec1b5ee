"""comparison.csv: what the rounds of each comparison say of each pair that it was to decide."""

from __future__ import annotations

from typing import Any, Optional

from dliflow.analysis import doubts, surroundings
from dliflow.analysis.comparison import Pair, Ratio, log_ratios, ratio, states
from dliflow.analysis.tables import shared
from dliflow.analysis.tables.measurements import placed
from dliflow.records import record


def rows(study_plan: dict[str, Any], parity_rows: shared.Rows) -> shared.Rows:
    """One row for each pair that a comparison was to decide; one without figures where it did not run."""
    differing = {shared.values(row): row for row in parity_rows if row["status"] == "failed"}
    table: shared.Rows = []
    for planned in study_plan["compare"]:
        outcome = record.compared(planned)
        row = {**shared.identity(planned, outcome), "record": outcome.get("path", planned["record"])}
        figures = shared.figures(outcome)
        if not figures:
            table.append(row)
            continue
        usable_cpus = outcome["record"]["machine"]["usable_cpus"]
        for pair in figures["pairs"]:
            table.append({**row, **_pair(figures, Pair(**pair), usable_cpus)})
            for member in (pair["first"], pair["second"]):
                parity_row = differing.get(shared.values(figures["members"][member]), {"status": "ok"})
                shared.fail_with_parity(table[-1], parity_row)
    return table


def _pair(figures: dict[str, Any], pair: Pair, usable_cpus: int) -> dict[str, Any]:
    """The columns of one pair.

    Args:
        figures: the comparison's.
    """
    groups, members = figures["groups"], figures["members"]
    whole, by_state = ratio(log_ratios(groups, pair)), states(groups, pair)
    without = [f"compared without {name}: {why}" for name, why in figures["missing"].items()]
    weakening = doubts.comparison(groups, usable_cpus, whole, by_state, figures["width_asked"], pair[:2])
    return {
        **pair._asdict(),
        "first_version": members[pair.first]["framework_version"],
        "second_version": members[pair.second]["framework_version"],
        **_ratio("ratio", "ratio", whole),
        "verdict": whole.verdict,
        "groups": len(groups),
        "rounds": sum(len(group["rounds"]) for group in groups),
        "stopped_by": figures["stopped_by"],
        **(
            _ratio("fast_ratio", "fast", by_state.fast) | _ratio("slow_ratio", "slow", by_state.slow)
            if by_state
            else {}
        ),
        "warnings": "; ".join([*without, *weakening]),
        "missing": ", ".join(figures["missing"]),
        "taken_share": surroundings.taken_share([{**group, "usable_cpus": usable_cpus} for group in groups]),
        "launch": "; ".join(placed(groups[0]["told"][pair.first]["launch"]["asked"])),
        "first_peak_rss_mib": _peak(groups, pair.first),
        "second_peak_rss_mib": _peak(groups, pair.second),
    }


def _peak(groups: list[dict[str, Any]], member: str) -> Optional[float]:
    """The largest peak memory of a member's own processes, MiB."""
    peaks = [group["told"][member]["peak_rss_mib"] for group in groups]
    return max((peak for peak in peaks if peak is not None), default=None)


def _ratio(column: str, interval: str, of: Ratio) -> dict[str, Any]:
    """A ratio and its interval as columns.

    Args:
        column: the ratio's, and `interval` the beginning of its interval's.
    """
    low, high = of.interval or (None, None)
    return {column: of.ratio, f"{interval}_ci_low": low, f"{interval}_ci_high": high}
