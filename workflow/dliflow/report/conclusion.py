"""The conclusion: what is fastest, against what no difference is shown, what it costs in top-1, what is doubtful."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Optional

from dliflow.analysis import strain
from dliflow.analysis.columns import COMPARED
from dliflow.analysis.ranking import SLOWER, Best, Comparison, More, Ranking, Standing, rankings
from dliflow.analysis.rows import Row, Rows, grouped, key
from dliflow.analysis.strain import Strain
from dliflow.analysis.tables import accuracy as quality
from dliflow.report import names, tuning, units
from dliflow.report import strain as strain_in_words
from dliflow.report.comparison import REFERENCES, Gain, Version, gains, versions
from dliflow.report.read import CONFIGURATION, POINT, SETTING, Tables

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
    """How much of top-1 is lost at most, by images without labels; empty where there are none, or `doubt` says it."""

    @property
    def clean(self) -> bool:
        """Known, with nothing against it."""
        return self.top1 is not None and not (self.loss or self.doubt or self.warning)


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
    def settings(self) -> str:
        """The launch settings in a line; empty where they are the default ones."""
        row = self.standing.row
        return tuning.settings(row["settings"]) if row["parameters"] == "tuned" else ""

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
    """Measured together with it."""
    undecided: list[Batch]
    """Measured at other times."""
    more: Optional[More]


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
    def lowest_latency(self) -> Optional[End]:
        """The batch size whose fastest configuration answers soonest."""
        return self._end(self.ranking.lowest_latency) if self.ranking else None

    @property
    def highest_fps(self) -> Optional[End]:
        """The batch size whose fastest configuration has the highest FPS."""
        return self._end(self.ranking.highest_fps) if self.ranking else None

    def _end(self, best: Best) -> End:
        by_size = {batch.size: batch for batch in self.batches}
        ties, undecided = ([by_size[size] for size in sizes] for sizes in (best.ties, best.undecided))
        return End(by_size[best.size], ties, undecided, best.more)

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
            name = f"{row['framework']}-{row['variant']}-{row['precision']}"
            known = (*(row[name] for name in EVALUATED), name) in references
            cost = Cost(row["top1"], "is the baseline" if known else "no baseline", "", False)
        doubt, bound = quality_doubt(row), row["loss_bound"]
        most = "" if doubt or bound is None else f"at most {units.at_most(bound)} lost"
        cost = cost._replace(doubt=doubt, warning=row["warnings"] or "", bound=most)
        if cost_of.get(key(row, CONFIGURATION), cost).top1 is None:
            cost_of[key(row, CONFIGURATION)] = cost
        cost_of.setdefault(key(row, CONFIGURATION), cost)
    return cost_of


def quality_doubt(row: Row) -> str:
    """Of a compressed model: that its images do not tell whether it loses too much of top-1, and what would."""
    if row["precision"] == "fp32" or row["status"] != "ok" or row["top1_change"] is None:
        return ""
    loss = quality.Loss.of(row)
    if not loss.undecided:
        return ""
    seen = f"{loss.images:,} images"
    if loss.bound is not None:
        seen += f" with and {loss.unlabelled:,} without labels, only that it is no more than {units.at_most(loss.most)}"
    doubt = f"whether it loses more than {quality.ACCEPTED_LOSS:.0%} of top-1 cannot be told with {seen}"
    needed = {"": row["images_needed"], " without labels": row["unlabelled_needed"]}
    enough = " or ".join(f"{number:,}{kind}" for kind, number in needed.items() if number is not None)
    if not enough:
        return f"{doubt}; many more would tell"
    return f"{doubt}; some {enough} would, should the change stay what it is"


class Known(NamedTuple):
    """What every batch size is concluded from, beside its ranking: by point, configuration, comparison (`COMPARED`)."""

    measurements: dict[tuple, Rows]
    costs: dict[tuple, Cost]
    broken: dict[tuple, str]
    """Why a comparison failed."""
    bursts: dict[tuple, Rows]
    """By record."""
    best: strain.Best

    def strain_of_rounds(self, compared: Comparison) -> Strain:
        """Of one comparison."""
        return strain.of_rounds(compared.taken_share, self.bursts[(compared.pairs[0]["record"],)], self.best)


def known(tables: Tables) -> Known:
    """From the tables of a study."""
    return Known(
        grouped(tables.measurements, POINT),
        costs(tables.accuracy),
        {key(row, COMPARED): row["reason"] for row in tables.comparison if row["status"] == "failed"},
        grouped(tables.rounds, ("record",)),
        strain.best_states(tables.measurements, tables.rounds),
    )


def ranked(tables: Tables) -> dict[tuple, Ranking]:
    """All that is quoted, by the values of `SETTING`."""
    return rankings(tables.performance, tables.comparison, tables.rounds)


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
    between = of_setting.between
    return named._replace(
        ranking=of_setting,
        versions=versions(of_setting.compared.values()),
        batches=[batch(size, of_setting, study) for size in of_setting.sizes],
        no_rounds=None if between else study.broken.get((*key(rows[0], SETTING), None)),
        strains=[study.strain_of_rounds(between)] if between else (),
    )


def batch(size: int, of_setting: Ranking, study: Known) -> Batch:
    """The conclusion for one batch size."""
    standings, compared = of_setting.sizes[size], of_setting.compared.get(size)
    unknown = Cost(None, "unknown: no accuracy row", "", False)
    rows = [standing.row for standing in standings]
    strains = [strain.of_groups(study.measurements.get(key(row, POINT), []), study.best) for row in rows]
    return Batch(
        size,
        [
            Entry(names.configuration(row), standing, study.costs.get(key(row, CONFIGURATION), unknown))
            for row, standing in zip(rows, standings)
        ],
        gains(compared, REFERENCES) if compared else [],
        of_setting.more(size),
        None if compared else study.broken.get(key(rows[0], COMPARED)),
        missing=[names.member(name) for name in compared.missing] if compared else (),
        strains=[*strains, study.strain_of_rounds(compared)] if compared else strains,
    )


def doubts(settings: list[Setting], accuracy: Rows) -> tuple[list[str], list[str]]:
    """What must be read before any figure: warnings of the quality table, and of a machine too busy to measure on."""
    warned = grouped([row for row in accuracy if row["warnings"]], ("model", "warnings"))
    quality = [
        f"{model} ({names.listed([names.configuration(row) for row in doubtful], 2)}): {warning}"
        for (model, warning), doubtful in warned.items()
    ]
    return quality, strain_in_words.complaints({setting.name: setting.all_strains for setting in settings})


def counted(rows: Rows) -> dict[str, int]:
    """How many rows have each status."""
    counts: dict[str, Any] = {"ok": 0, "failed": 0, "skipped": 0}
    for row in rows:
        counts[row["status"]] = counts.get(row["status"], 0) + 1
    return counts
