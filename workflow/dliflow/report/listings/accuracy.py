"""Top-1, top-5 and what a conversion changes of them."""

from __future__ import annotations

from functools import partial

from dliflow.analysis.columns import CALLED
from dliflow.analysis.quality import quality
from dliflow.analysis.rows import Row, Rows
from dliflow.analysis.tables.accuracy import ACCEPTED_LOSS
from dliflow.report import names, units
from dliflow.report.cost import PARITY, percent
from dliflow.report.listings import EMPTY, Cell, Heading, Line, Link, Listing, Remarks, cell, explained, kind

HEADINGS = [
    Heading("Images", "Labelled images that it was evaluated on."),
    Heading("Top-1", "Share of images whose true class has the highest score, with its 95 % interval (Wilson).", "%"),
    Heading("Top-5", "Share of images whose true class is among the five of highest score.", "%"),
    Heading("Change", "Of top-1, against the configuration in the next column, on the same images, with its 95 % "
            "interval; red where it lies wholly below zero.", "pp"),
    Heading("Against", "FP32 of the same framework; for FP32 the reference runtime.", number=False),
    Heading("p", "McNemar’s exact p: how often chance alone makes as large a change."),
    Heading("Same", "Labelled images of the same top-1 class as the one it is set against, right or wrong.", "%"),
    Heading("Same, unlabelled", "The same on images without labels, with its 95 % interval.", "%"),
    Heading("Lost ≤", "No more of top-1 is lost than this: the end of the change’s interval, or, where less, the share "
            "of images whose class changes, at most. By parity: FP32 counts as losing what images show and no more, "
            "whatever they could have missed.", "%"),
    Heading("Loss of top-1", "Whether more than the accepted 1 % is lost, as far as the images can tell. Needed: about "
            "so many labelled images would tell, or so many without labels.",
            number=False),
]  # fmt: skip
UNLABELLED = "no images without labels were evaluated; agreement.dataset names some"


def listing(accuracy: Rows, record: Link) -> Listing:
    """Every configuration, those without figures last.

    Args:
        record: the page's link to a record.
    """
    remarks = Remarks()
    good = [row for row in accuracy if row["status"] == "ok"]
    gaps = [
        Line(f"accuracy-{index}", names.configuration(row), kind(row), [], f"{row['status']}: {row['reason']}")
        for index, row in enumerate(row for row in accuracy if row["status"] != "ok")
    ]
    lines = [line(row, remarks, record) for row in good]
    caption = "Quality of every configuration"
    return Listing("accuracy", caption, HEADINGS, lines + gaps, remarks.all())


def line(row: Row, remarks: Remarks, record: Link) -> Line:
    """One configuration."""
    of = partial(cell, "accuracy", row)
    loss = "loss" if row["top1_change_ci_high"] is not None and row["top1_change_ci_high"] < 0 else ""
    marks = remarks.mark(row["warnings"])
    why = row["baseline_reason"] or ""
    without = row["unlabelled_reason"] or why or UNLABELLED
    cells = [
        of("images", "{:,}".format),
        of("top1", units.percent, "top1_ci_*", marks=marks, link=record(row["record"])),
        of("top5", units.percent, "top5_ci_*"),
        explained(of("top1_change", units.points, "top1_change_ci_*", tone=loss), why),
        Cell(names.member(row["baseline"]), why=why) if row["baseline"] else Cell(units.EMPTY, why=why),
        explained(of("mcnemar_p", lambda value: units.significant(value, 2)), why),
        explained(of("agreement", units.percent), why),
        explained(of("unlabelled_agreement", units.percent, "unlabelled_agreement_ci_*"), without),
        explained(most(row), why),
        explained(verdict(row), why),
    ]
    anchor = "-".join(["accuracy", row["model"], row["dataset"], *(row[name] for name in CALLED)])
    return Line(anchor, names.configuration(row), kind(row), cells)


def most(row: Row) -> Cell:
    """What is lost at most, as the answer has it."""
    of = quality(row)
    if of.most is None:
        return Cell(units.EMPTY, why=row["verdict"] or EMPTY["accuracy", "top1_change"])
    text = units.at_most(of.most).removesuffix(" %")
    if of.alone is None:
        return Cell(text)
    return Cell(text, interval=PARITY, why=f"by the images alone, at most {units.at_most(of.alone)}")


def verdict(row: Row) -> Cell:
    """In words, and where neither parity nor images can tell, what would tell."""
    if not row["verdict"]:
        return cell("accuracy", row, "verdict", str)
    if quality(row).alone is not None and row["verdict"].startswith("cannot tell"):
        short = f"loses no more than {percent(ACCEPTED_LOSS)}"
        return Cell(short, interval=PARITY, why=f"the images alone: {row['verdict']}")
    short = row["verdict"].partition(" with ")[0].partition(";")[0]
    counts = (row["images_needed"], row["unlabelled_needed"])
    needed = " or ".join(f"{number:,}" for number in counts if number is not None)
    return Cell(short, interval=f"{needed} needed" if needed else "", why=row["verdict"])
