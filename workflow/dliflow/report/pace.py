"""How fast the machine was over the whole study, as the anchor tells."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dliflow.analysis.rows import Rows, grouped
from dliflow.report import canvas, units
from dliflow.report.canvas import FAINT, GRID, INK, MUTED, Block
from dliflow.report.marks import explain, log_axis
from dliflow.report.read import Tables

MOST = 3000  # strokes: more cannot be told apart
GAP, LEFT = 0.5, 0.05  # a pause longer than that is cut down to this, hours
SPIKE = 1.3  # times what 95 of 100 sessions keep within: what is longer ends at the edge, so that it flattens nothing


class Session(NamedTuple):
    """One opening of a model, or of all members of a comparison."""

    started: float
    """Seconds since 1970."""
    anchors: list[float]
    """Beside its bursts, over the reference state; of a session of the sweep the median alone."""
    record: str
    """Of the comparison; empty for a session of the sweep."""


def sessions_of(measurements: Rows, rounds: Rows) -> list[Session]:
    """Every session of a node in the order in which they were opened.

    The anchor's times are over their median in the sweep, the reference state, for each number of its threads; where
    the sweep has none, over that in the rounds.
    """
    measured = [row for row in measurements if row["started_at"] and row["anchor_ms"]]
    reference = {
        threads: np.median([row["anchor_ms"] for row in rows])
        for table in (rounds, measured)
        for (threads,), rows in grouped(table, ("anchor_threads",)).items()
    }

    def session(rows: Rows, record: str) -> Session:
        anchors = [row["anchor_ms"] / reference[row["anchor_threads"]] for row in rows]
        return Session(seconds(rows[0]["started_at"]), anchors, record)

    sweep = [session([row], "") for row in measured]
    compared = [session(rows, rows[0]["record"]) for rows in grouped(rounds, ("record", "group", "session")).values()]
    return sorted(sweep + compared)


def together(sessions: list[Session]) -> list[Session]:
    """Where they are too many to be told apart, so many neighbours as one."""
    count = -(-len(sessions) // MOST)
    parts = [sessions[first : first + count] for first in range(0, len(sessions), count)]
    return [Session(part[0].started, [each for one in part for each in one.anchors], part[0].record) for part in parts]


def seconds(text: str) -> float:
    """ISO 8601 as seconds since 1970."""
    return datetime.fromisoformat(text).timestamp()


def hours(started: Sequence[float]) -> tuple[np.ndarray, list[float]]:
    """Hours from the first on without long pauses, and where these were cut out.

    Args:
        started: in rising order, seconds.
    """
    steps = np.diff(started) / 3600
    cut = steps > GAP
    passed = np.concatenate([[0.0], np.cumsum(np.where(cut, LEFT, steps))])
    return passed, [float(place - LEFT / 2) for place in passed[1:][cut]]


def limits(ends: np.ndarray) -> tuple[float, float]:
    """Ends of the axis.

    Args:
        ends: least and largest of each session, float64 (sessions, 2), over the reference state.
    """
    usual = SPIKE * float(np.quantile(ends[:, 1], 0.95))
    return min(ends.min() / 1.05, 0.8), max(min(ends.max() * 1.05, usual), 1.25)


def speed(axes: Axes, sessions: list[Session]) -> None:
    """One node: each session's median, of comparisons the range of their bursts, over the reference state."""
    x, cuts = hours([session.started for session in sessions])
    unit = 1 if x[-1] > 2 else 60
    x, cuts = x * unit, [place * unit for place in cuts]
    spans: dict[str, list[float]] = {}
    for place, session in zip(x, sessions):
        spans.setdefault(session.record, []).append(place)
    for inside in (places for record, places in spans.items() if record):
        axes.axvspan(min(inside), max(inside), color=GRID, lw=0, zorder=0)
    for place in cuts:
        axes.axvline(place, color=MUTED, lw=0.8, ls=":")
    middles = np.array([np.median(session.anchors) for session in sessions])
    ends = np.array([(min(session.anchors), max(session.anchors)) for session in sessions])
    wide = ends[:, 1] > ends[:, 0]
    low, high = limits(ends)
    axes.vlines(x[wide], ends[wide, 0], np.minimum(ends[wide, 1], high), color=FAINT, lw=0.8, zorder=1)
    # Short strokes in one path: a third of the bytes of as many markers.
    half, gap = max(x[-1], 0.01) * 0.001, np.nan * x
    axes.plot(np.ravel([x - half, x + half, gap], "F"), np.ravel([middles, middles, gap], "F"), color=INK, lw=1.8)
    axes.axhline(1, color=MUTED, lw=0.8)
    beyond = x[ends[:, 1] > high]
    if beyond.size:
        axes.plot(beyond, np.full_like(beyond, high), "^", color=INK, ms=3.5, mew=0, clip_on=False)
        text = f"▲ beyond the edge: up to {units.significant(ends.max())}"
        axes.text(1, 1.03, text, transform=axes.transAxes, ha="right", fontsize=7, color=MUTED)
    axes.set_yscale("log")
    axes.set_ylim(low, high)
    log_axis(axes.yaxis, low, high)
    axes.set_xlim(-0.01 * (x[-1] or 1), 1.01 * (x[-1] or 1))
    axes.set_ylabel("Anchor's time over\nthe reference state's")
    begin = datetime.fromtimestamp(sessions[0].started, timezone.utc)
    axes.set_xlabel(f"{'Hours' if unit == 1 else 'Minutes'} since {begin:%Y-%m-%d %H:%M} UTC")
    axes.grid(True, axis="y")


def machine(tables: Tables) -> Figure:
    """A block for every node that measured."""
    nodes = {}
    for node in dict.fromkeys(row["node"] for row in tables.performance):
        sessions = sessions_of(
            *([row for row in table if row["node"] == node] for table in (tables.measurements, tables.rounds))
        )
        if sessions:
            nodes[node] = together(sessions)
    if not nodes:
        return canvas.blank(explain(tables.performance))
    shown, left_out = canvas.fitting([Block(node, [""]) for node in nodes], [2.2] * len(nodes))
    figure, axes = canvas.grid(shown, [2.2] * len(shown), width=9)
    for sessions, (cell_axes,) in zip(nodes.values(), axes):
        speed(cell_axes, sessions)
    canvas.footnote(
        figure,
        "Higher is slower. Dots: the median of the anchor, a fixed piece of work, in each session; bars: its range "
        "over the bursts of a session of rounds. Shaded: comparisons. Dotted: a pause that was cut out. " + left_out,
    )
    return figure
