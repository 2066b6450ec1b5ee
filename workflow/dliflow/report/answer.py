"""The answer: what to deploy, what it costs and how sure that is, as data for `summary.json`, and in words.

All decisions are `analysis.recommendation`'s. Here its candidates get their names, figures and doubts as people read
them, and its steps become plain data that a page looks up and another program reads.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Optional

from dliflow import frameworks, wording
from dliflow.analysis import recommendation
from dliflow.analysis.columns import SETTING
from dliflow.analysis.doubts import beside_latency
from dliflow.analysis.quality import DISAGREEMENT, LOSS
from dliflow.analysis.ranking import Figure
from dliflow.analysis.recommendation import (
    ASKED,
    FPS,
    LATENCY,
    MACHINE,
    MEMORY,
    QUESTIONS,
    THROUGHPUT,
    Candidate,
    Goal,
    Outcome,
    Recommendation,
    Steps,
)
from dliflow.analysis.rows import Row, key
from dliflow.analysis.tables.accuracy import ACCEPTED_LOSS
from dliflow.configuration import PYTHON
from dliflow.report import conclusion, machines, names, units
from dliflow.report import cost as costs
from dliflow.report.read import POINT, Tables
from dliflow.study import paths
from dliflow.version import __version__

OBJECTIVES = {
    LATENCY: "lowest latency",
    FPS: "highest FPS",
    THROUGHPUT: "highest throughput",
    MEMORY: "smallest memory",
}
VERSION = 1  # of the file's form; the schema says when it rises
WITHIN = f"losing {costs.percent(ACCEPTED_LOSS)} at most"
# What a row is recommended for.
REASONS = {
    "goal": "your goal",
    **{name: OBJECTIVES[goal.asked[0]] for name, goal in QUESTIONS.items()},
    **{f"{name}_within": f"{OBJECTIVES[goal.asked[0]]}, {WITHIN}" for name, goal in QUESTIONS.items()},
}
BUSY = "the machine was too busy to tell"


class Answer(NamedTuple):
    """All answers of a setting."""

    of: Recommendation
    outcomes: dict[str, Optional[Outcome]]
    """By the names of `ASKED`, and `goal`; None where nothing was measured that could tell."""

    @property
    def setting(self) -> Row:
        """Any of its rows."""
        return self.of.of.first_row

    @property
    def name(self) -> str:
        """As a setting is called."""
        return names.setting(self.setting)

    def candidate(self, place: int) -> Candidate:
        """By its place."""
        return self.of.candidates[place]


def recommendations(tables: Tables, settings: Sequence[conclusion.Setting] = ()) -> dict[tuple, Recommendation]:
    """Of a study, by the values of `SETTING`.

    Args:
        settings: the conclusion, whose rankings are taken where it is known already.
    """
    known = [one.ranking for one in settings if one.ranking is not None]
    rankings = {key(one.first_row, SETTING): one for one in known} if settings else conclusion.ranked(tables)
    return recommendation.recommendations(
        rankings, tables.accuracy, tables.measurements, tables.rounds, tables.throughput
    )


def answers(of_study: dict[tuple, Recommendation], goal: Optional[Goal]) -> list[Answer]:
    """To every question, for each setting that has figures."""
    asked = ASKED if goal is None else {"goal": goal, **ASKED}
    return [Answer(of, {name: of.answer(each) for name, each in asked.items()}) for of in of_study.values()]


# In words.


def called(candidate: Candidate) -> str:
    """`onnxruntime int8 at batch size 1`, and how many requests are in flight where that is said."""
    load = f", {candidate.in_flight} in flight" if candidate.in_flight else ""
    return f"{names.configuration(candidate.row)} at batch size {candidate.size}{load}"


def launched(candidate: Candidate) -> str:
    """`threads=2, streams=1`: the launch parameters that are not the framework's defaults; empty where all are."""
    return wording.settings(launch_settings(candidate.row))


def latency(candidate: Candidate) -> str:
    """`2.95 ms [2.76, 3.16]`; with several requests in flight their mean."""
    value, _, interval = units.figure(candidate.standing.latency).partition(" ")
    mean = "in the mean " if candidate.in_flight else ""
    return f"{mean}{value} ms {interval}".rstrip()


def fps(candidate: Candidate) -> str:
    """`338 FPS [316, 362]`; with several requests in flight, images/s."""
    value, _, interval = units.figure(candidate.rate).partition(" ")
    return f"{value} {'images/s' if candidate.in_flight else 'FPS'} {interval}".rstrip()


def memory(candidate: Candidate) -> str:
    """`97.4 MiB (80.1 to 97.4)`: the largest of the sessions, and from the least on; `–` where nothing tells."""
    if candidate.memory is None:
        return units.EMPTY
    low, high = map(units.significant, candidate.memory)
    return f"{high} MiB" if low == high else f"{high} MiB ({low} to {high})"


FIGURES = {LATENCY: latency, FPS: fps, THROUGHPUT: fps, MEMORY: memory}


def cost(candidate: Candidate) -> str:
    """What a candidate costs in top-1."""
    return costs.cost(candidate.quality)


def doubts(candidate: Candidate, accepted: float = ACCEPTED_LOSS) -> dict[str, Optional[str]]:
    """By what may be bounded, why it is not known whether the candidate keeps a bound; None where it is.

    Args:
        accepted: of top-1; so much may be lost.
    """
    quality = candidate.quality
    return {
        LATENCY: _latency_doubt(candidate),
        LOSS: None if quality.within(LOSS).known else costs.cost(quality, accepted),
        DISAGREEMENT: None if quality.within(DISAGREEMENT).known else costs.change(quality),
    }


def _latency_doubt(candidate: Candidate) -> str:
    if candidate.busy:
        return BUSY
    if candidate.in_flight:
        more = "throughput.groups"
    else:
        more = "compare.budget_s" if candidate.standing.rounds else "latency.groups"
    if candidate.standing.latency.interval is None:
        return f"one session gives no interval of its latency; raise {more}"
    return f"its latency, {latency(candidate)}, is not known better; raise {more}"


# As data.


def rounded(value: Any) -> Any:
    """Numbers as the tables have them, to six digits."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {name: rounded(each) for name, each in value.items()}
    return [rounded(each) for each in value] if isinstance(value, (list, tuple)) else value


def _ends(name: str, figure: Figure, unit: str = "") -> dict[str, Optional[float]]:
    low, high = figure.interval or (None, None)
    return {f"{name}{unit}": figure.value, f"{name}_ci_low{unit}": low, f"{name}_ci_high{unit}": high}


def row(candidate: Candidate, recommended_for: Sequence[str]) -> dict[str, Any]:
    """A recommended row, or one that stands beside it.

    Args:
        recommended_for: what it is the answer to.
    """
    of, quality = candidate.row, candidate.quality
    shares = ("top1", "top1_ci_low", "top1_ci_high", "top1_change", "top1_change_ci_low", "top1_change_ci_high")
    known: Row = quality.row or {}
    chosen = launch_settings(of)
    return {
        **{name: of[name] for name in POINT},
        "id": "-".join(
            ["row", *(str(of[name]) for name in POINT), *([str(candidate.in_flight)] if candidate.in_flight else [])]
        ),
        "name": names.configuration(of),
        "framework_version": of["framework_version"],
        "settings": chosen,
        "threads": of["threads"],
        "threads_in_effect": of["threads_in_effect"],
        "launch": of["launch"],
        "code": frameworks.code(of["framework"], chosen) if chosen and of["api"] == PYTHON else [],
        "in_flight": candidate.in_flight,
        "recommended_for": list(recommended_for),
        "deploy": str(Path(paths.DEPLOYED.format(**of)).parent),
        **_ends("latency", candidate.standing.latency, "_ms"),
        "latency_p99_ms": of["latency_p99_ms"],
        **_ends("fps", candidate.rate),
        "peak_rss_mib": candidate.memory and candidate.memory.high,
        "peak_rss_least_mib": candidate.memory and candidate.memory.low,
        "model_bytes": of.get("model_bytes"),
        **{f"{name}_share": known.get(name) for name in shares},
        "baseline": known.get("baseline"),
        "loss_low_share": quality.loss.low,
        "loss_high_share": quality.loss.high,
        "disagreement_low_share": quality.disagreement.low,
        "disagreement_high_share": quality.disagreement.high,
        "images_needed": known.get("images_needed"),
        "unlabelled_needed": known.get("unlabelled_needed"),
        "chance": quality.chance or None,
        "warnings": beside_latency(candidate.standing),
        "accuracy_record": known.get("record"),
        "text": {
            **{name: show(candidate) for name, show in (("latency", latency), ("fps", fps), ("memory", memory))},
            "cost": cost(candidate),
        },
        "doubts": doubts(candidate),
    }


def launch_settings(of: Row) -> dict[str, Any]:
    """The launch parameters of a row that differ from its framework's defaults."""
    threads = {} if of["threads"] in (None, "default") else {"threads": int(of["threads"])}
    return {**threads, **json.loads(of.get("settings") or "{}")}


class Listed:
    """Outcomes and the rows that they name, each once, by their numbers in `summary.json`."""

    def __init__(self, of: Recommendation, goal: Optional[Goal]):
        self.of = of
        self.recommended = {key(one.row, POINT): one.asked for one in recommendation.recommended(of, goal)}
        self.rows: dict[int, int] = {}
        self.outcomes: dict[Outcome, int] = {}

    def row(self, place: int) -> int:
        """The number of a candidate's row."""
        return self.rows.setdefault(place, len(self.rows))

    def outcome(self, one: Optional[Outcome]) -> Optional[int]:
        """The number of an outcome."""
        return None if one is None else self.outcomes.setdefault(one, len(self.outcomes))

    def table(self, steps: Sequence[Steps]) -> list[dict[str, Any]]:
        """Steps as data."""
        return [
            {
                "from_share": of_share.share,
                "by_latency": [
                    {"from_ms": step.budget_ms, "outcome": self.outcome(step.outcome)} for step in of_share.by_budget
                ],
            }
            for of_share in steps
        ]

    def data(self) -> dict[str, list[dict[str, Any]]]:
        """Both lists."""
        outcomes = [self._outcome(one) for one in self.outcomes]
        return {"outcomes": outcomes, "rows": [self._row(self.of.candidates[place]) for place in self.rows]}

    def _row(self, one: Candidate) -> dict[str, Any]:
        deployed = self.of.deployed(one)
        if deployed is None:
            return row(one, []) | {"deploy": None}
        return row(one, self.recommended.get(key(deployed.row, POINT), []))

    def _outcome(self, one: Outcome) -> dict[str, Any]:
        return {
            "objective": one.objective,
            "answer": one.answer,
            "row": None if one.best is None else self.row(one.best),
            "ties": [self.row(place) for place in one.ties],
            "undecided": [self.row(place) for place in one.undecided],
            "perhaps": None if one.perhaps is None else self.row(one.perhaps),
            "why": list(one.why),
            "more_groups": one.more and one.more.groups,
            "more_s": one.more and one.more.seconds,
        }


def data(answer: Answer, counts: dict[str, int], goal: Optional[Goal]) -> dict[str, Any]:
    """All of a setting."""
    listed, of = Listed(answer.of, goal), answer.of
    asked = [
        {"objective": objective, "batch_size": size, "quality": kind, "steps": listed.table(steps)}
        for (objective, size, kind), steps in of.tables.items()
    ]
    questions = {name: listed.outcome(outcome) for name, outcome in answer.outcomes.items()}
    return {
        **dict(zip(SETTING, key(answer.setting, SETTING))),
        "name": answer.name,
        "counts": counts,
        "doubtful": answer.of.busy,
        "batch_sizes": sorted({one.size for one in of.candidates}),
        "questions": {"goal": None, **questions},
        "tables": asked,
        **listed.data(),
    }


def summary(
    tables: Tables,
    concluded: Sequence[Answer],
    settings: Sequence[conclusion.Setting],
    goal: Optional[Goal],
    title: str,
) -> dict[str, Any]:
    """`summary.json`, as `workflow/schemas/summary.schema.json` describes it.

    Args:
        concluded: the answers of the settings that have figures.
        settings: the conclusion of every setting.
    """
    counts = {setting.name: setting.counts for setting in settings}
    quality, machine = conclusion.doubts(settings, tables.accuracy, tables.throughput)
    return rounded(
        {
            "version": VERSION,
            "dliflow_version": __version__,
            "title": title,
            "accepted_loss_share": ACCEPTED_LOSS,
            "goal": None if goal is None else goal._asdict(),
            "doubts": {"quality": quality, "machine": machine},
            "words": {
                "answers": {"yes": "yes", "no": "no", "unknown": "cannot be told"},
                "objectives": OBJECTIVES,
                "asked": REASONS,
                "why": {MACHINE: BUSY},
            },
            "machines": [one._asdict() | {"facts": dict(one.facts)} for one in machines.machines(tables.measurements)],
            "framework_versions": machines.versions(tables),
            "without_figures": [one.name for one in settings if one.ranking is None],
            "answers": [data(one, counts[one.name], goal) for one in concluded],
        }
    )
