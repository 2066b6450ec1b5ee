"""The conclusion: what is fastest, against what no difference is shown, and what it costs in top-1."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple, Optional

import numpy as np

from dliflow import comparison, stats
from dliflow.report import names, units
from dliflow.report.read import CONFIGURATION, POINT, SETTING, Row, Rows, Tables, key
from dliflow.report.together import POINT as COMPARED
from dliflow.report.together import Gain, Together, comparisons

FASTEST, TIE, UNDECIDED, SLOWER = "fastest", "no difference shown", "undecided", "slower"


class Cost(NamedTuple):
    """What a configuration's quality is, in words: `loss` only when the interval of the change lies below 0."""

    top1: Optional[float]
    change: str
    against: str
    loss: bool


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


class Batch(NamedTuple):
    """One batch size: its configurations from the fastest to the slowest."""

    size: int
    entries: list[Entry]
    gains: list[Gain]
    no_rounds: Optional[str] = None
    """Why its leaders were not measured together, where that failed."""

    @property
    def fastest(self) -> Entry:
        """The first in rounds; where there were none, the one of the lowest median."""
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
        """The fastest without a shown loss of top-1, where the fastest has one."""
        if not self.fastest.cost.loss:
            return None
        return next((e for e in self.entries if not e.cost.loss and e.cost.top1 is not None), None)


class Setting(NamedTuple):
    """A model on a device of a node."""

    name: str
    batches: list[Batch]
    counts: dict[str, int]

    @property
    def lowest_latency(self) -> Batch:
        """The batch size whose fastest configuration answers soonest."""
        return min(self.batches, key=lambda batch: batch.fastest.row["latency_p50_ms"])

    @property
    def highest_fps(self) -> Batch:
        """The batch size whose fastest configuration has the highest FPS."""
        return max(self.batches, key=lambda batch: batch.fastest.row["fps"])


def usable(performance: Rows) -> Rows:
    """Rows whose figures can be believed."""
    return [row for row in performance if row["status"] == "ok" and row["latency_p50_ms"]]


def repetitions(measurements: Rows) -> dict[tuple, list[np.ndarray]]:
    """For each point the medians of its processes, each as an array of one, as `stats` takes them."""
    found: dict[tuple, list[np.ndarray]] = {}
    for row in measurements:
        if row["status"] == "ok" and row["latency_p50_ms"]:
            found.setdefault(key(row, POINT), []).append(np.array([row["latency_p50_ms"]]))
    return found


def costs(accuracy: Rows) -> dict[tuple, Cost]:
    """For each configuration its quality against its baseline."""
    references = {row["baseline"] for row in accuracy}
    found: dict[tuple, Cost] = {}
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
        if found.get(key(row, CONFIGURATION), cost).top1 is None:
            found[key(row, CONFIGURATION)] = cost
        found.setdefault(key(row, CONFIGURATION), cost)
    return found


def _mean_log(medians: list[np.ndarray]) -> float:
    return float(np.mean([np.log(np.median(values)) for values in medians]))


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
        own = medians.get(key(row, POINT), [])
        ratio, interval = row["latency_p50_ms"] / ordered[0]["latency_p50_ms"], None
        settled = together is not None and {comparison.name(row), comparison.name(ordered[0])} <= together.members
        if row is ordered[0]:
            verdict = FASTEST
        elif together is not None and settled:
            found = together.ratio(comparison.name(row), comparison.name(ordered[0]))
            ratio, interval = found.ratio, found.interval
            verdict = SLOWER if found.verdict == comparison.SECOND else TIE
        else:
            interval = stats.ratio_interval(own, best)
            verdict = UNDECIDED
            if interval is not None:
                ratio = float(np.exp(_mean_log(own) - _mean_log(best)))
                verdict = SLOWER if interval[0] > 1 else UNDECIDED if interval[1] < 1 else TIE
        entries.append(Entry(names.configuration(row), row, verdict, ratio, interval, cost, settled))
    return entries


def grouped(rows: Iterable[Row], columns: tuple[str, ...]) -> dict[tuple, Rows]:
    """Rows by these columns, in the order in which they are met."""
    found: dict[tuple, Rows] = {}
    for row in rows:
        found.setdefault(key(row, columns), []).append(row)
    return found


def settings(tables: Tables) -> list[Setting]:
    """The conclusion for every model × device × node."""
    medians, quality, compared = repetitions(tables.measurements), costs(tables.accuracy), comparisons(tables)
    broken = {key(row, COMPARED): row["reason"] for row in tables.comparison if row["status"] == "failed"}
    found = []
    for rows in grouped(tables.performance, SETTING).values():
        sizes = grouped(usable(rows), ("batch_size",))
        batches = []
        for size in sorted(sizes):
            point = key(sizes[size][0], COMPARED)
            together = compared.get(point)
            gains = together.gains if together else []
            no_rounds = None if together else broken.get(point)
            batches.append(Batch(size[0], rank(sizes[size], medians, quality, together), gains, no_rounds))
        found.append(Setting(names.setting(rows[0]), batches, counted(rows)))
    return found


def counted(rows: Rows) -> dict[str, int]:
    """How many rows have each status."""
    found: dict[str, Any] = {"ok": 0, "failed": 0, "skipped": 0}
    for row in rows:
        found[row["status"]] = found.get(row["status"], 0) + 1
    return found
