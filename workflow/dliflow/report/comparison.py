"""What comparisons say of their pairs, by the analysis that ranks: of a batch size, of batch sizes, of versions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from dliflow.analysis import ranking
from dliflow.analysis.columns import COMPARED
from dliflow.analysis.comparison import FIRST, SECOND, TIE
from dliflow.analysis.ranking import Comparison, Figure
from dliflow.analysis.rows import Row, grouped
from dliflow.analysis.strain import Strains
from dliflow.report import names
from dliflow.report.read import Tables


class Gain(NamedTuple):
    """A pair of a comparison."""

    row: Row
    """Of comparison.csv."""
    first: str
    second: str
    ratio: Figure
    """Of their latencies, of batch sizes of the times of an image."""

    @property
    def verdict(self) -> str:
        """Who is faster, as far as the interval tells."""
        return FIRST if self.ratio.inverse.above_1 else SECOND if self.ratio.above_1 else TIE


def gains(compared: Comparison, purposes: Iterable[str] = ()) -> list[Gain]:
    """All pairs, or those of these purposes, with the intervals by which the best is chosen."""
    return [
        Gain(row, names.member(row["first"]), names.member(row["second"]), compared.ratio(row["first"], row["second"]))
        for row in compared.pairs
        if (not purposes or row["purpose"] in purposes) and {row["first"], row["second"]} <= compared.members
    ]


class Block(NamedTuple):
    """A comparison: what it told, and of what it tells nothing, why."""

    title: str
    gains: list[Gain]
    untold: list[str]
    doubtful: bool
    """Whether the machine was too busy."""


def blocks(tables: Tables) -> list[Block]:
    """Every comparison that was planned, in the order of the table."""
    compared = ranking.comparisons(tables.comparison, tables.rounds)
    disturbed = Strains.of(tables.measurements, tables.rounds).disturbed(tables.comparison)
    result = []
    for point, rows in grouped(tables.comparison, COMPARED).items():
        known = gains(compared[point]) if point in compared else []
        untold = [why(row) for row in rows if all(row is not gain.row for gain in known)]
        result.append(Block(title(rows[0]), known, untold, rows[0]["record"] in disturbed))
    return result


def why(row: Row) -> str:
    """There is nothing to tell of a pair, or of a comparison."""
    if row["status"] != "ok":
        return f"{row['status']}: {row['reason']}"
    return f"{names.member(row['first'])} / {names.member(row['second'])}: too few rounds that both took part in"


def title(row: Row) -> str:
    """What was compared."""
    size = row["batch_size"]
    return f"{names.setting(row)} · {'time of an image by batch size' if size is None else f'batch size {size}'}"


class Version(NamedTuple):
    """A framework whose version changed, against its old self."""

    framework: str
    new: str
    old: str
    gains: list[Gain]
    """For each configuration that took turns with its old self, by batch size."""


def versions(compared: Iterable[Comparison]) -> list[Version]:
    """One for each framework and pair of versions."""
    by_framework: dict[tuple[str, str, str], list[Gain]] = {}
    for gain in (gain for one in compared for gain in gains(one, ("version",))):
        framework = gain.row["first"].partition("-")[0]
        changed = (framework, gain.row["first_version"], gain.row["second_version"])
        by_framework.setdefault(changed, []).append(gain)
    return [Version(*changed, of_framework) for changed, of_framework in by_framework.items()]
