"""Every figure over time: Vega-Lite, in the looks of the report. A line is what `history` says is one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any, NamedTuple, Optional

import altair as alt
import vl_convert
from markupsafe import Markup

from dliflow.analysis.columns import POINT
from dliflow.analysis.rows import Row, Rows, key
from dliflow.collection import history
from dliflow.collection.history import Shown
from dliflow.report import canvas, charts, names, page, points
from dliflow.report.charts import Chart, Palette
from dliflow.report.read import Tables

ENDS = "Ringed: the first figure of another version. A line ends where what may not be compared with it begins."
INTERVALS = "Upright lines are 95 % intervals."
STILL = 860  # pixels that a picture is wide
TICKS = 6  # of the axis of dates, about


class Drawn(NamedTuple):
    """A figure over time."""

    name: str
    heading: str
    axis: str
    data: str
    intervals: bool = False
    logarithmic: bool = True


SPEED, QUALITY = "speed", "quality"
FIGURES = (
    Drawn("latency", "Latency", "Latency at the machine’s reference state, ms", SPEED, intervals=True),
    Drawn("fps", "Images per second", "FPS at the machine’s reference state", SPEED, intervals=True),
    Drawn("top1", "Top-1", "Top-1, %", QUALITY, intervals=True, logarithmic=False),
    Drawn("agreement", "Agreement", "Same top-1 class as FP32, % of images without labels", QUALITY, intervals=True,
          logarithmic=False),
    Drawn("memory", "Peak memory", "Peak resident memory, MiB", SPEED),
    Drawn("load", "Load time", "Opening the model, ms", SPEED),
    Drawn("first", "First request", "The first request, ms", SPEED),
    Drawn("size", "Size of the model’s files", "The converted model’s files, MiB", SPEED),
)  # fmt: skip


def tables(studies: Iterable[Shown]) -> Tables:
    """All figures as if they were of one study: what colours and shapes are given by."""
    every = list(studies)
    empty: dict[str, Rows] = {name: [] for name in Tables._fields}
    speeds = [row for study in every for row in study.speeds]
    qualities = [row for study in every for row in study.qualities]
    return Tables(**{**empty, "performance": speeds, "accuracy": qualities})


def minute(date: str) -> str:
    """A date as charts take it, in UTC."""
    return datetime.fromisoformat(date).astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%MZ")


def rows(studies: Sequence[Shown], looks: dict[tuple, canvas.Look]) -> dict[str, Rows]:
    """The figures of a model on a machine, by the name that a chart asks for."""
    return {SPEED: list(_speed(studies, looks)), QUALITY: list(_quality(studies, looks))}


def anchors(studies: Sequence[Shown]) -> dict[tuple, str]:
    """Where the last figures of each point stand on the page."""
    return {point: f"now-{number}" for number, point in enumerate(history.latest(studies))}


def _drawn_as(study: Shown, row: Row, looks: dict[tuple, canvas.Look]) -> Row:
    """What every chart has to know of a row."""
    return {
        "name": names.configuration(row),
        "framework": row["framework"],
        "precision": row["precision"],
        "filled": float(looks[canvas.look_key(row)].filling == "full"),
        "date": minute(study.date),
        "version": row["framework_version"],
    }


def _speed(studies: Sequence[Shown], looks: dict[tuple, canvas.Look]) -> Iterable[Row]:
    places = anchors(studies)
    every = ((study, row, history.speed_line(study.entry, row)) for study in studies for row in study.speeds)
    for study, row, line, changed in history.numbered(every):
        latency = history.latency(row)
        size = row["model_bytes"]
        yield {
            **_drawn_as(study, row, looks),
            "anchor": places[key(row, POINT)],
            "setting": names.place(row),
            "batch": row["batch_size"],
            "line": line,
            "changed": int(changed),
            **points.ended("latency", latency),
            **points.ended("fps", latency.inverse.times(1000 * row["batch_size"])),
            "memory": row["peak_rss_mib"],
            "load": row["load_ms"],
            "first": row["first_request_ms"],
            "size": None if size is None else size / 2**20,
        }


def _quality(studies: Sequence[Shown], looks: dict[tuple, canvas.Look]) -> Iterable[Row]:
    every = ((study, row, history.quality_line(study.entry, row)) for study in studies for row in study.qualities)
    for study, row, line, changed in history.numbered(every):
        yield {
            **_drawn_as(study, row, looks),
            "model": row["model"],
            "line": line,
            "changed": int(changed),
            "dataset": row["dataset"],
            **points.shares("top1", row, "top1"),
            **points.shares("agreement", row, "unlabelled_agreement"),
        }


def drawn(scales: Palette, data: dict[str, Rows]) -> list[Chart]:
    """Every chart that has something to show."""
    every = [over_time(of, scales, data) for of in FIGURES]
    return [chart for chart in every if chart is not None]


def over_time(of: Drawn, scales: Palette, data: dict[str, Rows]) -> Optional[Chart]:
    """A figure over the dates of the studies."""
    if not any(row[of.name] is not None for row in data[of.data]):
        return None
    dates = alt.Axis(format=date_format(row["date"] for row in data[of.data]), tickCount=TICKS, labelOverlap=True)
    x = alt.X("date:T", title=None, scale=alt.Scale(type="utc", padding=14), axis=dates)
    linear = alt.Y(f"{of.name}:Q", title=of.axis, scale=alt.Scale(zero=False, padding=12))
    y = charts.logarithmic(of.name, of.axis, alt.Y) if of.logarithmic else linear
    there = f"isValid(datum.{of.name})"
    figures = alt.Chart(alt.NamedData("rows")).transform_filter(there)
    ring = figures.transform_filter("datum.changed").mark_point(size=190, filled=False, strokeWidth=1)
    shown: list[Any] = ["name:N", alt.Tooltip("date:T", format="%Y-%m-%d %H:%M", title="date, UTC"), "version:N"]
    layers = [
        charts.line(figures, scales).encode(x=x, y=y, detail="line:N"),
        ring.encode(x=x, y=y, stroke=alt.StrokeValue(canvas.MUTED)),
        charts.marks(scales).transform_filter(there).encode(x=x, y=y, tooltip=[*shown, *tooltips(of)]),
    ]
    if of.intervals:
        layers.insert(1, charts.whisker(scales, "y", of.name).encode(x=x))
    note = f"{INTERVALS} {ENDS}" if of.intervals else ENDS
    chart = alt.layer(*layers).properties(height=380)
    return charts.made(of.name, of.heading, note, of.data, chart, data, one_size=of.data == SPEED)


def date_format(dates: Iterable[str]) -> str:
    """How dates are written so that no two marks of an axis read the same: with the time where all are of few days."""
    at = [datetime.fromisoformat(date) for date in dates]
    return "%Y-%m-%d" if max(at) - min(at) >= timedelta(days=TICKS) else "%Y-%m-%d %H:%M"


def tooltips(of: Drawn) -> list[alt.Tooltip]:
    """The figure, and its interval."""
    ends = [charts.figure(f"{of.name}_low", "from"), charts.figure(f"{of.name}_high", "to")] if of.intervals else []
    return [charts.figure(of.name, of.axis), *ends]


def still(chart: Chart, data: dict[str, Rows], title: str) -> Markup:
    """A chart of the smallest batch size as a picture, for paper, screen readers and where no script runs."""
    of_chart = data[chart.data]
    smallest = min((row["batch"] for row in of_chart if "batch" in row), default=None)
    left = [row for row in of_chart if row.get("batch") == smallest]
    spec = {**chart.spec, "width": STILL, "datasets": {"rows": left}}
    spec.pop("autosize")
    axis = {"labelColor": canvas.INK, "titleColor": canvas.INK, "gridColor": canvas.GRID, "domainColor": canvas.MUTED,
            "tickColor": canvas.MUTED, "titleFontWeight": "normal"}  # fmt: skip
    legend = {"labelColor": canvas.INK, "titleColor": canvas.MUTED}
    look = {"aria": False, "background": None, "font": "DejaVu Sans", "view": {"stroke": None}}
    svg = vl_convert.vegalite_to_svg(json.dumps(spec), config={**look, "axis": axis, "legend": legend})
    # One picture for screen readers, not a tree of marks without names.
    return page.inline(re.sub(r' (?:role|aria-roledescription)="[^"]*"', "", svg), f"still-{chart.name}", title)
