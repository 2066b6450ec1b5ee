"""What people paste into papers: short tables of the ranking and of accuracy, in no language yet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from dliflow.analysis.quality import quality
from dliflow.analysis.ranking import FASTEST, TIE, UNDECIDED
from dliflow.analysis.rows import Rows, grouped
from dliflow.report import conclusion, names, units
from dliflow.report.conclusion import Batch
from dliflow.report.read import Tables

MARKS = {TIE: "≈ ", UNDECIDED: "? "}
INTERVALS = "In brackets: 95 % intervals."


class Table(NamedTuple):
    """A table of text; the first column is that of the names, all others are figures."""

    key: str
    """What tells it from the others: letters, digits and hyphens."""
    title: str
    header: Sequence[str]
    rows: list[list[str]]
    notes: list[str]


def key(*parts: str) -> str:
    """Of names, with hyphens only between their letters and digits."""
    return "-".join("".join(letter if letter.isalnum() else "-" for letter in part) for part in parts)


def ranking(tables: Tables) -> list[Table]:
    """For each model × device × node and batch size all configurations in their order."""
    settings = conclusion.settings(tables)
    return [ranked(setting.name, batch) for setting in settings for batch in setting.batches]


def ranked(setting: str, batch: Batch) -> Table:
    """Those of one batch size."""
    rows = []
    for entry in batch.entries:
        one = entry.standing
        ratio = "1" if one.verdict == FASTEST else units.times(one.ratio).replace("×", "", 1)
        mark = "" if batch.doubtful else MARKS.get(one.verdict, "")
        rows.append([entry.name, units.figure(one.latency), units.figure(one.fps), f"{mark}{ratio}"])
    verdicts = {entry.verdict for entry in batch.entries}
    notes = [f"Latency at the machine's reference state; ratio: of it to that of the first row. {INTERVALS}"]
    if batch.doubtful:
        notes.append("Doubtful: the machine was too busy to tell who is fastest.")
    else:
        notes += ["≈: no difference to the first shown in rounds."] if TIE in verdicts else []
        notes += ["?: measured at other times, and not told apart from the first."] if UNDECIDED in verdicts else []
    title = f"{setting}, batch size {batch.size}{batch.doubt}"
    header = ("configuration", "latency, ms", "images/s", "ratio")
    return Table(key("ranking", setting.replace(" · ", "-"), f"batch{batch.size}"), title, header, rows, notes)


def accuracy(tables: Tables) -> list[Table]:
    """For each model × device × dataset top-1 and top-5, and what each configuration loses of its baseline's top-1."""
    good = [row for row in tables.accuracy if row["status"] == "ok" and row["top1"] is not None]
    return [evaluated(rows) for rows in grouped(good, ("model", "device", "dataset")).values()]


def percent(row: dict, name: str) -> str:
    """A share with its interval: `71.9 [71.5, 72.3]`."""
    low, high = row[f"{name}_ci_low"], row[f"{name}_ci_high"]
    return f"{units.bare_percent(row[name])} {units.interval(low, high, units.bare_percent)}".rstrip()


def change(row: dict) -> str:
    """Of top-1 against the baseline, percentage points: `−0.4 [−0.9, +0.1]`."""
    low, high = row["top1_change_ci_low"], row["top1_change_ci_high"]
    return f"{units.points(row['top1_change'])} {units.interval(low, high, units.points)}".rstrip()


def most(row: dict) -> str:
    """So much of top-1 is lost at most, per cent: `19.9`; of FP32 with what images alone tell, `0.0 (2.2)`."""
    of = quality(row)
    text, alone = (units.at_most(share).removesuffix(" %") for share in (of.most, of.alone))
    return text if of.alone is None else f"{text} ({alone})"


def evaluated(rows: Rows) -> Table:
    """Those of one dataset."""
    first = rows[0]
    header = ("configuration", "top-1, %", "top-5, %", "change, pp", "lost at most, %")
    cells = [
        [names.configuration(row), percent(row, "top1"), percent(row, "top5"), change(row), most(row)] for row in rows
    ]
    notes = [f"Change: of top-1 against FP32 on the same images; of FP32 against the original. {INTERVALS}"]
    if any(row["loss_bound"] is not None for row in rows):
        notes.append("What is lost at most is told by images without labels, too: by those of which the class changes.")
    if any(quality(row).alone is not None for row in rows):
        notes.append("FP32 loses at most what images show, by parity; in parentheses what the images alone tell.")
    images = names.listed([f"{number:,}" for number in sorted({row["images"] for row in rows if row["images"]})])
    title = f"{first['model']} · {first['device']} · {first['dataset']}, {images} images"
    notes += [f"Doubtful: {text}" for text in dict.fromkeys(row["warnings"] for row in rows if row["warnings"])]
    return Table(key("accuracy", first["model"], first["device"], first["dataset"]), title, header, cells, notes)
