"""The figures of all studies on lines, each at its machine's reference state.

A line is one configuration at one batch size, as long as nothing but its version and the date changes. Where the
machine, its kernel or microcode, the model's file, the images, the launch settings, the anchor or the method changes,
the line ends and another one begins: figures of two lines are not compared.

A study gives latencies at its own reference state, the median of what the anchor took in it. So that studies of fast
and of slow hours can be set beside each other, they are moved to one state of the machine, the median over its studies.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple, Optional

import numpy as np

from dliflow.analysis import changes, ranking, slopes
from dliflow.analysis.columns import CONFIGURATION, POINT
from dliflow.analysis.intervals import ratio_interval
from dliflow.analysis.ranking import Figure
from dliflow.analysis.rows import Row, Rows, grouped, key, usable
from dliflow.collection import shelf
from dliflow.collection.shelf import Entry
from dliflow.files import digest

HARDWARE = ("cpu", "architecture", "logical_cpus", "memory_gib")
LATENCY = "latency_reference_ms"
LATENCY_ENDS = ("latency_reference_ci_low_ms", "latency_reference_ci_high_ms")
# What of measurements.csv tells whether memory changed, and whether both were measured in the same way.
COMPARED = (*POINT, "group", "latency_p50_ms", "peak_rss_mib", "cpu", "anchor")
# Times that no anchor was beside: another state of the machine would pass for a change.
AS_MEASURED = (changes.LOAD.name, changes.FIRST_REQUEST.name)
# What of a config decides how something is launched.
LAUNCH = ("launch", "threads", "options")
# Figures of accuracy.csv, which has no dates: where all are the same, of the same inputs, nothing new is told.
QUALITY = ("status", "framework_version", "images", "top1", "top5", "unlabelled_images", "unlabelled_agreement")


@dataclass(frozen=True)
class Shown:
    """A study whose figures are drawn.

    Attributes:
        performance: its rows of that table, at the machine's reference state; `again` marks those whose measurements
            an earlier study on their line had already, since a run measures only what changed.
        accuracy: its rows of that table, marked alike.
        doubt: why its latencies tell more of other work on the machine than of frameworks; empty where they do not.
    """

    entry: Entry
    performance: Rows
    accuracy: Rows
    doubt: str = ""

    @property
    def date(self) -> str:
        """When its last record was written, ISO 8601."""
        last: str = self.entry.content["last"]
        return last

    @cached_property
    def speeds(self) -> Rows:
        """Rows of performance with figures that are new in this study."""
        return fresh(usable(self.performance))

    @cached_property
    def evaluated(self) -> Rows:
        """Of each configuration the first row of accuracy with figures, which is that of the study's own dataset."""
        good = [row for row in self.accuracy if row["status"] == "ok"]
        return [rows[0] for rows in grouped(good, CONFIGURATION).values()]

    @cached_property
    def qualities(self) -> Rows:
        """Those of them that are new in this study."""
        return fresh(self.evaluated)

    def of(self, model: str) -> Shown:
        """The same with the rows of one model."""
        performance, accuracy = (
            [row for row in rows if row["model"] == model] for rows in (self.performance, self.accuracy)
        )
        return replace(self, performance=performance, accuracy=accuracy)


class Break(NamedTuple):
    """Why lines end between two studies."""

    before: Shown
    after: Shown
    reasons: list[str]


def read(studies: Sequence[Entry]) -> list[Shown]:
    """Those that are not marked invalid, with their figures."""
    valid = [each for each in studies if each.invalid is None]
    tables = (shelf.rows(valid, table) for table in ("performance", "accuracy"))
    measurements = shelf.rows(valid, "measurements", (*POINT, "finished_at"))
    every = [Shown(*each) for each in zip(valid, *tables, map(shelf.doubt, valid))]
    return at_one_state(told_once(every, measurements))


def told_once(studies: Iterable[Shown], measurements: Iterable[Rows]) -> list[Shown]:
    """Studies, from the oldest on, whose rows are marked where an earlier one had them.

    Args:
        measurements: of each study, with the columns of `POINT` and `finished_at`.
    """
    known: set[tuple] = set()

    def met(line: tuple) -> bool:
        before = line in known
        known.add(line)
        return before

    marked = []
    for study, sessions in zip(studies, measurements):
        of_points = grouped(sessions, POINT).items()
        last = {point: max(row["finished_at"] or "" for row in rows) for point, rows in of_points}
        performance = []
        for row in study.performance:
            date = last.get(key(row, POINT))
            again = bool(date) and met((*speed_line(study.entry, row), date))
            performance.append({**row, "again": again})
        measured = {key(row, CONFIGURATION) for row in fresh(usable(performance))}
        accuracy = []
        for row in study.accuracy:
            again = met((*quality_line(study.entry, row), *key(row, QUALITY)))
            accuracy.append({**row, "again": again and key(row, CONFIGURATION) not in measured})
        marked.append(replace(study, performance=performance, accuracy=accuracy))
    return marked


def fresh(rows: Iterable[Row]) -> Rows:
    """Those that no earlier study had already."""
    return [row for row in rows if not row["again"]]


def hardware(of: Entry) -> str:
    """A digest of the machine's hardware, whatever kernel and microcode ran on it."""
    machine = of.content["machine"]
    return digest([*(machine[name] for name in HARDWARE), *machine.get("gpus", [])])


def by_hardware(studies: Iterable[Shown]) -> dict[str, list[Shown]]:
    """Studies in their order, by hardware."""
    groups: dict[str, list[Shown]] = {}
    for each in studies:
        groups.setdefault(hardware(each.entry), []).append(each)
    return groups


def models(studies: Iterable[Shown]) -> list[str]:
    """Those with latencies, in the order in which they are met."""
    return list(dict.fromkeys(row["model"] for each in studies for row in each.speeds))


# --- One state for each machine ---------------------------------------------------------------------------------------


def _state_of(entry: Entry, row: Row) -> Hashable:
    """What shares a reference state: a machine, an anchor, and with how many threads that ran."""
    return (entry.content["fingerprint"], *entry.content["anchors"], row["anchor_threads"])


def states(studies: Iterable[Shown]) -> dict[Hashable, float]:
    """The reference state of each machine: the median over its studies, by logarithms; ms that the anchor takes."""
    each: dict[Hashable, list[float]] = {}
    for study in studies:
        of_study = {_state_of(study.entry, row): row["reference_anchor_ms"] for row in study.speeds}
        for shared, value in of_study.items():
            if value:
                each.setdefault(shared, []).append(math.log(value))
    return {shared: math.exp(float(np.median(values))) for shared, values in each.items()}


def at_one_state(studies: Sequence[Shown]) -> list[Shown]:
    """Studies with the latencies that they would have at their machine's reference state."""
    known = states(studies)
    return [
        replace(each, performance=[moved(row, known.get(_state_of(each.entry, row))) for row in each.performance])
        for each in studies
    ]


def moved(row: Row, state_ms: Optional[float]) -> Row:
    """A row of performance.csv at another state of the machine, with the error of the way there in its interval.

    Args:
        state_ms: what the anchor takes there; None where that is not known, and the row stays as it is.
    """
    if not state_ms or not row["reference_anchor_ms"] or not row[LATENCY]:
        return row
    factor, unsure = slopes.elsewhere(math.log(state_ms / row["reference_anchor_ms"]))
    value, ends = row[LATENCY] * factor, tuple(row[name] for name in LATENCY_ENDS)
    interval = ratio_interval(value, None if None in ends else ends, unsure) or (None, None)
    return {**row, LATENCY: value, **dict(zip(LATENCY_ENDS, interval)), "reference_anchor_ms": state_ms}


# --- Lines ------------------------------------------------------------------------------------------------------------


def basis(of: Entry, model: str) -> tuple:
    """What two studies of a model must have in common, so that any of their latencies may be compared."""
    content = of.content
    return (content["fingerprint"], content["method"], tuple(content["anchors"]), content["inputs"].get(model))


def speed_line(of: Entry, row: Row) -> tuple:
    """What stays the same along a line of latencies."""
    asked = row["settings"] if row["parameters"] == "default" else None  # tuned ones are what the study found
    return (*key(row, POINT), *basis(of, row["model"]), row["launch"], row["threads"], asked)


def quality_line(of: Entry, row: Row) -> tuple:
    """What stays the same along a line of top-1."""
    evaluated = of.content["evaluated"].get(row["model"], {}).get(row["dataset"])
    unlabelled = of.content["evaluated"].get(row["model"], {}).get(row["unlabelled_dataset"])
    model = of.content["inputs"].get(row["model"])  # its file is told with what it was fed
    same = (of.content["fingerprint"], of.content["method"], model, evaluated, unlabelled)
    return (*key(row, CONFIGURATION), row["dataset"], *same)


def numbered(rows: Iterable[tuple[Shown, Row, tuple]]) -> Iterator[tuple[Shown, Row, int, bool]]:
    """Rows with the number of their line, and whether the one before on it is of another version of the framework.

    Args:
        rows: each with its study and its line, from the oldest on.
    """
    numbers: dict[tuple, int] = {}
    versions: dict[int, Any] = {}
    for study, row, line in rows:
        number = numbers.setdefault(line, len(numbers))
        before = versions.get(number, row["framework_version"])
        versions[number] = row["framework_version"]
        yield study, row, number, before != row["framework_version"]


def same_configuration(one: Row, other: Row) -> bool:
    """Whether two rows, of whatever tables, are of the same configuration of a model."""
    return key(one, CONFIGURATION) == key(other, CONFIGURATION)


def latency(row: Row) -> Figure:
    """At the machine's reference state, ms."""
    return Figure(row[LATENCY], ranking.interval(*(row[end] for end in LATENCY_ENDS)))


def latest(studies: Sequence[Shown]) -> dict[tuple, tuple[Shown, Row, int]]:
    """By `POINT` the last figures, their study, and how many studies their line goes through."""
    counts: dict[tuple, int] = {}
    last: dict[tuple, tuple[Shown, Row, int]] = {}
    for study in studies:
        for row in study.speeds:
            line = speed_line(study.entry, row)
            counts[line] = counts.get(line, 0) + 1
            last[key(row, POINT)] = (study, row, counts[line])
    return last


def breaks(studies: Sequence[Shown], model: str) -> list[Break]:
    """Where lines of a model end, and why, from the newest on."""
    of_model = [each for each in studies if model in each.entry.content["inputs"]]
    every = [
        Break(before, after, reasons(before.entry, after.entry, model)) for before, after in zip(of_model, of_model[1:])
    ]
    return [each for each in every[::-1] if each.reasons]


def reasons(before: Entry, after: Entry, model: str) -> list[str]:
    """What differs between two studies of a model so that figures of both may not be compared; empty where nothing."""
    old, new = before.content, after.content
    told = [
        f"{name}: {old['machine'][name] or 'none told'} → {new['machine'][name] or 'none told'}"
        for name in ("kernel", "microcode")
        if old["machine"][name] != new["machine"][name]
    ]
    if old["method"] != new["method"]:
        told.append(f"method: version {old['method']} → {new['method']}")
    if old["anchors"] != new["anchors"]:
        told.append(f"anchor: {', '.join(old['anchors'])} → {', '.join(new['anchors'])}")
    if old["inputs"].get(model) != new["inputs"].get(model):
        told.append("the model’s file, or what it was fed")
    seen, now = (content["evaluated"].get(model, {}) for content in (old, new))
    if seen and now and seen != now:
        others = sorted(name for name in {*seen, *now} if seen.get(name) != now.get(name))
        told.append(f"of top-1 and agreement, the images: {', '.join(others)}")
    changed = [name for name in LAUNCH if old["config"].get(name) != new["config"].get(name)]
    return [*told, *([f"launch settings: {', '.join(changed)}"] if changed else [])]


# --- From study to study ----------------------------------------------------------------------------------------------


class Step(NamedTuple):
    """What changed between two studies of a model that may be compared."""

    before: Shown
    """The last one of the same `basis`."""
    after: Shown
    changes: Rows
    """As `changes.changes` has them, and `before`: the study that the old figure is of."""


Past = dict[tuple, tuple[Shown, Row]]
"""The last rows of earlier studies, by table, line, and whether figures are asked for."""


def steps(studies: Sequence[Shown], model: str) -> list[Step]:
    """What changed from study to study of a model, from the newest on.

    A study need not have every framework: the old figure is the last one of any earlier study of the same `basis`.
    """
    of_model = [each for each in (study.of(model) for study in studies) if each.speeds]
    entries = [each.entry for each in of_model]
    more = {
        table: dict(zip([each.path for each in entries], shelf.rows(entries, table, names)))
        for table, names in (("measurements", COMPARED), ("comparison", None))
    }
    measured = {path: grouped(rows, POINT) for path, rows in more["measurements"].items()}
    last: dict[tuple, Shown] = {}
    pasts: dict[tuple, Past] = {}
    every: list[Step] = []
    for study in of_model:
        same = basis(study.entry, model)
        past = pasts.setdefault(same, {})
        if same in last:
            told = _changes(past, study, measured, more["comparison"][study.entry.path])
            every.append(Step(last[same], study, told))
        last[same] = study
        for table, line, row, good in _lines(study):
            past[table, line, False] = (study, row)
            if good:
                past[table, line, True] = (study, row)
    return every[::-1]


def _lines(study: Shown) -> Iterator[tuple[str, tuple, Row, bool]]:
    """The rows that are new in a study: their table, what of another study they are compared with, if they are good."""
    for row in fresh(study.performance):
        yield "performance", key(row, POINT), row, bool(usable([row]))
    for row in fresh(study.accuracy):
        yield "accuracy", quality_line(study.entry, row), row, row["status"] == "ok"


def _changes(past: Past, after: Shown, measured: Mapping[str, Mapping[tuple, Rows]], pairs: Rows) -> Rows:
    """Of latency, memory, size and quality, and of what runs at all.

    Where the later study set a framework's old version beside the new one, these rounds tell.

    Args:
        measured: by study and `POINT` rows of measurements.
        pairs: the later study's rows of comparison.
    """
    old: dict[str, Rows] = {"performance": [], "measurements": [], "accuracy": []}
    new: dict[str, Rows] = {"performance": [], "measurements": [], "accuracy": []}
    sources: dict[tuple, Row] = {}
    for table, line, row, good in _lines(after):
        known = past.get((table, line, good)) or past.get((table, line, False))
        if known is None:
            continue
        study, before = known
        for side, of, one in ((old, study, before), (new, after, row)):
            side[table].append(one)
            if table == "performance":
                side["measurements"] += measured[of.entry.path].get(line, [])
        sources[_whose(row)] = {"before": study}
    told = [row for row in changes.changes(old, new, pairs) if row["quantity"] not in AS_MEASURED]
    return [{**row, **sources[_whose(row)]} for row in told]


def _whose(row: Row) -> tuple:
    """The row of a study that a change is of."""
    return key(row, changes.EVALUATED) if row.get("dataset") else key(row, POINT)
