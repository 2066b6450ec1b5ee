"""What `./dliflow compare` says: on the terminal, in a pull request, and in one sentence."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from dliflow import wording
from dliflow.analysis import changes, gate
from dliflow.report import units
from dliflow.report.exports import markdown as tables
from dliflow.report.names import configuration, listed

Row = Mapping[str, Any]
ROUND_S = 60  # budgets are named in whole minutes
ONLY = {"before": "only_before", "after": "only_after"}  # keys of a result that name rows of one side


def reason(verdict: str, rows: Sequence[Row], slower: float, budget_s: float) -> str:
    """Why all rows together end so.

    Args:
        slower: the margin, as a share.
        budget_s: that was spent at most.
    """
    those = [row for row in rows if row["verdict"] == verdict]
    number, longer = f"{len(those)} of {len(rows)} rows", f"{percent(slower)} longer than before"
    takes = "takes" if len(those) == 1 else "take"
    if verdict == gate.PASSED:
        return f"{number} {takes} less than {longer}"
    if verdict == gate.REGRESSED:
        return f"{number} {takes} over {longer}, as two measurements show"
    if verdict == gate.UNDECIDED:
        return f"{number} may take over {longer}, or may not; {_enough(those, budget_s)}"
    return f"{number} could not be measured: {wording.some(list(dict.fromkeys(row['reason'] for row in those)))}"


def percent(share: float) -> str:
    """`3 %`, `2.5 %`."""
    return f"{round(share * 100, 6):g} %"


def _enough(undecided: Sequence[Row], budget_s: float) -> str:
    """What would decide these rows."""
    if any(row["ratio_ci_low"] is None for row in undecided):
        return f"not all were measured often enough to tell more: raise --budget over {budget_s:g}"
    if any(row["more_s"] is None for row in undecided):
        return "some lie so near to the margin that no time would tell: choose another one"
    more_s = sum(row["more_s"] for row in undecided)
    if not more_s:  # each measurement told, but not the same
        return wording.some(list(dict.fromkeys(row["reason"] for row in undecided)))
    return (
        f"about {units.duration(more_s)} more would tell: --budget {math.ceil((budget_s + more_s) / ROUND_S) * ROUND_S}"
    )


def text(known: Mapping[str, Any]) -> str:
    """A result for the terminal: each row, the gravest first, then the verdict."""
    lines = []
    width = max(map(len, gate.GRAVEST))
    for row in sorted(known["rows"], key=lambda row: gate.GRAVEST.index(row["verdict"])):
        times = _figures(row)
        lines.append(f"{row['verdict']:<{width}}  {row['row']}{times and f'  {times} of before'}")
        lines += [f"{'':<{width}}  {line}" for line in _beside(row)]
    lines += [f"only {side}: {wording.some(known[key])}" for side, key in ONLY.items() if known[key]]
    lines += [f"besides: {change(row)}" for row in known["changes"]]
    if known["changes_untold"]:
        lines.append(f"whether accuracy or memory changed is not told: {known['changes_untold']}")
    if any(row["verdict"] == gate.NOT_MEASURED for row in known["rows"]):
        lines.append(f"log: {known['log']}")
    took = f" ({units.duration(known['wall_s'])})" if known["wall_s"] >= 1 else ""
    return "\n".join([*lines, f"{known['verdict'].upper()}: {known['reason']}{took}", ""])


def _figures(row: Row) -> str:
    """`1.08× [1.06, 1.09]`, of the last measurement; empty where there is none."""
    if row["ratio"] is None:
        return ""
    ends = row["ratio_ci_low"], row["ratio_ci_high"]
    return f"{units.ratio(row['ratio'], *ends)}× {units.ratio_interval(row['ratio'], *ends)}".rstrip()


def _beside(row: Row) -> list[str]:
    """What there is to say of a row beside its figures."""
    first = row["measurements"][0] if len(row["measurements"]) > 1 else None
    more = f"about {units.duration(row['more_s'])} more would tell" if row["more_s"] else ""
    told = [row["reason"], f"at first {_figures(first)}" if first else "", more, *row["warnings"]]
    if row["measurements"]:
        told.insert(0, differing(row) or "nothing differs: the same versions, model and settings")
    return [line for line in told if line]


def differing(row: Row) -> str:
    """What differs between both sides of a row, but for the time that it takes."""
    return "; ".join(row["differs"])


def change(row: Row) -> str:
    """What else has changed: `efficientnet_lite0 openvino int8: top1 0.71 → 0.69, likely worse`."""
    size = "" if row.get("batch_size") is None else f", batch size {row['batch_size']}"
    ends = [row.get("old_told"), row.get("new_told")] if row["kind"] == changes.TOLD else [row["old"], row["new"]]
    old, new = (units.significant(end) if isinstance(end, (int, float)) else end for end in ends)
    unit = f" {row['unit']}" if row.get("unit") else ""
    named = f"{row['model']} {configuration(dict(row))}{size}"
    return f"{named}: {row['quantity'].replace('_', ' ')} {old} → {new}{unit}, {row['verdict']}"


def markdown(known: Mapping[str, Any]) -> str:
    """A result for a pull request: the verdict, and a table of the rows, the gravest first."""
    head = f"**dliflow compare: {known['verdict']}**: {tables.escaped(known['reason'])}."
    rows = sorted(known["rows"], key=lambda row: gate.GRAVEST.index(row["verdict"]))
    table = [tables.line(("verdict", "row", "new / old", "what differs", "note")), "|---|---|---:|---|---|"]
    table += [tables.line((row["verdict"], row["row"], _figures(row), differing(row), row["reason"])) for row in rows]
    sure = percent(known["confidence"])
    notes = [f"Measured by turns in {units.duration(known['wall_s'])}; intervals hold for all rows at once ({sure})."]
    notes += [f"Only {side}: {tables.escaped(listed(list(known[key])))}." for side, key in ONLY.items() if known[key]]
    notes += ["\n".join(f"- {tables.escaped(change(row))}" for row in known["changes"])] if known["changes"] else []
    return "\n\n".join([head, *(["\n".join(table)] if rows else []), *notes]) + "\n"
