"""What each point takes on each further node, over the study's first one."""

from __future__ import annotations

from functools import partial

from dliflow.analysis.rows import Rows
from dliflow.report import names, units
from dliflow.report.listings import Cell, Heading, Line, Listing, cell, kind

HEADINGS = [
    Heading("Batch", "Images in a request."),
    Heading("Node", "The machine that is compared.", number=False),
    Heading("Against", "The first node of the study that has figures for it.", number=False),
    Heading("Ratio", "Latency there over latency on the first node, each at its own node’s reference state, with the "
            "95 % interval; below 1 it is faster there."),
    Heading("As measured", "The same of the latencies as measured, with the 95 % interval: also what else the machines "
            "were busy with."),
    Heading("Latency", "There, at its reference state.", "ms"),
    Heading("Of the first", "On the first node, at its reference state.", "ms"),
    Heading("Anchor", "What the anchor takes there over what it takes on the first node, at the reference states: how "
            "much faster or slower the machines are for a small network that no upgrade changes."),
    Heading("Shown", "Who is faster, where the intervals of both ratios say so.", number=False),
]  # fmt: skip


def listing(nodes: Rows) -> Listing:
    """Every row of nodes.csv."""
    lines = []
    for row in nodes:
        of = partial(cell, "nodes", row)
        cells = [
            Cell(str(row["batch_size"])),
            Cell(row["node"]),
            Cell(row["against"]),
            of("ratio", units.ratio, "ratio_ci_*"),
            of("measured_ratio", units.ratio, "measured_ratio_ci_*"),
            of("latency_reference_ms"),
            of("against_reference_ms"),
            of("anchor_ratio", units.ratio),
            Cell(row["verdict"]),
        ]
        # It is about several nodes, so that whoever looks at one of them sees it, too.
        lines.append(Line(f"nodes-{names.anchor(row)}", names.configuration(row), kind({**row, "node": None}), cells))
    return Listing("nodes", "Every configuration on each node, over the first one", HEADINGS, lines, {})
