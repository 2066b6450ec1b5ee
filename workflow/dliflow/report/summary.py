"""The summary for the terminal: at most 30 lines of at most 100 columns."""

from __future__ import annotations

import textwrap
from typing import Optional

from dliflow.report import names, times, units
from dliflow.report.conclusion import SLOWER, TIE, UNDECIDED, Batch, Setting, grouped
from dliflow.report.missing import Missing
from dliflow.report.read import Rows

COLUMNS, LINES = 100, 30


def short(text: str, width: int = COLUMNS) -> str:
    """One line of at most so many columns."""
    text = " ".join(text.split())
    return text if len(text) <= width else text[: width - 1] + "…"


def failed(missing: list[Missing], most: int = 4) -> list[str]:
    """What failed and why, one line each."""
    found = [item for item in missing if item.status == "failed"]
    if not found:
        return []
    told = [short(f"{names.listed(item.configurations, 3)}: {item.reason}", COLUMNS - 2) for item in found]
    if len(found) > most:
        told = [*told[: most - 1], f"and {len(found) - most + 1} other reasons, all in the report"]
    return ["FAILED", *(f"  {line}" for line in told)]


def doubtful(rows: Rows, most: int = 3) -> list[str]:
    """Warnings of the quality table, each once, with the configurations that it is about."""
    groups = grouped([row for row in rows if row["warnings"]], ("model", "warnings"))
    if not groups:
        return []
    told = []
    for (model, warning), own in groups.items():
        who = names.listed([names.configuration(row) for row in own], 2)
        told += textwrap.wrap(f"{model} ({who}): {warning}", COLUMNS - 2)
        if len(told) >= 3 * most:
            break
    return ["DOUBTFUL", *(f"  {line}" for line in told)]


def verdict(batch: Batch) -> str:
    """What the comparison of a batch size came to."""
    undecided, slower = (batch.named(name) for name in (UNDECIDED, SLOWER))
    settled, others = ([e.name for e in batch.entries if e.verdict == TIE and e.rounds is how] for how in (True, False))
    told = []
    if settled:
        told.append(f"no difference shown in rounds: {names.listed(settled, 4)}")
    if others:
        told.append(f"no difference shown: {names.listed(others, 4 if not settled else 2)}")
    if undecided:
        told.append(f"not told apart: {names.listed(undecided, 3)}")
    if slower and not settled and not others and not undecided:
        told.append(f"faster than all others{' (the leaders in rounds)' if batch.rounds else ''}")
    if batch.no_rounds:
        told.append("rounds did not run")
    return "; ".join(told)


def telling(setting: Setting) -> list[Batch]:
    """The batch sizes of the lowest latency and of the highest FPS."""
    ends = (setting.lowest_latency.size, setting.highest_fps.size) if setting.batches else ()
    return [batch for batch in setting.batches if batch.size in ends]


def fastest(setting: Setting, batches: list[Batch]) -> list[str]:
    """A small table: for each of these batch sizes the fastest configuration and below it its ties."""
    if not setting.batches:
        counts = ", ".join(f"{number} {status}" for status, number in setting.counts.items() if number)
        return [short(setting.name), f"  no figures: {counts}"]
    rows = [("batch", "fastest", "FPS", "latency, ms [95 %]", "top-1 change, pp")]
    for batch in batches:
        row = batch.fastest.row
        latency = units.significant(row["latency_p50_ms"])
        interval = units.interval(row["latency_ci_low_ms"], row["latency_ci_high_ms"])
        change = batch.fastest.cost.change.replace(" pp", "")
        figures = (units.significant(row["fps"]), f"{latency} {interval}".strip(), change)
        rows.append((str(batch.size), batch.fastest.name, *figures))
    widths = [max(len(cells[column]) for cells in rows) for column in range(5)]
    lines = [short(setting.name)]
    verdicts = ["", *map(verdict, batches)]
    for cells, told in zip(rows, verdicts):
        first = f"{cells[0]:>{widths[0]}}  {cells[1]:<{widths[1]}}  {cells[2]:>{widths[2]}}"
        lines.append(f"  {first}  {cells[3]:<{widths[3]}}  {cells[4]}".rstrip()[:COLUMNS])
        if told:
            indent = " " * (4 + widths[0])
            lines.append(indent + short(told, COLUMNS - len(indent)))
    return lines


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
    head = [line for block in (failed(missing), doubtful(accuracy)) if block for line in (*block, "")]
    tail = [*spent(jobs, run), f"Report: {page}"]
    if skipped:
        tail.insert(0, f"Skipped, as the frameworks declare: {names.count(skipped, 'row')}; the report says why.")
    room = LINES - len(head) - len(tail) - 1
    tables = [fastest(setting, setting.batches) for setting in settings]
    if sum(map(len, tables)) > room:
        tables = [fastest(setting, telling(setting)) for setting in settings]
    body: list[str] = []
    for index, own in enumerate(tables):
        left = len(tables) - index
        if len(body) + len(own) > room - (left > 1):
            body.append(f"and {left} more of model, device and node in the report")
            break
        body.extend(own)
    return "\n".join([*head, *body[:room], "", *tail]) + "\n"
