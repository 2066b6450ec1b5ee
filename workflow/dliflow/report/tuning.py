"""What races of launch settings found: for each the winner, what it gained, and what became of the others."""

from __future__ import annotations

import json
from typing import NamedTuple, Optional

from dliflow import wording
from dliflow.analysis import doubts
from dliflow.analysis.columns import POINT
from dliflow.analysis.rows import Row, Rows, grouped


class Race(NamedTuple):
    """One race."""

    first: Row
    """Any of its rows of tuning.csv; where there was no race, the only one."""
    candidates: Rows
    """Those that raced, the fastest of the race first."""

    @property
    def winner(self) -> Optional[Row]:
        """Whoever won, confirmed or not; None where that was the default, or where it broke."""
        return next((row for row in self.candidates if row["ratio"] is not None), None)

    @property
    def faster(self) -> bool:
        """Whether the winner was shown to be, on a machine that could show it."""
        return self.winner is not None and self.winner["outcome"] == "chosen" and not self.doubtful

    @property
    def doubtful(self) -> bool:
        """Whether the machine was too busy when winner and default met."""
        return self.winner is not None and doubts.DOUBTFUL in (self.winner["warnings"] or "")

    @property
    def verdict(self) -> str:
        """What came out."""
        if self.winner is None:
            return "the default stays"
        if self.doubtful:
            return "doubtful"
        return "faster" if self.faster else "not shown to be faster: the default stays"

    @property
    def seconds(self) -> float:
        """Of race and confirmation."""
        return self.candidates[0]["seconds"]

    @property
    def tried(self) -> str:
        """How many raced, and how they were chosen where others would have been valid."""
        tried, valid = self.candidates[0]["tried"], self.candidates[0]["valid"]
        proposed = sum(row["proposed"] is True for row in self.candidates)
        if proposed:
            return f"{tried}, of them {proposed} proposed"
        return str(tried) if tried == valid else f"sampled: {tried} of {valid}"


def settings(text: Optional[str]) -> str:
    """A column `settings` in words: `threads=2`, or `default`."""
    return wording.settings(json.loads(text or "{}")) or "default"


def races(tuning: Rows) -> list[Race]:
    """Every race that was planned and not skipped, in the order of the table."""
    result = []
    for rows in grouped((row for row in tuning if row["status"] != "skipped"), POINT).values():
        first = rows[0]
        raced = [row for row in rows if row["candidate"] is not None and row["status"] == "ok"]
        raced.sort(key=lambda row: row["race_ratio"] or (1.0 if row["outcome"] == "default" else 1e9))
        result.append(Race(first, raced))
    return result
