"""What was measured together, in rounds."""

from __future__ import annotations

from dliflow.analysis.comparison import TIE
from dliflow.report import names, units
from dliflow.report.comparison import Block, Gain
from dliflow.report.listings import Cell, Heading, Line, Link, Listing, Remarks, kind

HEADINGS = [
    Heading("Second", "What the first is set against.", number=False),
    Heading("Batch", "Images in a request; “all” where the fastest of each batch size were compared."),
    Heading("Why", "Among the leaders, against FP32, against default launch parameters, C++ against Python, against "
            "an older version, or one batch size against another.", number=False),
    Heading("Ratio", "Of their latencies at the reference state, of batch sizes that of an image’s "
            "time; below 1 the first is faster. Its 95 % interval holds for all pairs of leaders together."),
    Heading("Verdict", "What the interval shows.", number=False),
    Heading("Slope", "By how many per cent the ratio rises when the anchor’s time does by one: near 0 the machine’s "
            "state makes no difference to who is faster."),
    Heading("Rounds", "Of all together, in how many groups of new processes."),
    Heading("Ended by", "Decided, or the budget was spent.", number=False),
    Heading("Would decide", "About so many more groups, and how long they take.", number=False),
]  # fmt: skip


def listing(blocks: list[Block], record: Link) -> Listing:
    """Every pair, in the order of the table, and of what tells nothing why."""
    remarks = Remarks()
    lines: list[Line] = []
    for block in blocks:
        for gain in block.gains:
            lines.append(line(gain, f"rounds-{len(lines)}", block, remarks, record))
        for reason in block.untold:
            lines.append(Line(f"rounds-{len(lines)}", block.title, {}, [], reason))
    return Listing("rounds", "Pairs that were measured together", HEADINGS, lines, remarks.all(), named="First")


def line(gain: Gain, anchor: str, block: Block, remarks: Remarks, record: Link) -> Line:
    """One pair."""
    row, (low, high) = gain.row, gain.ratio.interval or (None, None)
    first = {**row, **names.parts(row["first"])}
    cells = [
        Cell(breaking(gain.second)),
        Cell("all" if row["batch_size"] is None else str(row["batch_size"]), sort=row["batch_size"] or 0),
        Cell(row["purpose"]),
        Cell(
            units.ratio(gain.ratio.value, low, high),
            interval=units.ratio_interval(gain.ratio.value, low, high),
            marks=remarks.mark(row["warnings"]),
            link=record(row["record"]),
        ),
        Cell("doubtful" if block.doubtful else gain.verdict),
        Cell(units.significant(row["state_slope"], 2)),
        Cell(f"{row['rounds']} in {row['groups']}"),
        Cell(row["stopped_by"]),
        needed(gain, block.doubtful),
    ]
    return Line(anchor, breaking(gain.first), kind(first), cells)


def breaking(name: str) -> str:
    """A member's name, which may break before its batch size and not in it."""
    configuration, opened, size = name.partition(" (")
    return configuration + opened + size.replace(" ", "\u00a0")


def needed(gain: Gain, doubtful: bool) -> Cell:
    """What would decide a pair that is open."""
    row = gain.row
    if doubtful:
        return Cell(units.EMPTY, why="the machine was too busy to tell")
    if gain.verdict != TIE or row["groups_needed"] == 0:
        return Cell("decided")
    if row["groups_needed"] is None:
        return Cell(units.EMPTY, why="even very many groups would hardly tell")
    seconds = row["groups_needed"] * (row["group_s"] or 0.0)
    return Cell(f"{names.count(row['groups_needed'], 'group')}, {units.duration(seconds)}")
