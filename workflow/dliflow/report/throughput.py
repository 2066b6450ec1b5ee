"""Several requests in flight: images per second, and the tail of latencies, over their number."""

from __future__ import annotations

from typing import NamedTuple, Optional

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dliflow.analysis.columns import CONFIGURATION, SETTING
from dliflow.analysis.rows import Row, Rows, grouped
from dliflow.report import canvas, names
from dliflow.report.canvas import Block, Look
from dliflow.report.curves import Series, lines
from dliflow.report.marks import CROWD, Range, explain, without
from dliflow.report.read import Tables

POINT = (*SETTING, "batch_size")
LINE = (*CONFIGURATION, "parameters")
OFF = "Not measured: throughput.in_flight names no number of requests."


class Loaded(NamedTuple):
    """All rows with figures of a model × device × node at one batch size."""

    title: str
    configurations: list[Rows]
    """Rows of each, by number in flight; those first that reach most images per second."""
    budget_ms: Optional[float]
    best: Optional[Row]
    """The row with most images per second within the budget of the whole setting, where it is of this batch size."""


def blocks(throughput: Rows) -> list[Loaded]:
    """Those of the page and of the plot, in the order of the table."""
    good = [row for row in throughput if row["status"] == "ok" and row["images_per_s"]]
    return [_block(rows) for rows in grouped(good, POINT).values()]


def _block(rows: Rows) -> Loaded:
    configurations = [sorted(of_one, key=lambda row: row["in_flight"]) for of_one in grouped(rows, LINE).values()]
    configurations.sort(key=lambda of_one: -max(row["images_per_s"] for row in of_one))
    title = f"{names.setting({**rows[0], 'scenario': None})} · batch size {rows[0]['batch_size']}"
    best = next((row for row in rows if row["most_within_budget"]), None)
    return Loaded(title, configurations, rows[0]["p99_budget_ms"], best)


def series_of(rows: Rows, column: str, look: Look) -> Series:
    """A column of a configuration's rows over the number of requests in flight, where it is known."""
    known = [row for row in rows if row[column] is not None]
    return Series(
        names.configuration(rows[0]),
        names.configuration(rows[0], framework=False),
        rows[0]["framework"],
        look,
        [row["in_flight"] for row in known],
        [row[column] for row in known],
        [_interval(row, column) for row in known],
    )


def _interval(row: Row, column: str) -> Range:
    low, high = (row.get(f"{column}_ci_{end}") for end in ("low", "high"))
    return None if low is None or high is None else (low, high)


def cell(axes: Axes, drawn: list[Series], label: str) -> None:
    """One of the two: a line for each configuration that has points."""
    drawn = [line for line in drawn if line.y]
    axes.set_ylabel(label)
    axes.set_xlabel("Requests in flight")
    if drawn:
        lines(axes, drawn, [], short=False)
    else:
        axes.text(0.5, 0.5, "too few requests", ha="center", va="center", transform=axes.transAxes, color=canvas.MUTED)


def throughput(tables: Tables) -> Figure:
    """For each model × device × node and batch size: images per second, and the 99th percentile of latencies."""
    every = blocks(tables.throughput)
    if not every:
        return canvas.blank(explain(tables.throughput) if tables.throughput else OFF)
    looks = canvas.looks(tables)
    heights = [2.6] * len(every)
    drawn, left_out = canvas.fitting([Block(one.title, ["", ""]) for one in every], heights, columns=2)
    figure, axes = canvas.grid(drawn, heights, columns=2)
    for one, (left, right) in zip(every, axes):
        shown = one.configurations[:CROWD]
        for place, column, label in (
            (left, "images_per_s", "Images per second"),
            (right, "latency_p99_ms", "p99 of requests, ms"),
        ):
            cell(place, [series_of(rows, column, looks[canvas.look_key(rows[0])]) for rows in shown], label)
    notes = ["Images per second: while all requests were in flight, at the reference state, with its 95 % interval."]
    if any(len(one.configurations) > CROWD for one in every):
        notes.append(f"The {CROWD} configurations that reach most; the table has all.")
    canvas.footnote(figure, " ".join(filter(None, (*notes, left_out, without(tables.throughput)))))
    return figure
