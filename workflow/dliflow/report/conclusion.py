"""The conclusion: what is fastest, against what no difference is shown, what it costs in top-1, what is doubtful."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Optional

import numpy as np

from dliflow.analysis import ranking, strain
from dliflow.analysis.columns import COMPARED
from dliflow.analysis.ranking import SLOWER, Speed, Speeds
from dliflow.analysis.strain import Strain
from dliflow.analysis.tables import accuracy as quality
from dliflow.report import names, units
from dliflow.report import strain as strain_in_words
from dliflow.report.comparison import Gain, gain
from dliflow.report.read import CONFIGURATION, POINT, SETTING, Row, Rows, Tables, key

EVALUATED = ("model", "device", "dataset")


class Cost(NamedTuple):
    """What a configuration's quality is, in words: `loss` only when the interval of the change lies below 0."""

    top1: Optional[float]
    change: str
    against: str
    loss: bool
    doubt: str = ""
    """Why it is not known whether a compressed model keeps its quality, and what would tell; empty where it is."""
    warning: str = ""
    """What makes the figures of quality doubtful, such as a top-1 no better than chance."""

    @property
    def clean(self) -> bool:
        """Known, with nothing against it."""
        return self.top1 is not None and not (self.loss or self.doubt or self.warning)


class Entry(NamedTuple):
    """One configuration in the order of a batch size; `ratio` is its latency over that of the fastest.

    `rounds` tells whether that was settled in rounds, or by repetitions at different times.
    """

    name: str
    row: Row
    verdict: str
    ratio: Optional[float]
    ratio_interval: Optional[tuple[float, float]]
    cost: Cost
    rounds: bool = False

    @property
    def marks(self) -> list[str]:
        """What must stand wherever it is named as the fastest."""
        chance = f"its top-1 is doubtful: {self.cost.warning}" if self.cost.warning else ""
        return [mark for mark in (chance, self.cost.doubt) if mark]


class Batch(NamedTuple):
    """One batch size: its configurations from the fastest to the slowest."""

    size: int
    entries: list[Entry]
    gains: list[Gain]
    no_rounds: Optional[str] = None
    """Why its leaders were not measured together, where that failed."""
    speeds: Speeds = Speeds()
    """The latency of the fastest, by each way of measuring."""
    missing: Sequence[str] = ()
    """Who failed, and so had no part in the rounds."""
    strains: Sequence[Strain] = ()
    """How much the machine was taken by others, for each configuration and for the rounds."""

    @property
    def fastest(self) -> Entry:
        """The first in rounds; where there were none, the one of the lowest latency."""
        return self.entries[0]

    @property
    def rounds(self) -> bool:
        """Whether who leads was settled in rounds."""
        return any(entry.rounds for entry in self.entries[1:])

    def named(self, verdict: str) -> list[str]:
        """Names of those with this verdict."""
        return [entry.name for entry in self.entries if entry.verdict == verdict]

    @property
    def next_slower(self) -> Optional[Entry]:
        """The first that is shown to be slower than the fastest."""
        return next((entry for entry in self.entries if entry.verdict == SLOWER), None)

    @property
    def alternative(self) -> Optional[Entry]:
        """The fastest of which nothing is known against its quality, where there is something against the fastest's."""
        cost = self.fastest.cost
        if not (cost.loss or cost.doubt or cost.warning):
            return None
        return next((entry for entry in self.entries if entry.cost.clean), None)

    @property
    def doubtful(self) -> bool:
        """Whether the machine was too busy, so that who is fastest is not said."""
        return any(each.doubtful for each in self.strains)


class End(NamedTuple):
    """The best of all batch sizes by one measure, and those that are not told apart from it."""

    batch: Batch
    ties: list[Batch]


class Setting(NamedTuple):
    """A model on a device of a node."""

    name: str
    batches: list[Batch]
    counts: dict[str, int]

    @property
    def rounds(self) -> bool:
        """Whether the fastest of every batch size was measured in rounds: then all figures here are those."""
        return ranking.all_in_rounds(batch.speeds for batch in self.batches)

    def speed(self, batch: Batch) -> Speed:
        """The figures of a batch size's fastest, in the one way that all batch sizes have."""
        return ranking.quoted(batch.speeds, self.rounds)

    def fps(self, batch: Batch) -> float:
        """Images per second of a batch size's fastest, likewise."""
        return batch.size / self.speed(batch).latency * 1e3

    @property
    def lowest_latency(self) -> End:
        """The batch size whose fastest configuration answers soonest."""
        return self._end({batch.size: 1 for batch in self.batches})

    @property
    def highest_fps(self) -> End:
        """The batch size whose fastest configuration has the highest FPS."""
        return self._end({batch.size: batch.size for batch in self.batches})

    def _end(self, gains: dict[int, int]) -> End:
        """The batch size that gains most in a time, and those that are not shown to gain less.

        Args:
            gains: of one request, by batch size.
        """
        by_size = {batch.size: batch for batch in self.batches}
        best, ties = ranking.best_size({size: batch.speeds for size, batch in by_size.items()}, gains)
        return End(by_size[best], [by_size[size] for size in ties])

    @property
    def doubts(self) -> list[str]:
        """Why nothing is called the fastest; empty where the machine was quiet enough."""
        return strain_in_words.complaints([one for batch in self.batches for one in batch.strains])


def usable(performance: Rows) -> Rows:
    """Rows whose figures can be believed."""
    return [row for row in performance if row["status"] == "ok" and row["latency_p50_ms"]]


def costs(accuracy: Rows) -> dict[tuple, Cost]:
    """For each configuration its quality against its baseline."""
    references = {(*(row[name] for name in EVALUATED), row["baseline"]) for row in accuracy}
    cost_of: dict[tuple, Cost] = {}
    for row in accuracy:
        if row["status"] != "ok":
            cost = Cost(None, f"unknown: accuracy {row['status']}", "", False)
        elif row["top1_change"] is not None:
            change = units.points(row["top1_change"])
            low, high = row["top1_change_ci_low"], row["top1_change_ci_high"]
            against = f"against {names.member(row['baseline'])}"
            change = f"{change} pp {units.interval(low, high, units.points)}".rstrip()
            cost = Cost(row["top1"], change, against, high is not None and high < 0)
        else:
            name = f"{row['framework']}-{row['variant']}-{row['precision']}"
            known = (*(row[name] for name in EVALUATED), name) in references
            cost = Cost(row["top1"], "is the baseline" if known else "no baseline", "", False)
        cost = cost._replace(doubt=quality_doubt(row), warning=row["warnings"] or "")
        if cost_of.get(key(row, CONFIGURATION), cost).top1 is None:
            cost_of[key(row, CONFIGURATION)] = cost
        cost_of.setdefault(key(row, CONFIGURATION), cost)
    return cost_of


def quality_doubt(row: Row) -> str:
    """Of a compressed model: that its images do not tell whether it loses too much of top-1, and what would."""
    change, low, high = (row[name] for name in ("top1_change", "top1_change_ci_low", "top1_change_ci_high"))
    if row["precision"] == "fp32" or row["status"] != "ok" or None in (change, low, high):
        return ""
    if not quality.undecided(low, high):
        return ""
    limit = f"{quality.ACCEPTED_LOSS:.0%}"
    doubt = f"whether it loses more than {limit} of top-1 cannot be told with {row['images']} images"
    if row["images_needed"] is None:
        return f"{doubt}; many more would tell"
    return f"{doubt}; some {row['images_needed']:,} would, should the change stay what it is"


def entries(standings: list[ranking.Standing], of_quality: dict[tuple, Cost]) -> list[Entry]:
    """The configurations of one batch size, ranked, each with its name and what is known of its quality."""
    unknown = Cost(None, "unknown: no accuracy row", "", False)
    return [
        Entry(
            names.configuration(standing.row),
            standing.row,
            standing.verdict,
            standing.ratio,
            standing.interval,
            of_quality.get(key(standing.row, CONFIGURATION), unknown),
            standing.rounds,
        )
        for standing in standings
    ]


def grouped(rows: Iterable[Row], columns: tuple[str, ...]) -> dict[tuple, Rows]:
    """Rows by these columns, in the order in which they are met."""
    groups: dict[tuple, Rows] = {}
    for row in rows:
        groups.setdefault(key(row, columns), []).append(row)
    return groups


class Known(NamedTuple):
    """What every batch size is concluded from: by point (`POINT`), by comparison (`COMPARED`), by configuration."""

    medians: dict[tuple, list[np.ndarray]]
    processes: dict[tuple, Rows]
    costs: dict[tuple, Cost]
    compared: dict[tuple, ranking.Comparison]
    broken: dict[tuple, str]
    """Why a comparison failed."""
    bursts: dict[tuple, Rows]
    paces: dict[str, float]
    """The pacer's best of each node, ms."""


def known(tables: Tables) -> Known:
    """From the tables of a study."""
    return Known(
        ranking.medians(tables.measurements),
        grouped(tables.measurements, POINT),
        costs(tables.accuracy),
        ranking.comparisons(tables.comparison, tables.rounds),
        {key(row, COMPARED): row["reason"] for row in tables.comparison if row["status"] == "failed"},
        grouped(tables.rounds, COMPARED),
        strain.best_paces(tables.measurements, tables.rounds),
    )


def settings(tables: Tables) -> list[Setting]:
    """The conclusion for every model × device × node."""
    study = known(tables)
    concluded = []
    for rows in grouped(tables.performance, SETTING).values():
        sizes = grouped(usable(rows), ("batch_size",))
        batches = [batch(sizes[size], study) for size in sorted(sizes)]
        concluded.append(Setting(names.setting(rows[0]), batches, counted(rows)))
    return concluded


def batch(rows: Rows, study: Known) -> Batch:
    """The conclusion for one batch size.

    Args:
        rows: its usable ones of performance.csv.
    """
    point = key(rows[0], COMPARED)
    compared = study.compared.get(point)
    in_order = sorted(rows, key=names.configuration)
    standings = ranking.rank(in_order, study.medians, compared)
    strains = [
        strain.of_processes(study.processes.get(key(standing.row, POINT), []), study.paces) for standing in standings
    ]
    if compared is not None:
        strains.append(strain.of_rounds(compared.taken_share, study.bursts.get(point, []), study.paces))
    return Batch(
        rows[0]["batch_size"],
        entries(standings, study.costs),
        [gain(row) for row in compared.against_references] if compared else [],
        None if compared else study.broken.get(point),
        ranking.speeds(standings[0].row, study.medians, compared),
        missing=[names.member(name) for name in compared.missing] if compared else (),
        strains=strains,
    )


def doubts(settings: list[Setting], accuracy: Rows) -> tuple[list[str], list[str]]:
    """What must be read before any figure: warnings of the quality table, and of a machine too busy to measure on."""
    warned = grouped([row for row in accuracy if row["warnings"]], ("model", "warnings"))
    quality = [
        f"{model} ({names.listed([names.configuration(row) for row in doubtful], 2)}): {warning}"
        for (model, warning), doubtful in warned.items()
    ]
    return quality, [f"{setting.name}: {doubt}" for setting in settings for doubt in setting.doubts]


def counted(rows: Rows) -> dict[str, int]:
    """How many rows have each status."""
    counts: dict[str, Any] = {"ok": 0, "failed": 0, "skipped": 0}
    for row in rows:
        counts[row["status"]] = counts.get(row["status"], 0) + 1
    return counts
