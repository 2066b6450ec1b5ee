"""The summary for the terminal: at most 30 lines of at most 100 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Optional

from dliflow.analysis.ranking import TIE
from dliflow.analysis.recommendation import LATENCY, NO, QUESTIONS, UNKNOWN, YES, Candidate, Goal, Outcome
from dliflow.analysis.tables.accuracy import ACCEPTED_LOSS
from dliflow.report import names, times, units
from dliflow.report.answer import FIGURES, OBJECTIVES, WITHIN, Answer, called, cost, doubts, launched
from dliflow.report.conclusion import Setting
from dliflow.report.cost import percent
from dliflow.report.missing import Missing
from dliflow.study import paths

COLUMNS, LINES = 100, 30
GOAL = "Your goal"


def short(text: str, width: int = COLUMNS) -> str:
    """One line of at most so many columns."""
    text = " ".join(text.split())
    return text if len(text) <= width else text[: width - 1] + "…"


def wrap(text: str, width: int, indent: str = "") -> list[str]:
    """In lines, none of which ends between a figure and its unit; all but the first are indented."""
    lines = textwrap.wrap(units.unbroken(text), width, subsequent_indent=indent)
    return [line.replace("\u00a0", " ") for line in lines]


def failed(missing: list[Missing], most: int = 4) -> list[str]:
    """What failed and why, one line each."""
    failures = [item for item in missing if item.status == "failed"]
    if not failures:
        return []
    lines = [short(f"{names.listed(item.configurations, 3)}: {item.reason}", COLUMNS - 2) for item in failures]
    if len(failures) > most:
        lines = [*lines[: most - 1], f"and {len(failures) - most + 1} other reasons, all in the report"]
    return ["FAILED", *(f"  {line}" for line in lines)]


def doubtful(kinds: Sequence[Sequence[str]], most: int = 3) -> list[str]:
    """What makes all that follows doubtful: warnings of the quality table, a machine too busy to measure on.

    Neither kind takes the other's place.

    Args:
        kinds: what `conclusion.doubts` tells.
    """
    text: list[str] = []
    for kind in kinds:
        paragraphs = [wrap(doubt, COLUMNS - 2) for doubt in kind]
        shown = paragraphs[:most] if len(paragraphs) <= most else paragraphs[: most - 1]
        text += [line for paragraph in shown for line in paragraph]
        if len(paragraphs) > len(shown):
            text.append(f"and {len(paragraphs) - len(shown)} more such, all in the report")
    return ["DOUBTFUL", *(f"  {line}" for line in text)] if text else []


def constraint(goal: Goal) -> str:
    """`lowest latency, batch size 1, at most 6 ms, at most 1 % of top-1 lost`."""
    words = [OBJECTIVES[goal.asked[0]]]
    if goal.batch_size is not None:
        words.append(f"batch size {goal.batch_size}")
    if goal.latency_ms is not None:
        words.append(f"at most {goal.latency_ms:g} ms")
    if goal.accepted is not None:
        of = "of top-1 lost" if goal.disagreement is None else "of classes changed"
        words.append(f"at most {percent(goal.accepted)} {of}")
    return ", ".join(words)


def headline(answer: Answer, outcome: Outcome, goal: Optional[Goal] = None) -> str:
    """Who is recommended, with its figure; for a goal with its latency, too."""
    if outcome.best is None:
        return "doubtful, see above: who is best is not said" if outcome.answer == UNKNOWN else "no configuration does"
    one = answer.candidate(outcome.best)
    shown = dict.fromkeys([outcome.objective, *([LATENCY] if goal and goal.latency_ms is not None else [])])
    figures = ", ".join(FIGURES[name](one) for name in shown)
    doubt = "cannot be told; perhaps " if outcome.answer == UNKNOWN else ""
    return f"{doubt}{called(one)}: {figures}"


def beside(answer: Answer, outcome: Outcome, most: int = 3) -> list[str]:
    """Whom it is not told apart from, and what would tell."""
    clauses = []
    for words, places in (("no difference shown to", outcome.ties), ("not told apart from", outcome.undecided)):
        if places:
            assert outcome.best is not None
            others = [answer.candidate(place) for place in places]
            clauses.append(f"{words} {names.listed(distinct(others, answer.candidate(outcome.best)), most)}")
    if outcome.more:
        clauses.append(units.more(outcome.more))
    return clauses


def distinct(others: Sequence[Candidate], best: Candidate) -> list[str]:
    """Their names, but for what they have in common with the best one; a configuration's batch sizes together."""
    mine = names.configuration(best.row)
    sizes: dict[tuple[str, Optional[int]], list[int]] = {}
    for one in sorted(others, key=lambda one: (one.standing.name != best.standing.name, one.in_flight or 0, one.size)):
        sizes.setdefault((names.configuration(one.row), one.in_flight), []).append(one.size)
    texts = []
    for (name, in_flight), of_name in sizes.items():
        at = f" at batch size{'s' if len(of_name) > 1 else ''} {names.listed(list(map(str, of_name)))}"
        load = "" if in_flight == best.in_flight else f" with {in_flight} in flight"
        texts.append(f"{'itself' if name == mine else name}{'' if of_name == [best.size] else at}{load}")
    return texts


def better(answer: Answer, outcome: Outcome, accepted: float = ACCEPTED_LOSS) -> list[str]:
    """Who would be recommended if it were known to keep the constraints, or why it is not known of who is named."""
    place = outcome.best if outcome.perhaps is None else outcome.perhaps
    if place is None or not outcome.why:
        return []
    one = answer.candidate(place)
    why = "; ".join(str(doubts(one, accepted)[reason]) for reason in outcome.why)
    if outcome.perhaps is None:
        return [why]
    return [f"perhaps better: {called(one)}, {FIGURES[outcome.objective](one)}, but {why}"]


def to_goal(answer: Answer, goal: Goal) -> list[str]:
    """The answer to the config's goal: yes, no or unknown, and why."""
    outcome = answer.outcomes["goal"]
    if outcome is None:
        return ["cannot be told: nothing was measured that could tell"]
    accepted = ACCEPTED_LOSS if goal.loss is None else goal.loss
    certain = {YES: "yes: ", NO: "no: "}.get(outcome.answer, "")
    lines = [
        f"{certain}{headline(answer, outcome, goal)}",
        *joined(beside(answer, outcome)),
        *better(answer, outcome, accepted),
    ]
    if outcome.answer != YES:
        return [*lines, *relaxed(answer, goal)]
    assert outcome.best is not None
    return [*lines, *priced(answer.candidate(outcome.best))]


def relaxed(answer: Answer, goal: Goal) -> list[str]:
    """What is recommended without each of the bounds, where that is certain."""
    freer = {"latency_ms": "without the budget", "loss": "with any loss", "disagreement": "with any change"}
    lines = []
    for name, words in freer.items():
        if getattr(goal, name) is not None:
            outcome = answer.of.answer(goal._replace(**{name: None}))
            if outcome is not None and outcome.answer == YES:
                lines.append(f"{words}: {headline(answer, outcome, goal)}")
    return lines


def priced(one: Candidate) -> list[str]:
    """What it costs, and how it is launched where that is not the framework's default."""
    return [cost(one), *([f"launched with {launched(one)}"] if launched(one) else [])]


def joined(clauses: Sequence[str]) -> list[str]:
    """As one line, or none."""
    return ["; ".join(clauses)] if clauses else []


def to_question(answer: Answer, name: str, whole: bool) -> list[str]:
    """The answer to one of the questions, and what it costs; the whole names whom it is not told apart from, and what
    loses no more than the methodology accepts. Nothing where nothing was measured that could tell.
    """
    outcome, within = answer.outcomes[name], answer.outcomes[f"{name}_within"]
    if outcome is None:
        return []
    costs = [] if outcome.best is None else priced(answer.candidate(outcome.best))
    if not whole:
        return [headline(answer, outcome), *costs]
    lines = [headline(answer, outcome), *joined(beside(answer, outcome)), *better(answer, outcome), *costs]
    if within is not None and within.best != outcome.best:
        safe = f"{WITHIN}: {headline(answer, within)}"
        lines += joined([safe, *beside(answer, within)])
    return list(dict.fromkeys(lines))


def answered(answer: Answer, goal: Optional[Goal], whole: bool) -> list[str]:
    """The answers of a setting: to the goal, then to every question; if not whole, a line for each answer and cost."""
    blocks = {} if goal is None else {GOAL: [constraint(goal), *to_goal(answer, goal)]}
    for name, of_question in QUESTIONS.items():
        heading = OBJECTIVES[of_question.asked[0]]
        lines = to_question(answer, name, whole)
        blocks |= {heading[0].upper() + heading[1:]: lines} if lines else {}
    width = max(map(len, blocks)) + 2
    shown = []
    for heading, lines in blocks.items():
        fit = [part for line in lines for part in fitting(line, COLUMNS - width - 2, whole or heading == GOAL)]
        shown += [f"  {name:<{width}}{line}" for name, line in zip_longest([heading], fit, fillvalue="")]
    return shown


def fitting(text: str, width: int, whole: bool) -> list[str]:
    """As lines of at most so many columns; if not whole, as one."""
    return wrap(text, width) if whole else [short(text, width)]


def cautions(setting: Setting) -> list[str]:
    """Of the rounds what is missing in them, and where they did not run."""
    lines = []
    for batch in setting.batches:
        if batch.missing:
            lines.append(
                f"batch size {batch.size}: rounds without {names.listed(list(batch.missing), 2)}, which failed"
            )
        if batch.no_rounds:
            lines.append(f"batch size {batch.size}: rounds did not run, so its order rests on different times")
    return [part for line in lines for part in wrapped(line)]


def wrapped(line: str) -> list[str]:
    """In lines that stand below a setting's name, whole: what is told of a figure stands behind it."""
    return wrap(line, COLUMNS - 2, indent="  ")


def versions(setting: Setting) -> list[str]:
    """Each framework whose version changed: against its old self."""
    lines = []
    for version in setting.versions if not setting.doubtful else []:
        gains = [
            f"{gain.first} {units.times(gain.ratio)} the latency at batch size {gain.row['batch_size']}"
            f"{', no difference shown' if gain.verdict == TIE else ''}"
            for gain in version.gains
        ]
        lines += wrapped(f"{version.framework} {version.new} against {version.old}: {'; '.join(gains)}")
    return lines


def about(setting: Setting, answer: Optional[Answer], goal: Optional[Goal], whole: bool = True) -> list[str]:
    """Everything on one setting."""
    if answer is None:
        counts = ", ".join(f"{number} {status}" for status, number in setting.counts.items() if number)
        return [short(setting.name), f"  no figures: {counts}"]
    others = [*cautions(setting), *versions(setting)] if whole else []
    return [short(setting.name), *answered(answer, goal, whole), *(f"  {line}" for line in others)]


def spent(jobs: list[times.Job], run: Optional[times.Run]) -> list[str]:
    """Where the time went, in one or two lines."""
    if run is not None:
        parts = ", ".join(f"{share.group} {units.duration(share.seconds)}" for share in run.shares) or "no job ran"
        return wrap(
            f"This run took {units.duration(run.wall)}: {parts}; beside the jobs {units.duration(run.overhead)}.",
            COLUMNS,
        )
    if not jobs:
        return []
    parts = ", ".join(f"{share.group} {units.duration(share.seconds)}" for share in times.shares(jobs))
    return wrap(f"Jobs took {units.duration(sum(job.seconds for job in jobs))}: {parts}.", COLUMNS)


def render(
    settings: list[Setting],
    answers: Mapping[str, Answer],
    goal: Optional[Goal],
    missing: list[Missing],
    kinds_of_doubt: Sequence[Sequence[str]],
    jobs: list[times.Job],
    run: Optional[times.Run],
    page: str,
) -> str:
    """The summary as text. What does not fit is left to the page; failures and the page's place always stay.

    Args:
        answers: by the names of the settings that have figures.
        kinds_of_doubt: what `conclusion.doubts` tells.
    """
    skipped = sum(item.rows for item in missing if item.status != "failed")
    head = [line for block in (doubtful(kinds_of_doubt), failed(missing)) if block for line in (*block, "")]
    tail = [*spent(jobs, run), f"Report: {page}"]
    if answers:
        tail.append(f"Files to deploy: {Path(paths.RECOMMENDED).parent}/")
    if skipped:
        tail.insert(0, f"Skipped, as the frameworks declare: {names.count(skipped, 'row')}; the report says why.")
    room = LINES - len(head) - len(tail) - 1
    for whole in (True, False):
        tables = [about(setting, answers.get(setting.name), goal, whole) for setting in settings]
        if sum(map(len, tables)) <= room:
            break
    body: list[str] = []
    for index, table in enumerate(tables):
        left = len(tables) - index
        if len(body) + len(table) > room - (left > 1):
            body.append(f"and {left} more of model, device and node in the report")
            break
        body.extend(table)
    return "\n".join([*head, *body[:room], "", *tail]) + "\n"
