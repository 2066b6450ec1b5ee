"""The summary for the terminal: at most 30 lines of at most 100 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Optional

from dliflow.analysis.ranking import SLOWER, TIE, UNDECIDED
from dliflow.analysis.rows import Rows
from dliflow.report import names, times, units
from dliflow.report.conclusion import Batch, End, Setting, doubts
from dliflow.report.missing import Missing

COLUMNS, LINES = 100, 30
LATENCY = "ms, reference state [95 %]"


def short(text: str, width: int = COLUMNS) -> str:
    """One line of at most so many columns."""
    text = " ".join(text.split())
    return text if len(text) <= width else text[: width - 1] + "…"


def failed(missing: list[Missing], most: int = 4) -> list[str]:
    """What failed and why, one line each."""
    failures = [item for item in missing if item.status == "failed"]
    if not failures:
        return []
    lines = [short(f"{names.listed(item.configurations, 3)}: {item.reason}", COLUMNS - 2) for item in failures]
    if len(failures) > most:
        lines = [*lines[: most - 1], f"and {len(failures) - most + 1} other reasons, all in the report"]
    return ["FAILED", *(f"  {line}" for line in lines)]


def doubtful(settings: list[Setting], rows: Rows, most: int = 3) -> list[str]:
    """What makes all that follows doubtful: warnings of the quality table, a machine too busy to measure on.

    Neither kind takes the other's place.
    """
    text: list[str] = []
    for kind in doubts(settings, rows):
        paragraphs = [textwrap.wrap(doubt, COLUMNS - 2) for doubt in kind]
        shown = paragraphs[:most] if len(paragraphs) <= most else paragraphs[: most - 1]
        text += [line for paragraph in shown for line in paragraph]
        if len(paragraphs) > len(shown):
            text.append(f"and {len(paragraphs) - len(shown)} more such, all in the report")
    return ["DOUBTFUL", *(f"  {line}" for line in text)] if text else []


def verdict(batch: Batch) -> str:
    """What the comparison of a batch size came to."""
    if batch.doubtful:
        return "doubtful, see above: who is fastest is not said"
    ties, undecided, slower = (batch.named(name) for name in (TIE, UNDECIDED, SLOWER))
    clauses = []
    if ties:
        clauses.append(f"no difference shown in rounds: {names.listed(ties, 4)}")
    if undecided:
        without = " (no part in the rounds)" if batch.rounds else ""
        clauses.append(f"not told apart: {names.listed(undecided, 3)}{without}")
    if slower and not ties and not undecided:
        clauses.append(f"faster than all others{' (the leaders in rounds)' if batch.rounds else ''}")
    if batch.no_rounds:
        clauses.append("rounds did not run")
    if batch.missing:
        clauses.append(f"rounds without {names.listed(list(batch.missing), 2)}")
    return "; ".join(clauses)


def marks(batch: Batch) -> list[str]:
    """What must stand beside the name of the fastest, and what to take instead or to do; short."""
    cost = batch.fastest.cost
    notes = ["its top-1 is doubtful, see above"] if cost.warning else []
    notes += [cost.doubt] if cost.doubt else []
    other = batch.alternative
    if notes and other and not batch.doubtful:
        ratio = units.ratio(other.standing.ratio.value)
        apart = ", not told apart" if other.verdict == UNDECIDED else ""
        notes[-1] += f"; fastest without that: {other.name}, {ratio} times the latency{apart}"
    if batch.fastest.settings:
        notes.append(f"launched with {batch.fastest.settings}")
    if batch.more and not batch.doubtful:
        notes.append(units.more(batch.more))
    return notes


def end(name: str, best: End) -> str:
    """`highest FPS: alpha int8 at batch size 8 (no difference shown in rounds: 4)`."""
    clauses = [
        f"{words}: {names.listed([str(batch.size) for batch in batches])}"
        for words, batches in (("no difference shown in rounds", best.ties), ("not told apart", best.undecided))
        if batches
    ]
    apart = f" ({'; '.join(clauses)})" if clauses else ""
    return f"{name}: {best.batch.fastest.name} at batch size {best.batch.size}{apart}"


def ends(setting: Setting) -> list[str]:
    """The batch sizes that are best, where there are several and the machine was quiet enough to tell."""
    if len(setting.batches) < 2 or setting.doubtful:
        return []
    best = (("highest FPS", setting.highest_fps), ("lowest latency", setting.lowest_latency))
    return [short(end(name, each), COLUMNS - 2) for name, each in best if each]


def versions(setting: Setting) -> list[str]:
    """A line for each framework whose version changed: against its old self."""
    lines = []
    for version in setting.versions if not setting.doubtful else []:
        gains = [
            f"{gain.first} {units.times(gain.ratio)} the latency at batch size {gain.row['batch_size']}"
            f"{', no difference shown' if gain.verdict == TIE else ''}"
            for gain in version.gains
        ]
        line = f"{version.framework} {version.new} against {version.old}: {'; '.join(gains)}"
        lines.append(short(line, COLUMNS - 2))
    return lines


def telling(setting: Setting) -> list[Batch]:
    """The batch sizes of the lowest latency and of the highest FPS."""
    best = [each.batch.size for each in (setting.lowest_latency, setting.highest_fps) if each]
    return [batch for batch in setting.batches if batch.size in best]


def fastest(setting: Setting, batches: Sequence[Batch]) -> list[str]:
    """A small table: for each of these batch sizes the fastest configuration and below it its ties."""
    if not setting.batches:
        counts = ", ".join(f"{number} {status}" for status, number in setting.counts.items() if number)
        return [short(setting.name), f"  no figures: {counts}"]
    rows = [("batch", "fastest" if not setting.doubtful else "doubtful", "FPS", LATENCY, "top-1 change, pp")]
    for batch in batches:
        standing = batch.fastest.standing
        change = batch.fastest.cost.change.replace(" pp", "")
        figures = (units.significant(standing.fps.value), units.figure(standing.latency), change)
        rows.append((str(batch.size), batch.fastest.name, *figures))
    widths = [max(len(cells[column]) for cells in rows) for column in range(5)]
    lines = [short(setting.name)]
    verdicts = ["", *map(verdict, batches)]
    notes = [[], *map(marks, batches)]
    for cells, verdict_text, marks_of_row in zip(rows, verdicts, notes):
        first = f"{cells[0]:>{widths[0]}}  {cells[1]:<{widths[1]}}  {cells[2]:>{widths[2]}}"
        lines.append(f"  {first}  {cells[3]:<{widths[3]}}  {cells[4]}".rstrip()[:COLUMNS])
        indent = " " * (4 + widths[0])
        if verdict_text:
            lines.append(indent + short(verdict_text, COLUMNS - len(indent)))
        for note in marks_of_row:
            lines += textwrap.wrap(note, COLUMNS, initial_indent=indent, subsequent_indent=indent)
    return [*lines, *(f"  {line}" for line in (*ends(setting), *versions(setting)))]


def spent(jobs: list[times.Job], run: Optional[times.Run]) -> list[str]:
    """Where the time went, in one or two lines."""
    if run is not None:
        parts = ", ".join(f"{share.group} {units.duration(share.seconds)}" for share in run.shares) or "no job ran"
        return textwrap.wrap(
            f"This run took {units.duration(run.wall)}: {parts}; beside the jobs {units.duration(run.overhead)}.",
            COLUMNS,
        )
    if not jobs:
        return []
    parts = ", ".join(f"{share.group} {units.duration(share.seconds)}" for share in times.shares(jobs))
    return textwrap.wrap(f"Jobs took {units.duration(sum(job.seconds for job in jobs))}: {parts}.", COLUMNS)


def render(
    settings: list[Setting],
    missing: list[Missing],
    accuracy: Rows,
    jobs: list[times.Job],
    run: Optional[times.Run],
    page: str,
) -> str:
    """The summary as text. What does not fit is left to the page; failures and the page's place always stay."""
    skipped = sum(item.rows for item in missing if item.status != "failed")
    head = [line for block in (doubtful(settings, accuracy), failed(missing)) if block for line in (*block, "")]
    tail = [*spent(jobs, run), f"Report: {page}"]
    if skipped:
        tail.insert(0, f"Skipped, as the frameworks declare: {names.count(skipped, 'row')}; the report says why.")
    room = LINES - len(head) - len(tail) - 1
    tables = [fastest(setting, setting.batches) for setting in settings]
    if sum(map(len, tables)) > room:
        tables = [fastest(setting, telling(setting)) for setting in settings]
    body: list[str] = []
    for index, table in enumerate(tables):
        left = len(tables) - index
        if len(body) + len(table) > room - (left > 1):
            body.append(f"and {left} more of model, device and node in the report")
            break
        body.extend(table)
    return "\n".join([*head, *body[:room], "", *tail]) + "\n"
