"""Images per second with several requests in flight, and what single requests take under that load."""

from __future__ import annotations

from functools import partial

from dliflow.analysis import doubts
from dliflow.analysis.rows import Row, Rows
from dliflow.report import names
from dliflow.report.listings import Cell, Heading, Line, Link, Listing, Remarks, cell, kind

HEADINGS = [
    Heading("Batch", "Images in a request."),
    Heading("In flight", "So many requests at any time; a new one begins when another has ended."),
    Heading("Images/s", "Completed in a second of wall time while all were in flight, at the reference state, with the "
            "95 % interval. Green: the knee, the smallest number in flight whose interval reaches 95 % of the most; "
            "none where the machine was too busy to tell."),
    Heading("p50", "Half of the requests took no longer under that load, as measured.", "ms"),
    Heading("p90", "Nine of ten took no longer.", "ms"),
    Heading("p99", "99 of a hundred took no longer.", "ms"),
    Heading("How", "A queue of the framework’s own, threads that call one session, threads with sessions of their own, "
            "or processes on cores of their own.", number=False),
    Heading("Thr.", "Compute threads of all of them, as the framework itself tells."),
    Heading("Memory", "Peak resident memory of all processes.", "MiB"),
    Heading("Requests", "Behind the percentiles, in how many sessions."),
]  # fmt: skip


def listing(throughput: Rows, record: Link) -> Listing:
    """Every configuration, batch size and number in flight, those without figures last."""
    remarks = Remarks()
    lines = [line(row, remarks, record) for row in throughput if row["status"] == "ok"]
    gaps = [
        Line(anchor(row), names.configuration(row), kind(row), size(row), f"{row['status']}: {row['reason']}")
        for row in throughput
        if row["status"] != "ok"
    ]
    caption = "Throughput of every configuration by requests in flight"
    return Listing("throughput", caption, HEADINGS, lines + gaps, remarks.all())


def anchor(row: Row) -> str:
    """Where the row stands on the page."""
    return f"{names.anchor(row)}-{row['in_flight']}"


def size(row: Row) -> list[Cell]:
    """What it was measured at."""
    return [Cell(str(row["batch_size"])), Cell(str(row["in_flight"]))]


def line(row: Row, remarks: Remarks, record: Link) -> Line:
    """One of them."""
    of = partial(cell, "throughput", row)
    cells = [
        *size(row),
        of("images_per_s", ends="images_per_s_ci_*", marks=remarks.mark(row["warnings"]), link=record(row["record"])),
        of("latency_p50_ms"),
        of("latency_p90_ms"),
        of("latency_p99_ms"),
        of("mode", str),
        of("threads_in_effect", str),
        of("peak_rss_mib"),
        of("requests", lambda value: f"{value:,} in {row['sessions']}"),
    ]
    knee = bool(row["knee"]) and not doubts.doubtful(doubts.separate(row["warnings"]))
    return Line(anchor(row), names.configuration(row), kind(row), cells, best=knee)
