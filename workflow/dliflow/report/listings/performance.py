"""Latency, FPS and what else was measured of every configuration and batch size."""

from __future__ import annotations

from functools import partial

from dliflow.analysis import doubts
from dliflow.analysis.ranking import FASTEST, TIE, UNDECIDED
from dliflow.analysis.rows import Row, Rows
from dliflow.report import names, units
from dliflow.report.conclusion import Batch, Entry, Setting
from dliflow.report.listings import Cell, Heading, Line, Listing, Remarks, cell, kind

MARKS = {TIE: " ≈", UNDECIDED: " ?"}
HEADINGS = [
    Heading("Batch", "Images in a request."),
    Heading(
        "Latency",
        "At the reference state, with its 95 % interval: as if the machine were always as fast as the anchor, a fixed "
        "small network, was in the median of the sweep. Order, ratios and FPS rest on it.",
        "ms",
    ),
    Heading("FPS", "Images per second: batch size / latency at the reference state."),
    Heading(
        "× fastest",
        "Latency over that of the fastest of its batch size. ⇄: settled in rounds, measured together, and its latency "
        "is this ratio times that of the fastest. ≈: no difference shown. ?: had no part in the rounds, and is not "
        "told apart.",
    ),
    Heading("Raw", "Latency as measured, in whatever state the machine was; so are p90, p99 and the rest.", "ms"),
    Heading(
        "Slope",
        "By how many per cent the latency rises when the anchor’s does by one for a while: near 1 for what slows down "
        "like it, near 0 for what the machine’s state does not touch.",
    ),
    Heading("p90", "Nine of ten requests took no longer.", "ms"),
    Heading("p99", "99 of a hundred requests took no longer.", "ms"),
    Heading("Load", "Opening the model.", "ms"),
    Heading("First", "The first request, before any warm-up.", "ms"),
    Heading("Memory", "Peak resident memory of the process.", "MiB"),
    Heading("Size", "The converted model’s files.", "MiB"),
    Heading("Thr.", "Compute threads, as the framework itself tells."),
    Heading("Requests", "Measured requests, in how many sessions (openings of the model)."),
]  # fmt: skip


def listing(settings: list[Setting], performance: Rows) -> Listing:
    """Everything with figures in the order of its batch size, then what has none."""
    remarks = Remarks()
    lines = [
        line(entry, batch, remarks) for setting in settings for batch in setting.batches for entry in batch.entries
    ]
    gaps = [
        Line(names.anchor(row), names.configuration(row), kind(row), [size(row)], f"{row['status']}: {row['reason']}")
        for row in performance
        if row["status"] != "ok"
    ]
    caption = "Latency and FPS of every configuration and batch size"
    return Listing("performance", caption, HEADINGS, lines + gaps, remarks.all())


def size(row: Row) -> Cell:
    """The batch size."""
    return Cell(str(row["batch_size"]))


def line(entry: Entry, batch: Batch, remarks: Remarks) -> Line:
    """One configuration at a batch size."""
    row, fastest = entry.standing.row, entry.verdict == FASTEST and not batch.doubtful
    of = partial(cell, "performance", row)
    latency = entry.standing.latency
    sessions = f" in {row['sessions']}" if row["sessions"] else ""
    cells = [
        size(row),
        Cell(
            units.significant(latency.value),
            interval=units.interval(*(latency.interval or (None, None))),
            marks=remarks.mark(doubts.beside_latency(entry.standing)),
        ),
        Cell(units.significant(entry.standing.fps.value)),
        beside(entry, batch),
        of("latency_p50_ms"),
        of("state_slope", lambda value: units.significant(value, 2)),
        of("latency_p90_ms"),
        of("latency_p99_ms"),
        of("load_ms"),
        of("first_request_ms"),
        of("peak_rss_mib"),
        of("model_bytes", units.mebibytes),
        of("threads_in_effect", str),
        of("requests", lambda value: f"{value:,}{sessions}"),
    ]
    return Line(names.anchor(row), entry.name, kind(row), cells, best=fastest)


def beside(entry: Entry, batch: Batch) -> Cell:
    """Its latency over that of the fastest."""
    rounds = " ⇄" if entry.standing.rounds else ""
    if entry.verdict == FASTEST:
        return Cell(f"{'doubtful' if batch.doubtful else 'fastest'}{rounds}", sort=1.0)
    ratio = entry.standing.ratio
    low, high = ratio.interval or (None, None)
    text = f"{units.ratio(ratio.value, low, high)}{MARKS.get(entry.verdict, '')}{rounds}"
    return Cell(text, interval=units.ratio_interval(ratio.value, low, high))
