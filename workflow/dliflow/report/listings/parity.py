"""How far every converted model's scores are from the reference runtime's, and how far they may be."""

from __future__ import annotations

from functools import partial

from dliflow.analysis.rows import Row, Rows
from dliflow.report import names, units
from dliflow.report.listings import Cell, Heading, Line, Link, Listing, cell, explained, kind

HEADINGS = [
    Heading("Images", "In the batch that was compared."),
    Heading("Largest", "Largest difference of any score."),
    Heading("Relative", "That difference over the reference’s largest score."),
    Heading("≤", "Accepted up to (parity.tolerance)."),
    Heading("Distance", "Root mean square of all differences, over the standard deviation of the reference’s scores: "
            "0 for the same scores, 1 for a network that says nothing."),
    Heading("≤", "Accepted up to (parity.distance)."),
    Heading("Same", "Images of the reference’s top-1 class.", "%"),
    Heading("≥", "Accepted from (parity.agreement).", "%"),
    Heading("Status", "Where it failed, nothing of this configuration is shown elsewhere.", number=False),
]  # fmt: skip


def listing(parity: Rows, record: Link) -> Listing:
    """Every configuration; those that are declared not to exist come last."""
    order = sorted(parity, key=lambda row: row["status"] == "skipped")
    lines = [line(row, index, record) for index, row in enumerate(order)]
    return Listing("parity", "Parity of every converted model", HEADINGS, lines, {})


def line(row: Row, index: int, record: Link) -> Line:
    """One configuration."""
    anchor, name = f"parity-{index}", names.configuration(row)
    if row["status"] == "skipped":
        return Line(anchor, name, kind(row), [], f"skipped: {row['reason']}")
    of = partial(cell, "parity", row)
    free = "any is accepted" if row["status"] == "ok" else ""
    cells = [
        of("images", str),
        of("max_abs_score_diff", units.scientific, link=record(row["record"])),
        of("max_rel_score_diff", units.scientific),
        explained(of("tolerance", units.scientific), free),
        of("score_distance", units.scientific),
        explained(of("distance_bound", units.scientific), free),
        of("agreement", units.percent),
        explained(of("agreement_bound", units.percent), free),
        Cell(row["status"], why=row["reason"] or "", tone="loss" if row["status"] == "failed" else ""),
    ]
    return Line(anchor, name, kind(row), cells)
