"""The interactive charts: Vega-Lite, written with Altair; the page's script gives them the rows that its filter leaves.

Colour tells the framework, shape and line style the precision, a hollow mark another variant: the looks of `canvas`, so
that a configuration looks the same in every picture. What a chart shows is decided here; the script only chooses rows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Optional

import altair as alt

from dliflow.analysis.rows import Rows
from dliflow.report import canvas
from dliflow.report.read import Tables

SHAPES = {"o": "circle", "s": "square", "^": "triangle-up", "D": "diamond"}
DASHES = {"-": [1, 0], "--": [6, 3], "-.": [6, 3, 1, 3], ":": [2, 2]}
LATENCY = "Latency at the reference state, ms"


class Chart(NamedTuple):
    """A picture of some of the rows that the page has."""

    name: str
    heading: str
    note: str
    data: str
    """Which rows: `points`, `tuned`, `load` or `versions`."""
    one_size: bool
    """Whether it shows a single batch size."""
    spec: dict[str, Any]


class Palette(NamedTuple):
    """Scales that all charts share."""

    colour: alt.Scale
    shape: alt.Scale
    dash: alt.Scale


def palette(tables: Tables) -> Palette:
    """The looks of every configuration of a study, as scales."""
    colours: dict[str, str] = {}
    for key, look in canvas.looks(tables).items():
        colours[key[0]] = look.colour
    precisions = list(canvas.PRECISIONS)
    shapes, dashes = zip(*((SHAPES[marker], DASHES[line]) for marker, line in canvas.PRECISIONS.values()))
    return Palette(
        alt.Scale(domain=list(colours), range=list(colours.values())),
        alt.Scale(domain=precisions, range=list(shapes)),
        alt.Scale(domain=precisions, range=list(dashes)),
    )


def charts(tables: Tables, data: dict[str, Rows]) -> list[Chart]:
    """Every chart that has something to show.

    Args:
        data: what `points` makes, by name.
    """
    scales = palette(tables)
    every = [make(scales, data) for make in (ranking, latency, fps, top1, agreement, tuned, load, versions)]
    return [chart for chart in every if chart is not None]


def ranking(scales: Palette, data: dict[str, Rows]) -> Optional[Chart]:
    """The configurations of a batch size in their order."""
    chart = alt.layer(
        whisker(scales, "x", "latency").encode(y=row()),
        marks(scales).encode(x=logarithmic("latency", "Latency, ms"), y=row(), tooltip=TOOLTIP),
    )
    note = (
        "The fastest first, then by latency at the reference state; lines are 95 % intervals. Of many configurations "
        "the first 40 are drawn."
    )
    return made("ranking", "Ranking", note, "points", chart.properties(height=alt.Step(19)), data, one_size=True)


def latency(scales: Palette, data: dict[str, Rows]) -> Optional[Chart]:
    """Latency over batch size."""
    chart = over_sizes(scales, "latency", LATENCY)
    return made("latency", "Latency over batch size", BARS, "points", chart, data)


def fps(scales: Palette, data: dict[str, Rows]) -> Optional[Chart]:
    """Images per second over batch size."""
    chart = over_sizes(scales, "fps", "FPS, images per second")
    return made("fps", "FPS over batch size", BARS, "points", chart, data)


def top1(scales: Palette, data: dict[str, Rows]) -> Optional[Chart]:
    """Top-1 against latency."""
    return tradeoff(scales, data, "top1", "Top-1 against latency", "Top-1, %")


def agreement(scales: Palette, data: dict[str, Rows]) -> Optional[Chart]:
    """Agreement on images without labels against latency."""
    title = "Same top-1 class as its FP32, % of images without labels"
    return tradeoff(scales, data, "agreement", "Agreement against latency", title)


def tradeoff(scales: Palette, data: dict[str, Rows], quality: str, heading: str, title: str) -> Optional[Chart]:
    """A quality against latency, with the Pareto front."""
    if not any(row[quality] is not None for row in data["points"]):
        return None
    there, state = f"isValid(datum.{quality})", f"datum.{quality}_front"
    x = logarithmic("latency", LATENCY)
    y = alt.Y(f"{quality}:Q", title=title, scale=alt.Scale(zero=False))
    rows = alt.Chart(alt.NamedData("rows")).transform_filter(there)
    front = rows.transform_filter(f"{state} == 'on it'").mark_line(interpolate="step-after", strokeDash=[2, 3])
    ring = rows.transform_filter(f"{state} != 'beaten'").mark_point(size=190, filled=False, strokeWidth=1)
    chart = alt.layer(
        front.encode(x=x, y=y, stroke=alt.StrokeValue(canvas.MUTED)),
        whisker(scales, "x", "latency").transform_filter(there).encode(y=y),
        whisker(scales, "y", quality).transform_filter(there).encode(x=x),
        ring.encode(
            x=x,
            y=y,
            stroke=alt.StrokeValue(canvas.MUTED),
            strokeDash=alt.condition(f"{state} == 'on it'", alt.value([1, 0]), alt.value([2, 2])),
        ),
        marks(scales).transform_filter(there).encode(x=x, y=y, tooltip=TOOLTIP),
    )
    note = (
        "Ringed: the Pareto front by the estimates (dotted line), and dashed what may be on it: nothing is shown, by "
        "the 95 % intervals, to be both faster and better. It is the front of everything, whatever the filter."
    )
    return made(quality, heading, note, "points", chart.properties(height=360), data, one_size=True)


def tuned(scales: Palette, data: dict[str, Rows]) -> Optional[Chart]:
    """Tuned launch parameters against the defaults."""
    note = "Of latencies; below 1 tuned is faster."
    return ratios("tuned", "Default against tuned", "Tuned / default", note, scales, data)


def versions(scales: Palette, data: dict[str, Rows]) -> Optional[Chart]:
    """A framework's version against its older one."""
    note = "Of latencies; below 1 the new version is faster."
    return ratios("versions", "Before and after an upgrade", "New / old version", note, scales, data)


def ratios(name: str, heading: str, title: str, note: str, scales: Palette, data: dict[str, Rows]) -> Optional[Chart]:
    """Ratios with their intervals, around 1."""
    unity = alt.Chart(alt.InlineData([{"one": 1}])).mark_rule(stroke=canvas.MUTED).encode(x="one:Q")
    x = alt.X("ratio:Q", title=title, scale=alt.Scale(type="log", nice=False, padding=20))
    chart = alt.layer(
        unity,
        whisker(scales, "x", "ratio").encode(y=row()),
        marks(scales).encode(
            x=x, y=row(), tooltip=["name:N", figure("ratio"), figure("ratio_low"), figure("ratio_high")]
        ),
    )
    note = f"{note} Lines are 95 % intervals."
    return made(name, heading, note, name, chart.properties(height=alt.Step(19)), data)


def load(scales: Palette, data: dict[str, Rows]) -> Optional[Chart]:
    """Throughput over requests in flight."""
    x = alt.X("in_flight:O", title="Requests in flight", axis=alt.Axis(labelAngle=0))
    y = alt.Y("images_per_s:Q", title="Images per second")
    rows = alt.Chart(alt.NamedData("rows"))
    chart = alt.layer(
        line(rows, scales).encode(x=x, y=y),
        whisker(scales, "y", "images_per_s").encode(x=x),
        marks(scales).encode(x=x, y=y, tooltip=["name:N", "batch:O", "in_flight:O", figure("images_per_s"), "knee:N"]),
    )
    return made(
        "load", "Throughput against concurrency", BARS, "load", chart.properties(height=340), data, one_size=True
    )


def over_sizes(scales: Palette, name: str, title: str) -> Any:
    """A figure over batch size."""
    x = alt.X("batch:O", title="Batch size", axis=alt.Axis(labelAngle=0))
    y = logarithmic(name, title, alt.Y)
    rows = alt.Chart(alt.NamedData("rows"))
    return alt.layer(
        line(rows, scales).encode(x=x, y=y),
        whisker(scales, "y", name).encode(x=x),
        marks(scales).encode(x=x, y=y, tooltip=TOOLTIP),
    ).properties(height=360)


BARS = "Upright lines are 95 % intervals."


def figure(name: str, title: Optional[str] = None) -> alt.Tooltip:
    """A number in a tooltip."""
    return alt.Tooltip(f"{name}:Q", format=".4~r", title=title or name.replace("_", " "))


TOOLTIP: list[Any] = [
    *("name:N", "batch:O"),
    *(
        figure("latency", "latency, ms"),
        figure("latency_low", "from"),
        figure("latency_high", "to"),
        figure("fps", "FPS"),
    ),
    *("verdict:N", figure("top1", "top-1, %"), figure("agreement", "agreement, %")),
]


def row() -> alt.Y:
    """A row for each configuration, in the order of the data."""
    return alt.Y("name:N", sort=None, title=None, axis=alt.Axis(labelLimit=260, ticks=False, domain=False))


def logarithmic(name: str, title: str, axis: Callable[..., Any] = alt.X) -> Any:
    """A logarithmic axis, with few labels where it is long: else those of 7, 8 and 9 leave no room for that of 10."""
    ends = f"domain('{'x' if axis is alt.X else 'y'}')"
    digit = "round(datum.value / pow(10, floor(log(datum.value) / LN10 + 1e-9)))"
    few = f"{ends}[1] > 4 * {ends}[0] && indexof([1, 2, 3, 5], {digit}) < 0 ? '' : datum.label"
    scale = alt.Scale(type="log", nice=False, padding=12)
    inside = 14 if axis is alt.X else alt.Undefined  # px from an end, nearer to which a label would be cut off
    return axis(f"{name}:Q", title=title, scale=scale, axis=alt.Axis(labelExpr=few, labelFlush=inside))


def whisker(scales: Palette, along: str, name: str) -> alt.Chart:
    """The intervals of a figure, where there are any."""
    rows = alt.Chart(alt.NamedData("rows")).transform_filter(f"isValid(datum.{name}_low)")
    ends = {along: alt.X(f"{name}_low:Q") if along == "x" else alt.Y(f"{name}_low:Q"), f"{along}2": f"{name}_high:Q"}
    # Fill and stroke share one legend only where both of every layer have it; it would take over a mark's own opacity.
    colour = alt.Stroke("framework:N", scale=scales.colour, title="Framework")
    return rows.mark_rule().encode(stroke=colour, strokeOpacity=alt.StrokeOpacityValue(0.55), **ends)


def marks(scales: Palette) -> alt.Chart:
    """A mark for each row, in the look of its configuration."""
    return (
        alt.Chart(alt.NamedData("rows"))
        .mark_point(size=62, strokeWidth=1.6, opacity=1, cursor="pointer")
        .encode(
            stroke=alt.Stroke("framework:N", scale=scales.colour, title="Framework"),
            fill=alt.Fill("framework:N", scale=scales.colour, title="Framework"),
            fillOpacity=alt.FillOpacity("filled:Q", scale=None, legend=None),
            shape=alt.Shape("precision:N", scale=scales.shape, title="Precision"),
        )
    )


def line(rows: alt.Chart, scales: Palette) -> alt.Chart:
    """A line for each configuration."""
    return rows.mark_line(strokeWidth=1.5).encode(
        stroke=alt.Stroke("framework:N", scale=scales.colour, title="Framework"),
        strokeDash=alt.StrokeDash("precision:N", scale=scales.dash, title="Precision"),
        detail="name:N",
    )


def made(
    name: str,
    heading: str,
    note: str,
    data_name: str,
    chart: Any,
    data: dict[str, Rows],
    one_size: bool = False,
) -> Optional[Chart]:
    """The chart where its rows are there."""
    if not data[data_name]:
        return None
    fit = alt.AutoSizeParams(type="fit-x", contains="padding")
    spec = chart.properties(width="container", autosize=fit).to_dict()
    return Chart(name, heading, note, data_name, one_size, spec)
