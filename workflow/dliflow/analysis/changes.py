"""What is another one than before: the rows of two versions of a framework, or of two studies, set against each other.

Pure functions of rows, so that whoever has two sets of them can ask: the tables after an upgrade, a collection of
studies, a gate.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Optional

import numpy as np
from scipy import special

from dliflow.analysis import columns, comparison, doubts, slopes
from dliflow.analysis.intervals import Interval, ratio_interval
from dliflow.analysis.rows import Row, Rows, grouped, key

SHOWN, LIKELY = "shown", "likely"  # how sure a verdict is: measured together (or exact), or at different times
TIE, UNTOLD, SAME = "no difference shown", "cannot tell", "the same"
RATIO, DIFFERENCE, TOLD = "new / old", "new - old", "as told"
ROUNDS, ANCHOR, GROUPS, IMAGES, EXACT, APART = (
    "in rounds, taking turns",
    "at different times, through the anchor",
    "at different times, groups against groups",
    "image by image",
    "exact",
    "share against share",
)
CONFIDENCE = 0.95
LEAST = 0.001  # change of the size of files that counts; versions and names in them make smaller ones
LOADED = (*columns.POINT, "in_flight")
PLACE = (*columns.CONFIGURATION, "node", "parameters")  # a configuration where it was measured, at any point
EVALUATED = (*columns.CONFIGURATION, "dataset")


class Quantity(NamedTuple):
    """Something that an upgrade may change."""

    name: str
    unit: str
    kind: str
    """RATIO, DIFFERENCE or TOLD: what `change` is."""
    less: str
    """The verdict's word where the new one is less."""
    more: str


LATENCY = Quantity("latency", "ms", RATIO, "faster", "slower")
THROUGHPUT = Quantity("throughput", "images/s", RATIO, "less", "more")
TOP1 = Quantity("top1", "share", DIFFERENCE, "worse", "better")
AGREEMENT = Quantity("agreement", "share", DIFFERENCE, "less", "more")
SAME_CLASS = Quantity("same_class", "share", DIFFERENCE, "changed", "the same")
PEAK_RSS = Quantity("peak_rss", "MiB", RATIO, "smaller", "larger")
MODEL_BYTES = Quantity("model_bytes", "bytes", RATIO, "smaller", "larger")
LOAD = Quantity("load", "ms", RATIO, "faster", "slower")
FIRST_REQUEST = Quantity("first_request", "ms", RATIO, "faster", "slower")
STATUS = Quantity("status", "", TOLD, "", "")
WARNINGS = Quantity("warnings", "", TOLD, "", "")


class Change(NamedTuple):
    """How two figures differ."""

    value: Optional[float]
    """New over old, or new less old; None where they may not be set against each other."""
    interval: Interval
    method: str
    warnings: str = ""
    images: Optional[int] = None


def changes(
    old: Mapping[str, Rows],
    new: Mapping[str, Rows],
    pairs: Iterable[Row] = (),
    paired: Optional[Mapping[tuple, Row]] = None,
    renamed: Optional[Mapping[str, str]] = None,
) -> Rows:
    """A row for each identity that both have × quantity, as `columns.CHANGES` declares them; what is shown comes first.

    What was measured together tells more than what was measured at different times: a pair's ratio in rounds comes
    before that of both latencies at the reference state.

    Args:
        old, new: rows of tables by the table's name: `performance`, `measurements` (for load times and memory),
            `throughput`, `accuracy`. What is missing is not compared.
        pairs: rows of comparison.csv in which both took turns, the old one as a second member `...@<old version>`, or
            under its own name.
        paired: by the values of `columns.CONFIGURATION` what the same images tell of both: `top1_change` (new less
            old) with its interval, and `same_class`, with its interval and number of images (`same_class_images`).
        renamed: for a framework of `old` the name in `new` that it is compared with: `openvino@2025.3`: `openvino`.
    """
    met, names = list(pairs), renamed or {}
    sessions = _Sessions(old, new, names)
    every = [
        *_speed(_both(old, new, "performance", columns.POINT, names), met, sessions),
        *_loaded(_both(old, new, "throughput", LOADED, names), sessions),
        *_quality(_both(old, new, "accuracy", EVALUATED, names), paired or {}),
    ]
    return sorted(every, key=lambda row: rank(row["verdict"]))


def rank(verdict: str) -> int:
    """Shown changes come first, then likely ones; what is the same comes last."""
    for place, start in enumerate((SHOWN, LIKELY, UNTOLD, TIE)):
        if verdict.startswith(start):
            return place
    return 4


def shown(row: Row) -> bool:
    """Whether a row of `changes` tells of a change that is sure."""
    return bool(row["verdict"].startswith(SHOWN))


def likely(row: Row) -> bool:
    """Whether it tells of one that was measured at different times."""
    return bool(row["verdict"].startswith(LIKELY))


class _Pair(NamedTuple):
    """The rows of an identity."""

    old: Row
    new: Row


def _called(row: Row, names: Mapping[str, str]) -> Row:
    """A row of the old tables under its framework's name in the new ones."""
    return {**row, "framework": names.get(row["framework"], row["framework"])}


def _both(
    old: Mapping[str, Rows], new: Mapping[str, Rows], table: str, identity: tuple[str, ...], names: Mapping[str, str]
) -> list[_Pair]:
    """The rows of a table that both have, in the order of the new one."""
    before = {key(_called(row, names), identity): row for row in old.get(table, [])}
    return [_Pair(before[key(row, identity)], row) for row in new.get(table, []) if key(row, identity) in before]


def verdict(quantity: Quantity, change: Optional[float], interval: Interval, sure: bool) -> str:
    """What may be said of a change: `shown faster`, `likely faster`, `no difference shown` or `cannot tell`."""
    if change is None or interval is None:
        return UNTOLD
    neutral = 1.0 if quantity.kind == RATIO else 0.0
    if interval[0] <= neutral <= interval[1]:
        return TIE
    return f"{SHOWN if sure else LIKELY} {quantity.less if interval[1] < neutral else quantity.more}"


def _line(both: _Pair, quantity: Quantity, old: Any, new: Any, change: Change) -> Row:
    """A row of the table."""
    low, high = change.interval or (None, None)
    sure = change.method in (ROUNDS, IMAGES, EXACT)
    return {
        **_identity(both),
        "quantity": quantity.name,
        "unit": quantity.unit,
        "old": old,
        "new": new,
        "change": change.value,
        "kind": quantity.kind,
        "change_ci_low": low,
        "change_ci_high": high,
        "verdict": verdict(quantity, change.value, change.interval, sure),
        "measured_together": change.method == ROUNDS,
        "method": change.method,
        "warnings": change.warnings,
        "images": change.images,
    }


def _told(both: _Pair, quantity: Quantity, old: str, new: str, what: str) -> Row:
    """A row of what is told in words."""
    return {
        **_identity(both),
        "quantity": quantity.name,
        "kind": TOLD,
        "old_told": old,
        "new_told": new,
        "verdict": f"{SHOWN} {what}" if what else SAME,
        "measured_together": False,
        "method": EXACT,
    }


def _identity(both: _Pair) -> Row:
    """Whose change it is."""
    old, new = both
    named = {name: new.get(name) for name in (EVALUATED if new.get("dataset") else LOADED)}
    versions = {"old_version": old.get("framework_version"), "new_version": new.get("framework_version")}
    return {**named, "old_framework": old["framework"], **versions}


# Speed.


def _speed(both: Iterable[_Pair], met: Sequence[Row], sessions: _Sessions) -> Iterator[Row]:
    for one in both:
        yield from _words(one)
        if not _well(one, "latency_reference_ms"):
            continue
        apart = _apart(one) or sessions.apart(one.new)
        yield _latency(one, met, apart)
        yield from sessions.lines(one, apart)
        old, new = one.old.get("model_bytes"), one.new.get("model_bytes")
        if old is not None and new is not None:
            ratio = new / old
            near = abs(ratio - 1) < LEAST
            interval = (min(1.0, ratio), max(1.0, ratio)) if near else (ratio, ratio)
            yield _line(one, MODEL_BYTES, old, new, Change(ratio, interval, EXACT))


def _well(both: _Pair, figure: str) -> bool:
    """Whether both rows have figures."""
    return all(row["status"] == "ok" and row.get(figure) is not None for row in both)


def _apart(both: _Pair) -> str:
    """Why two rows were not measured in the same way; empty where they were."""
    names = ("threads", "settings", "launch", "anchor_threads")
    for name in names:
        old, new = (row.get(name) or "" for row in both)
        if str(old) != str(new):
            return f"was measured with other {name.replace('_', ' ')}: {old or 'default'}, now {new or 'default'}"
    return ""


def _latency(both: _Pair, met: Sequence[Row], apart: str) -> Row:
    """The latency's change: in rounds, or else by both latencies at the same state of the machine."""
    old, new = both
    values = old["latency_reference_ms"], new["latency_reference_ms"]
    together = next((change for row in met if (change := _in_rounds(row, both)) is not None), None)
    if together is not None:
        return _line(both, LATENCY, *values, together)
    if apart:
        return _line(both, LATENCY, *values, Change(None, None, ANCHOR, apart))
    moved, unsure = _at_state(old, new["reference_anchor_ms"])
    ratio, intervals = values[1] / (values[0] * moved), [_interval(row, "latency_reference", "_ms") for row in both]
    return _line(both, LATENCY, *values, Change(ratio, ratio_interval(ratio, *intervals, unsure), ANCHOR))


def _at_state(row: Row, anchor_ms: float) -> tuple[float, tuple[float, float]]:
    """By how much a row's latency is larger where the anchor takes so long, with its interval."""
    return slopes.elsewhere(math.log(anchor_ms / row["reference_anchor_ms"]))


def _in_rounds(row: Row, both: _Pair) -> Optional[Change]:
    """What a row of comparison.csv says of a pair; None where it is of others."""
    old, new = both
    if row["status"] != "ok" or row.get("ratio") is None:
        return None
    if key(row, columns.COMPARED) != key(new, columns.COMPARED):
        return None
    in_place = f"{comparison.name(new)}@{old['framework_version']}"
    second = in_place if old["framework"] == new["framework"] else comparison.name(old)
    members, ratio = (row["first"], row["second"]), row["ratio"]
    low, high = row["ratio_ci_low"], row["ratio_ci_high"]
    interval = None if low is None else (low, high)
    if members == (comparison.name(new), second):
        return Change(ratio, interval, ROUNDS, row.get("warnings") or "")
    if members == (second, comparison.name(new)):
        return Change(1 / ratio, interval and (1 / interval[1], 1 / interval[0]), ROUNDS, row.get("warnings") or "")
    return None


def _interval(row: Row, name: str, suffix: str = "") -> Interval:
    low, high = row.get(f"{name}_ci_low{suffix}"), row.get(f"{name}_ci_high{suffix}")
    return None if low is None or high is None else (low, high)


class _Sessions:
    """The rows of measurements.csv of both sides that have figures."""

    def __init__(self, old: Mapping[str, Rows], new: Mapping[str, Rows], names: Mapping[str, str]):
        before = [_called(row, names) for row in old.get("measurements", [])]
        every = ([row for row in rows if row.get("latency_p50_ms")] for rows in (before, new.get("measurements", [])))
        self._sides: list[dict[tuple[str, ...], dict[tuple, Rows]]] = [
            {same: grouped(rows, same) for same in (columns.POINT, PLACE)} for rows in every
        ]

    def of(self, row: Row, same: tuple[str, ...] = columns.POINT) -> tuple[Rows, Rows]:
        """Those that have these columns in common with a row of another table: old and new."""
        old, new = (side[same].get(key(row, same), []) for side in self._sides)
        return old, new

    def apart(self, row: Row, same: tuple[str, ...] = columns.POINT) -> str:
        """Why their machines or anchors may not be set against each other; empty where they may."""
        for name, what in (("cpu", "on another CPU"), ("anchor", "beside another anchor")):
            old, new = ({one.get(name) for one in rows} for rows in self.of(row, same))
            if old and new and old != new:
                return f"was measured {what}: {', '.join(map(str, old))}, now {', '.join(map(str, new))}"
        return ""

    def lines(self, both: _Pair, apart: str) -> Iterator[Row]:
        """Load time, first request and peak memory, as the groups tell."""
        old, new = self.of(both.new)
        for quantity, name in ((LOAD, "load_ms"), (FIRST_REQUEST, "first_request_ms"), (PEAK_RSS, "peak_rss_mib")):
            before, now = _by_group(old, name), _by_group(new, name)
            if len(before) and len(now):
                change = Change(None, None, GROUPS, apart) if apart else Change(*welch(before, now), GROUPS)
                yield _line(both, quantity, math.exp(before.mean()), math.exp(now.mean()), change)


def _by_group(rows: Rows, name: str) -> np.ndarray:
    """The logarithm of a figure for each group: the mean over its sessions, since a group has one process."""
    groups = grouped((row for row in rows if row.get(name)), ("group",)).values()
    return np.array([np.mean([math.log(row[name]) for row in one]) for one in groups])


def welch(old: np.ndarray, new: np.ndarray, confidence: float = CONFIDENCE) -> tuple[float, Interval]:
    """New over old, of logarithms, with Welch's interval (Biometrika 34, 1947); none where a side has one group."""
    difference = float(new.mean() - old.mean())
    if min(len(old), len(new)) < 2:
        return math.exp(difference), None
    squares = [float(side.var(ddof=1)) / len(side) for side in (old, new)]
    total = sum(squares)
    if total == 0:
        return math.exp(difference), (math.exp(difference), math.exp(difference))
    freedom = total**2 / sum(square**2 / (len(side) - 1) for square, side in zip(squares, (old, new)))
    half = float(special.stdtrit(freedom, (1 + confidence) / 2)) * math.sqrt(total)
    return math.exp(difference), (math.exp(difference - half), math.exp(difference + half))


# Throughput.


def _loaded(both: Iterable[_Pair], sessions: _Sessions) -> Iterator[Row]:
    for one in both:
        yield from _words(one)
        if not _well(one, "images_per_s"):
            continue
        old, new = (row["images_per_s"] for row in one)
        apart = _apart(one) or sessions.apart(one.new, PLACE)  # of requests one by one, on the same machine
        if apart:
            yield _line(one, THROUGHPUT, old, new, Change(None, None, ANCHOR, apart))
            continue
        slower, unsure = _at_state(one.old, one.new["reference_anchor_ms"])
        ratio, intervals = new * slower / old, [_interval(row, "images_per_s") for row in one]
        yield _line(one, THROUGHPUT, old, new, Change(ratio, ratio_interval(ratio, *intervals, unsure), ANCHOR))


# Quality.


def _quality(both: Iterable[_Pair], paired: Mapping[tuple, Row]) -> Iterator[Row]:
    for one in both:
        yield from _words(one)
        if not _well(one, "top1"):
            continue
        together = paired.get(key(one.new, columns.CONFIGURATION), {})
        yield _top1(one, together)
        if together.get("same_class") is not None:
            low, high = together["same_class_ci_low"], together["same_class_ci_high"]
            lost = together["same_class"] - 1
            interval = (lost, lost) if lost == 0 else (low - 1, high - 1)
            change = Change(lost, interval, IMAGES, images=together["same_class_images"])
            yield _line(one, SAME_CLASS, 1.0, together["same_class"], change)
        old, new = (row.get("unlabelled_agreement") for row in one)
        if old is not None and new is not None:
            intervals = [_interval(row, "unlabelled_agreement") for row in one]
            yield _line(one, AGREEMENT, old, new, Change(new - old, newcombe(old, new, intervals), APART))


def _top1(both: _Pair, together: Row) -> Row:
    """The change of top-1: on the same images where they are at hand, or else of both shares."""
    old, new = (row["top1"] for row in both)
    if together.get("top1_change") is not None:
        interval = together["top1_change_ci_low"], together["top1_change_ci_high"]
        return _line(both, TOP1, old, new, Change(together["top1_change"], interval, IMAGES, images=both.new["images"]))
    intervals = [_interval(row, "top1") for row in both]
    return _line(both, TOP1, old, new, Change(new - old, newcombe(old, new, intervals), APART))


def newcombe(old: float, new: float, intervals: Sequence[Interval]) -> Interval:
    """Interval of the difference of two shares, by those of both (R. G. Newcombe, Stat. Med. 17, 1998, method 10).

    It takes them for independent, so on the same images it is wider than need be.
    """
    of_old, of_new = intervals
    if of_old is None or of_new is None:
        return None
    (old_low, old_high), (new_low, new_high) = of_old, of_new
    change = new - old
    return (
        change - math.hypot(new - new_low, old_high - old),
        change + math.hypot(new_high - new, old - old_low),
    )


# What is told in words.


def _words(both: _Pair) -> Iterator[Row]:
    """What became of a row, and its warnings."""
    what = "" if both.old["status"] == both.new["status"] else _became(both.new["status"])
    yield _told(both, STATUS, _state(both.old), _state(both.new), what)
    old, new = (_warnings(row) for row in both)
    words = [f"new: {text}" for kind, text in new.items() if kind not in old]
    words += [f"gone: {text}" for kind, text in old.items() if kind not in new]
    if words:
        yield _told(both, WARNINGS, *map(doubts.BETWEEN.join, (old.values(), new.values(), words)))


def _state(row: Row) -> str:
    return row["status"] if not row.get("reason") else f"{row['status']}: {row['reason']}"


def _became(status: str) -> str:
    return {"ok": "to run now", "skipped": "to be skipped now"}.get(status, "to fail now")


def _warnings(row: Row) -> dict[str, str]:
    """The warnings of a row, by what is left of each without its numbers: these differ from run to run.

    How well the sweep knew its latency is of the run, too, and not of the version.
    """
    texts = doubts.separate(doubts.beside_rounds(row.get("warnings") or ""))
    return {re.sub(r"\d[\d.,]*", "#", text): text for text in texts}
