"""What races of launch settings led to, and all that raced."""

from __future__ import annotations

from dliflow.analysis.rows import Row
from dliflow.report import names, units
from dliflow.report.listings import Cell, Heading, Line, Link, Listing, Remarks, cell, kind
from dliflow.report.tuning import Race, settings

BATCH = Heading("Batch", "Images in a request.")
RACES = [
    BATCH,
    Heading("Raced", "So many settings, the default ones among them; of how many that are worth trying on this machine "
            "where these were too many to race, and how many of them an optimiser proposed."),
    Heading("Winner", "The settings that won the race.", number=False),
    Heading("Ratio", "The winner’s latency over that of the default settings, in fresh groups that had no part in "
            "choosing it, with its 95 % interval; below 1 it is faster."),
    Heading("Verdict", "What that interval shows. Only a winner that is shown to be faster has a row “tuned” in the "
            "other tables.", number=False),
    Heading("Took", "Race and confirmation together."),
]  # fmt: skip
RACED = [
    BATCH,
    Heading("Settings", "Those that differ from the framework’s own; “default” are those of the study.", number=False),
    Heading("Race’s ratio", "Latency over that of the default settings in the race, with its 95 % interval. The "
            "winner’s is too low, since whoever wins was lucky too."),
    Heading("Outcome", "What became of it.", number=False),
    Heading("Why", "Why it left the race.", number=False),
]  # fmt: skip
NOBODY = "no other settings won the race, or they broke when they were to be confirmed"


def listing(races: list[Race], record: Link) -> Listing:
    """Every race with what came out; those that there were not, with the reason, last."""
    remarks = Remarks()
    lines = [line(race, f"tuning-{number}", record, remarks) for number, race in enumerate(races) if race.candidates]
    gaps = [
        Line(
            f"tuning-{number}",
            called(race),
            kind(race.first),
            [size(race)],
            f"{race.first['status']}: {race.first['reason']}",
        )
        for number, race in enumerate(races)
        if not race.candidates
    ]
    return Listing("tuning", "What races of launch settings led to", RACES, lines + gaps, remarks.all())


def raced(races: list[Race]) -> Listing:
    """Every candidate of every race, the fastest of each race first."""
    lines: list[Line] = []
    for race in races:
        for row in race.candidates:
            cells = [
                size(race),
                Cell(settings(row["settings"])),
                ratio(row, "race_ratio"),
                Cell(row["outcome"]),
                cell("tuning", row, "why", str, tone="reason"),
            ]
            lines.append(Line(f"raced-{len(lines)}", called(race), kind(row), cells, best=row["outcome"] == "chosen"))
    return Listing("raced", "All launch settings that raced", RACED, lines, {})


def called(race: Race) -> str:
    """The configuration, as it was before it was tuned."""
    return names.configuration({**race.first, "parameters": "default"})


def size(race: Race) -> Cell:
    """At which batch size it raced."""
    return Cell(str(race.first["batch_size"]))


def ratio(row: Row, name: str, marks: tuple[str, ...] = ()) -> Cell:
    """One of the two ratios, or why it is not there.

    Args:
        marks: letters of its doubts.
    """
    value, ends = row[name], (row[f"{name}_ci_low"], row[f"{name}_ci_high"])
    if value is None:
        return cell("tuning", row, name)
    return Cell(units.ratio(value, *ends), interval=units.ratio_interval(value, *ends), marks=marks)


def line(race: Race, anchor: str, record: Link, remarks: Remarks) -> Line:
    """What came out of a race."""
    winner = race.winner
    cells = [
        size(race),
        Cell(race.tried, sort=race.candidates[0]["tried"], link=record(race.first["record"])),
        Cell(settings(winner["settings"])) if winner else Cell(units.EMPTY, why=NOBODY),
        ratio(winner, "ratio", remarks.mark(winner["warnings"])) if winner else Cell(units.EMPTY, why=NOBODY),
        Cell(race.verdict),
        Cell(units.duration(race.seconds), sort=race.seconds),
    ]
    return Line(anchor, called(race), kind(race.first), cells, best=race.faster)
