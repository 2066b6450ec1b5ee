"""The conclusion: what is fastest, against what no difference is shown, what it costs in top-1, what is doubtful."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Optional

import numpy as np

from dliflow.analysis import comparison, stats
from dliflow.analysis.tables import ACCEPTED_LOSS
from dliflow.report import names, strain, units
from dliflow.report.read import CONFIGURATION, POINT, SETTING, Row, Rows, Tables, key
from dliflow.report.strain import Strain
from dliflow.report.together import POINT as COMPARED
from dliflow.report.together import Gain, Together, comparisons

FASTEST, TIE, UNDECIDED, SLOWER = "fastest", "no difference shown", "undecided", "slower"


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


class Speed(NamedTuple):
    """The fastest configuration of a batch size by one way of measuring: ms, for each process or group of rounds."""

    latencies: list[np.ndarray]

    @property
    def latency(self) -> float:
        """In ms."""
        return stats.latency(self.latencies)

    @property
    def interval(self) -> tuple[Optional[float], Optional[float]]:
        """Of the latency, 95 %; two times None from one process."""
        return stats.latency_interval(self.latencies) or (None, None)


class Batch(NamedTuple):
    """One batch size: its configurations from the fastest to the slowest."""

    size: int
    entries: list[Entry]
    gains: list[Gain]
    no_rounds: Optional[str] = None
    """Why its leaders were not measured together, where that failed."""
    repeated: Optional[Speed] = None
    """The fastest by its repetitions."""
    together: Optional[Speed] = None
    """The fastest in rounds; None where it had no part in any."""
    paced: Optional[Speed] = None
    """The same in units of what the pacer took beside it."""
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
        return all(batch.together for batch in self.batches)

    def speed(self, batch: Batch) -> Speed:
        """The figures of a batch size's fastest, in the one way that all batch sizes have."""
        speed = batch.together if self.rounds else batch.repeated
        return speed or Speed([np.array([batch.fastest.row["latency_p50_ms"]])])

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

    def _end(self, gain: dict[int, int]) -> End:
        """The batch size that gains most in a time, and those that are not shown to gain less.

        Args:
            gain: of one request, by batch size.
        """
        best = max(self.batches, key=lambda batch: gain[batch.size] / self.speed(batch).latency)
        others = [batch for batch in self.batches if batch is not best]
        return End(best, [batch for batch in others if not self._less(batch, best, gain[batch.size] / gain[best.size])])

    def _less(self, other: Batch, best: Batch, gain: float) -> bool:
        """Whether a batch size is shown to gain less than the best, all pairs together (Bonferroni).

        Rounds of different batch sizes are apart in time. So it must also hold over the pacer beside them, and must not
        be contradicted by the repetitions, which are spread over the whole study.
        """
        confidence = 1 - 0.05 / math.comb(len(self.batches), 2)

        def interval(of_best: Optional[Speed], of_other: Optional[Speed]) -> tuple[float, float]:
            ends = None
            if of_best is not None and of_other is not None:
                ends = stats.ratio_interval(of_best.latencies, of_other.latencies, confidence)
            return (gain * ends[0], gain * ends[1]) if ends else (0.0, math.inf)

        less = interval(self.speed(best), self.speed(other))[1] < 1
        if not self.rounds:
            return less
        return less and interval(best.paced, other.paced)[1] < 1 and interval(best.repeated, other.repeated)[0] <= 1

    @property
    def doubts(self) -> list[str]:
        """Why nothing is called the fastest; empty where the machine was quiet enough."""
        return strain.told([each for batch in self.batches for each in batch.strains])


def usable(performance: Rows) -> Rows:
    """Rows whose figures can be believed."""
    return [row for row in performance if row["status"] == "ok" and row["latency_p50_ms"]]


def repetitions(measurements: Rows) -> dict[tuple, list[np.ndarray]]:
    """For each point the medians of its processes, each as an array of one, as `stats` takes them."""
    medians: dict[tuple, list[np.ndarray]] = {}
    for row in measurements:
        if row["status"] == "ok" and row["latency_p50_ms"]:
            medians.setdefault(key(row, POINT), []).append(np.array([row["latency_p50_ms"]]))
    return medians


def costs(accuracy: Rows) -> dict[tuple, Cost]:
    """For each configuration its quality against its baseline."""
    references = {row["baseline"] for row in accuracy}
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
            cost = Cost(row["top1"], "is the baseline" if name in references else "no baseline", "", False)
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
    if not low < -ACCEPTED_LOSS <= high:
        return ""
    doubt = f"whether it loses more than {ACCEPTED_LOSS:.0%} of top-1 cannot be told with {row['images']} images"
    margin = abs(change + ACCEPTED_LOSS)
    if margin < ACCEPTED_LOSS / 10:
        return f"{doubt}; many more would tell"
    needed = row["images"] * ((high - low) / 2 / margin) ** 2
    step = 10 ** max(0, math.floor(math.log10(needed)) - 1)
    return f"{doubt}; some {math.ceil(needed / step) * step:,} would, should the change stay what it is"


def rank(
    rows: Rows, medians: dict[tuple, list[np.ndarray]], quality: dict[tuple, Cost], together: Optional[Together] = None
) -> list[Entry]:
    """Configurations of one batch size from the fastest to the slowest, each compared with the fastest.

    What was measured together is settled by its rounds and leads; the others follow by their repetitions. One is slower
    only when the interval of the ratio excludes 1; undecided where one of the two has a single repetition, or where
    repetitions show something faster than what leads in rounds in which it had no part.
    """
    leaders = together.order() if together else []
    place = {name: number for number, name in enumerate(leaders)}
    ordered = sorted(
        rows,
        key=lambda row: (place.get(comparison.name(row), len(place)), row["latency_p50_ms"], names.configuration(row)),
    )
    best = medians.get(key(ordered[0], POINT), [])
    unknown = Cost(None, "unknown: no accuracy row", "", False)
    entries = []
    for row in ordered:
        cost = quality.get(key(row, CONFIGURATION), unknown)
        repeated = medians.get(key(row, POINT), [])
        ratio, interval = row["latency_p50_ms"] / ordered[0]["latency_p50_ms"], None
        settled = together is not None and {comparison.name(row), comparison.name(ordered[0])} <= together.members
        if row is ordered[0]:
            verdict = FASTEST
        elif together is not None and settled:
            in_rounds = together.ratio(comparison.name(row), comparison.name(ordered[0]))
            ratio, interval = in_rounds.ratio, in_rounds.interval
            verdict = SLOWER if in_rounds.verdict == comparison.SECOND else TIE
        else:
            interval = stats.ratio_interval(repeated, best)
            verdict = UNDECIDED
            if interval is not None:
                ratio = stats.latency(repeated) / stats.latency(best)
                verdict = SLOWER if interval[0] > 1 else UNDECIDED if interval[1] < 1 else TIE
        entries.append(Entry(names.configuration(row), row, verdict, ratio, interval, cost, settled))
    return entries


def grouped(rows: Iterable[Row], columns: tuple[str, ...]) -> dict[tuple, Rows]:
    """Rows by these columns, in the order in which they are met."""
    groups: dict[tuple, Rows] = {}
    for row in rows:
        groups.setdefault(key(row, columns), []).append(row)
    return groups


def settings(tables: Tables) -> list[Setting]:
    """The conclusion for every model × device × node."""
    medians, quality, compared = repetitions(tables.measurements), costs(tables.accuracy), comparisons(tables)
    broken = {key(row, COMPARED): row["reason"] for row in tables.comparison if row["status"] == "failed"}
    measured, paces = grouped(tables.measurements, POINT), strain.paces(tables)
    bursts = grouped(tables.rounds, COMPARED)
    concluded = []
    for rows in grouped(tables.performance, SETTING).values():
        sizes = grouped(usable(rows), ("batch_size",))
        batches = []
        for size in sorted(sizes):
            point = key(sizes[size][0], COMPARED)
            together = compared.get(point)
            gains = together.gains if together else []
            no_rounds = None if together else broken.get(point)
            entries = rank(sizes[size], medians, quality, together)
            best = min(paces.get(rows[0]["node"], [math.inf]))
            strains = [strain.of_processes(measured.get(key(entry.row, POINT), []), best) for entry in entries]
            if together is not None:
                strains.append(strain.of_rounds(together.taken_share, bursts.get(point, []), best))
            batches.append(
                Batch(
                    size[0],
                    entries,
                    gains,
                    no_rounds,
                    *speeds(entries[0], medians, together),
                    missing=together.missing if together else (),
                    strains=strains,
                )
            )
        concluded.append(Setting(names.setting(rows[0]), batches, counted(rows)))
    return concluded


def speeds(
    fastest: Entry, medians: dict[tuple, list[np.ndarray]], together: Optional[Together]
) -> tuple[Optional[Speed], Optional[Speed], Optional[Speed]]:
    """The fastest by its repetitions, in rounds, and in rounds over the pacer; None where there is nothing of it."""
    repeated, name = medians.get(key(fastest.row, POINT)), comparison.name(fastest.row)
    plain = Speed(repeated) if repeated else None
    if together is None or name not in together.members:
        return plain, None, None
    return plain, Speed(together.latencies(name)), Speed(together.latencies(name, over_pacer=True))


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
