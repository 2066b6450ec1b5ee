"""What another version changed: what is shown or likely in one table, what is not shown in another."""

from __future__ import annotations

from typing import NamedTuple, Optional

from dliflow.analysis import changes
from dliflow.analysis.rows import Row, Rows, grouped
from dliflow.report import names, units
from dliflow.report.listings import Cell, Heading, Line, Listing, Remarks, kind

HEADINGS = [
    Heading("Quantity", "What was looked at; times are those at the reference state.", number=False),
    Heading("Before", "With the old version, in a measurement of its own."),
    Heading("Now", "With the new one."),
    Heading("Change", "New over old, of shares the difference in percentage points, with its 95 % interval. In rounds "
            "it is the ratio of bursts that took turns, and not that of both figures, which are of different hours."),
    Heading("Verdict", "Shown: the interval tells, of what was measured together, on the same images, or is exact. "
            "Likely: it tells, of what was measured at different times.", number=False),
    Heading("How", "How the change was had.", number=False),
]  # fmt: skip
WORDS = {
    "latency": "latency",
    "throughput": "images per second",
    "load": "opening the model",
    "first_request": "first request",
    "peak_rss": "peak memory",
    "model_bytes": "size of its files",
    "top1": "top-1",
    "agreement": "agreement with the baseline",
    "same_class": "images of the same class",
    "status": "status",
    "warnings": "warnings",
}
SHORT = 30  # letters: what is longer is broken into lines


class Upgrade(NamedTuple):
    """Two versions of a framework, and how many changes are known how well."""

    name: str
    shown: int
    likely: int
    tied: int
    untold: int

    @property
    def compared(self) -> int:
        """All quantities with an interval."""
        return self.shown + self.likely + self.tied


def version(framework: str, number: Optional[str]) -> str:
    """`openvino 2025.3.0`; the name alone where it did not run."""
    return f"{framework} {number}" if number else framework


def upgrades(rows: Rows) -> list[Upgrade]:
    """Each pair of versions, in the order of the table."""
    every = []
    for (old_name, name, old, new), of_both in grouped(rows, ("old_framework", "framework", *VERSIONS)).items():
        same = " with other packages" if (old_name, old) == (name, new) else ""
        kinds = [
            sum(row["verdict"].startswith(start) for row in of_both)
            for start in (changes.SHOWN, changes.LIKELY, changes.TIE, changes.UNTOLD)
        ]
        every.append(Upgrade(f"{version(name, new)} after {version(old_name, old)}{same}", *kinds))
    return every


VERSIONS = ("old_version", "new_version")


def listing(rows: Rows) -> Listing:
    """What changed."""
    return _listed("changes", "Changes that are shown or likely", [row for row in rows if _changed(row)])


def unchanged(rows: Rows) -> Listing:
    """What is not shown to have changed; states that are the same are left out."""
    rest = [row for row in rows if not _changed(row) and row["verdict"] != changes.SAME]
    return _listed("unchanged", "No difference shown, or none that can be told", rest)


def _changed(row: Row) -> bool:
    return changes.shown(row) or changes.likely(row)


def _listed(name: str, caption: str, rows: Rows) -> Listing:
    remarks = Remarks()
    lines = [
        Line(f"{name}-{number}", _called(row), kind(row), _cells(row, remarks)) for number, row in enumerate(rows)
    ]  # fmt: skip
    return Listing(name, caption, HEADINGS, lines, remarks.all())


def _called(row: Row) -> str:
    """The configuration, and at which point."""
    point = [
        row["model"],
        f"batch size {row['batch_size']}" if row["batch_size"] else row["dataset"],
        f"{row['in_flight']} in flight" if row["in_flight"] else None,
    ]
    return " · ".join(filter(None, (names.configuration(row), *point)))


def _cells(row: Row, remarks: Remarks) -> list[Cell]:
    figures = [figure(row, side) for side in ("old", "new")]
    what = Cell(WORDS[row["quantity"]], marks=remarks.mark(row["warnings"]))
    return [what, *figures, difference(row), verdict(row, changes.shown(row) and worse(row)), Cell(_method(row))]


def _method(row: Row) -> str:
    return f"{row['method']}, {row['images']:,} images" if row["images"] else row["method"]


def figure(row: Row, side: str) -> Cell:
    """What there was before (`old`), or is now (`new`)."""
    if row["quantity"] == changes.WARNINGS.name:
        return Cell(units.EMPTY, why="the verdict says which are new and which are gone")
    if row["kind"] == changes.TOLD:
        text = row[f"{side}_told"]
        return Cell(text or units.EMPTY, why="" if text else "none", tone="reason" if len(text or "") > SHORT else "")
    value = row[side]
    if row["unit"] == "share":
        return Cell(units.percent(value))
    if row["unit"] == "bytes":
        return Cell(f"{units.mebibytes(value)} MiB", sort=value)
    return Cell(f"{units.significant(value)} {row['unit']}", sort=value)


def verdict(row: Row, loss: bool, marks: tuple[str, ...] = ()) -> Cell:
    """How sure the change is; of warnings with what is new or gone."""
    tone = " ".join(name for name, holds in (("loss", loss), ("reason", len(row["verdict"]) > SHORT)) if holds)
    return Cell(row["verdict"], tone=tone, marks=marks)


def difference(row: Row) -> Cell:
    """The change, with its interval."""
    if row["kind"] == changes.TOLD:
        return Cell(units.EMPTY, why="told in words")
    value, low, high = row["change"], row["change_ci_low"], row["change_ci_high"]
    if value is None:
        return Cell(units.EMPTY, why=row["warnings"] or "unknown")
    if row["kind"] == changes.DIFFERENCE:
        return Cell(units.points(value), sort=value, interval=units.interval(low, high, units.points))
    return Cell(units.ratio(value, low, high), sort=value, interval=units.ratio_interval(value, low, high))


def worse(row: Row) -> bool:
    """Whether a change is one that users mind, however sure it is."""
    words = ("slower", "worse", "less", "larger", "changed", "to fail now", "to be skipped now")
    return bool(row["verdict"].endswith(words))
