"""The conclusion: what is fastest, against what no difference is shown, what it costs in top-1, what is doubtful."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple, Optional

from dliflow.analysis.columns import CALLED, COMPARED
from dliflow.analysis.quality import quality as quality_of
from dliflow.analysis.ranking import SLOWER, More, Ranking, Standing, rankings
from dliflow.analysis.rows import Row, Rows, grouped, key
from dliflow.analysis.strain import Strain, Strains
from dliflow.report import names, units
from dliflow.report import strain as strain_in_words
from dliflow.report.comparison import Version, versions
from dliflow.report.cost import cost as in_words
from dliflow.report.cost import decided
from dliflow.report.cost import most as most_lost
from dliflow.report.read import CONFIGURATION, SETTING, Tables

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
    bound: str = ""
    """How much of top-1 is lost at most; empty without images without labels, and where `doubt` says it."""


class Entry(NamedTuple):
    """One configuration in the order of a batch size."""

    name: str
    standing: Standing
    """What is quoted of it."""
    cost: Cost

    @property
    def verdict(self) -> str:
        """Beside the fastest."""
        return self.standing.verdict

    @property
    def marks(self) -> list[str]:
        """What must stand wherever it is named as the fastest."""
        chance = f"its top-1 is doubtful: {self.cost.warning}" if self.cost.warning else ""
        return [mark for mark in (chance, self.cost.doubt) if mark]


class Batch(NamedTuple):
    """One batch size: its configurations from the fastest to the slowest."""

    size: int
    entries: list[Entry]
    more: Optional[More] = None
    """What would tell apart what its rounds do not."""
    no_rounds: Optional[str] = None
    """Why its leaders were not measured together, where that failed."""
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
        return any(entry.standing.rounds for entry in self.entries[1:])

    def named(self, verdict: str) -> list[str]:
        """Names of those with this verdict."""
        return [entry.name for entry in self.entries if entry.verdict == verdict]

    @property
    def next_slower(self) -> Optional[Entry]:
        """The first that is shown to be slower than the fastest."""
        return next((entry for entry in self.entries if entry.verdict == SLOWER), None)

    @property
    def doubtful(self) -> bool:
        """Whether the machine was too busy, so that who is fastest is not said."""
        return any(each.doubtful for each in self.strains)

    @property
    def doubt(self) -> str:
        """What stands behind a heading then; empty otherwise."""
        return ", doubtful: the machine was too busy" if self.doubtful else ""


class Setting(NamedTuple):
    """A model on a device of a node."""

    name: str
    counts: dict[str, int]
    ranking: Optional[Ranking] = None
    """None where there are no figures."""
    batches: Sequence[Batch] = ()
    versions: Sequence[Version] = ()
    no_rounds: Optional[str] = None
    """Why batch sizes were not measured together, where that failed."""
    strains: Sequence[Strain] = ()
    """Of the rounds of batch sizes."""

    @property
    def doubtful(self) -> bool:
        """Whether the machine was too busy, so that which batch size is best is not said."""
        return any(each.doubtful for each in self.all_strains)

    @property
    def all_strains(self) -> list[Strain]:
        """Of everything that was measured."""
        return [*(one for batch in self.batches for one in batch.strains), *self.strains]


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
            name = "-".join(row[name] for name in CALLED)
            known = (*(row[name] for name in EVALUATED), name) in references
            cost = Cost(row["top1"], "is the baseline" if known else "no baseline", "", False)
        quality, bound = quality_of(row), row["loss_bound"]
        compared = row["status"] == "ok" and row["top1_change"] is not None and not quality.chance
        doubt = in_words(quality) if compared and not decided(quality) else ""
        shown = not doubt and bound is not None and quality.most is not None
        most = f"at most {most_lost(quality, ' lost')}" if shown else ""
        cost = cost._replace(doubt=doubt, warning=row["warnings"] or "", bound=most)
        if cost_of.get(key(row, CONFIGURATION), cost).top1 is None:
            cost_of[key(row, CONFIGURATION)] = cost
        cost_of.setdefault(key(row, CONFIGURATION), cost)
    return cost_of


class Known(NamedTuple):
    """What every batch size is concluded from, beside its ranking: by configuration, and by comparison (`COMPARED`)."""

    costs: dict[tuple, Cost]
    broken: dict[tuple, str]
    """Why a comparison failed."""
    strains: Strains


def known(tables: Tables) -> Known:
    """From the tables of a study."""
    return Known(
        costs(tables.accuracy),
        {key(row, COMPARED): row["reason"] for row in tables.comparison if row["status"] == "failed"},
        taken(tables),
    )


@lru_cache(maxsize=1)
def taken(tables: Tables) -> Strains:
    """How much the machine was taken by others."""
    return Strains.of(tables.measurements, tables.rounds)


@lru_cache(maxsize=1)
def ranked(tables: Tables) -> dict[tuple, Ranking]:
    """All that is quoted, by the values of `SETTING`."""
    disturbed = taken(tables).disturbed(tables.comparison)
    return rankings(tables.performance, tables.comparison, tables.rounds, disturbed)


@lru_cache(maxsize=1)
def settings(tables: Tables) -> list[Setting]:
    """The conclusion for every model × device × node."""
    study, of_setting = known(tables), ranked(tables)
    return [setting(rows, of_setting.get(point), study) for point, rows in grouped(tables.performance, SETTING).items()]


def setting(rows: Rows, of_setting: Optional[Ranking], study: Known) -> Setting:
    """The conclusion for one of them.

    Args:
        rows: of performance.csv.
    """
    named = Setting(names.setting(rows[0]), counted(rows))
    if of_setting is None:
        return named
    of_sizes = study.strains.of_ranking(of_setting)
    return named._replace(
        ranking=of_setting,
        versions=versions(of_setting.compared.values()),
        batches=[batch(size, of_setting, study, of_sizes[size]) for size in of_setting.sizes],
        no_rounds=None if of_setting.between else study.broken.get((*key(rows[0], SETTING), None)),
        strains=of_sizes[None],
    )


def batch(size: int, of_setting: Ranking, study: Known, strains: Sequence[Strain]) -> Batch:
    """The conclusion for one batch size."""
    standings, compared = of_setting.sizes[size], of_setting.compared.get(size)
    unknown = Cost(None, "unknown: no accuracy row", "", False)
    rows = [standing.row for standing in standings]
    return Batch(
        size,
        [
            Entry(names.configuration(row), standing, study.costs.get(key(row, CONFIGURATION), unknown))
            for row, standing in zip(rows, standings)
        ],
        of_setting.more(size),
        None if compared else study.broken.get(key(rows[0], COMPARED)),
        missing=[names.member(name) for name in compared.missing] if compared else (),
        strains=strains,
    )


def doubts(settings: Sequence[Setting], accuracy: Rows, throughput: Sequence[Row] = ()) -> tuple[list[str], list[str]]:
    """What must be read before any figure: warnings of the quality table, and of a machine too busy to measure on.

    Args:
        accuracy, throughput: the rows of these tables.
    """
    warned = grouped([row for row in accuracy if row["warnings"]], ("model", "warnings"))
    quality = [
        f"{model} ({names.listed([names.configuration(row) for row in doubtful], 2)}): {warning}"
        for (model, warning), doubtful in warned.items()
    ]
    machine = strain_in_words.complaints({setting.name: setting.all_strains for setting in settings})
    return quality, [*machine, *strain_in_words.under_load(throughput)]


def counted(rows: Rows) -> dict[str, int]:
    """How many rows have each status."""
    counts: dict[str, Any] = {"ok": 0, "failed": 0, "skipped": 0}
    for row in rows:
        counts[row["status"]] = counts.get(row["status"], 0) + 1
    return counts
