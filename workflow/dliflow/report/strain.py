"""What to say of a machine that was too busy to measure on: it weakens all figures and comes before any of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dliflow.analysis import doubts
from dliflow.analysis.columns import SETTING
from dliflow.analysis.rows import Row, grouped
from dliflow.analysis.strain import BUSY, SLOWED, Strain
from dliflow.report import names

TO_DO = "; "  # between what was and what to do


def without_advice(complaint: str) -> str:
    """One of `complaints` where it is too late to do anything."""
    return complaint.rpartition(TO_DO)[0] or complaint


def complaints(strains: Mapping[str, Sequence[Strain]]) -> list[str]:
    """What was too much, in words that help: one complaint of a kind, nothing where nothing was.

    Args:
        strains: by setting.
    """
    so = f"what was measured tells more of that than of the frameworks, and who is fastest is not said{TO_DO}"
    every = [one for of_setting in strains.values() for one in of_setting]
    rounds_alone = all(one.rounds for one in every if one.doubtful)  # what follows a sweep is made again with it
    again = f"then measure again with --forcerun {'compare' if rounds_alone else 'sweep'}"
    busy, slow = [one for one in every if one.busy], [one for one in every if one.slow]

    def where(bad: Sequence[Strain]) -> tuple[str, str]:
        """Which settings are concerned, and how much of all of them."""
        concerned = {name: of_setting for name, of_setting in strains.items() if any(one in bad for one in of_setting)}
        count = sum(map(len, concerned.values()))
        return names.listed(list(concerned), 2), f"{len(bad)} of {count} measurements of a configuration or of rounds"

    complaints = []
    if busy:
        settings, count = where(busy)
        complaints.append(
            f"{settings}: others took up to {100 * max(one.taken or 0 for one in busy):.0f} % of the processors' time, "
            f"and more than {100 * BUSY:.0f} % in {count}: {so}stop them, or use another machine, {again}"
        )
    if slow:
        settings, count = where(slow)
        complaints.append(
            f"{settings}: the anchor, a fixed piece of work, took up to {max(one.slowed or 0 for one in slow):.0f} "
            f"times as long as at its best, and more than {SLOWED:g} times in {count}: {so}let the machine come to "
            f"rest, or use another one, {again}"
        )
    return complaints


def under_load(throughput: Sequence[Row]) -> list[str]:
    """Likewise of rows of several requests in flight: one complaint of a setting.

    Args:
        throughput: the rows of throughput.csv.
    """
    complaints = []
    busy = [row for row in throughput if doubts.DOUBTFUL in (row["warnings"] or "")]
    for rows in grouped(busy, SETTING).values():
        seen = doubts.doubtful(warning for row in rows for warning in doubts.separate(row["warnings"]))
        concerned = names.listed(list(dict.fromkeys(map(names.configuration, rows))), 3)
        complaints.append(
            f"{names.setting(rows[0])} ({concerned}): {without_advice(seen[0])}, and which "
            f"throughput is highest is not said{TO_DO}stop what else runs, let the machine come to rest, or use "
            "another one, then measure again with --forcerun throughput"
        )
    return complaints
