"""accuracy.csv: top-1 and top-5 of each configuration with intervals, and their change against its baseline."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Optional

import pandas as pd

from dliflow import sources
from dliflow.analysis import baselines, chance, stats
from dliflow.analysis.tables import shared
from dliflow.records import record

ACCEPTED_LOSS = 0.01  # of top-1, by compression; the bound that the methodology sets


def rows(study_plan: dict[str, Any], parity_rows: shared.Rows, models: dict[str, dict[str, Any]]) -> shared.Rows:
    """One row for each configuration, with intervals, and the change against its baseline on the same images.

    Args:
        models: for each model what `plan.described` tells.
    """
    parity = {shared.values(row): row for row in parity_rows}
    table: shared.Rows = []
    evaluated: dict[tuple, pd.DataFrame] = {}
    for planned in study_plan["accuracy"]:
        outcome = record.outcome(planned)
        row = {**shared.identity(planned, outcome), "record": planned["record"]}
        figures = shared.figures(outcome)
        key = shared.values(row)
        model = models[row["model"]]
        row["max_abs_score_diff"] = parity[key].get("max_abs_score_diff")
        row.update(_published(model["published"]))
        row.update(_shares(figures, model["classes"]) if figures else {})
        shared.fail_with_parity(row, parity[key])
        if figures and row["status"] == "ok":
            evaluated[key] = baselines.predictions(Path(planned["record"]).with_name(figures["predictions"]))
        table.append(row)
    states = {shared.values(row): row["status"] for row in table}
    for row in table:
        if row["status"] == "ok":
            row.update(_change(row, evaluated, states, models[row["model"]]))
    return table


def _published(entry: Optional[dict[str, Any]]) -> dict[str, Any]:
    """The publisher's figures as shares, where a model's entry has them."""
    published = entry or {}
    shares = {f"published_{name}": published[name] / 100 for name in ("top1", "top5") if name in published}
    return {**shares, "published_source": published.get("source")}


def _shares(figures: dict[str, Any], classes: int) -> dict[str, Any]:
    """Top-1 and top-5 with their intervals, and what makes them doubtful."""
    images = figures["images"]
    shares = {"images": images, "warnings": chance.warning(figures["top1_right"], images, classes)}
    for name in ("top1", "top5"):
        right = figures[f"{name}_right"]
        low, high = stats.share_interval(right, images)
        shares.update({name: right / images, f"{name}_ci_low": low, f"{name}_ci_high": high})
    return shares


def _change(
    row: shared.Row, evaluated: dict[tuple, pd.DataFrame], states: dict[tuple, str], model: dict[str, Any]
) -> dict[str, Any]:
    """The columns that compare a good row with its baseline, or why there is none.

    Args:
        evaluated: the predictions of all rows that are well.
        states: the status of all rows.
    """
    predictions = evaluated[shared.values(row)]

    def unfit(key: tuple) -> Optional[str]:
        if key in evaluated:
            return baselines.differing(predictions, evaluated[key])
        return states.get(key, "is not in the study").replace("skipped", "was skipped")

    key, reason = baselines.choose(shared.values(row), sources.load(model["format"]).FRAMEWORK, unfit)
    if key is None:
        return {"baseline_reason": reason}
    base = evaluated[key]
    right, base_right = predictions["class1"] == predictions["label"], base["class1"] == base["label"]
    lost, won, images = int((base_right & ~right).sum()), int((right & ~base_right).sum()), len(predictions)
    change = (won - lost) / images
    low, high = stats.paired_change_interval(won, lost, images)
    guessing = chance.warning(int(base_right.sum()), images, model["classes"])
    return {
        "baseline": baselines.name(key),
        "baseline_reason": reason,
        "top1_change": change,
        "top1_change_ci_low": low,
        "top1_change_ci_high": high,
        "mcnemar_p": stats.mcnemar_p(won, lost),
        "agreement": float((predictions["class1"] == base["class1"]).mean()),
        "verdict": "cannot tell: the baseline looks like chance" if guessing else verdict(low, high, images),
        "images_needed": images_needed(change, low, high, images),
    }


def undecided(low: float, high: float) -> bool:
    """Whether the interval of a change does not tell if more of top-1 is lost than the methodology accepts."""
    return low < -ACCEPTED_LOSS <= high


def verdict(low: float, high: float, images: int) -> str:
    """Whether the loss of top-1 exceeds what the methodology accepts, as far as the interval of the change tells."""
    if undecided(low, high):
        return f"cannot tell with {images} images"
    return f"loses {'more' if high < -ACCEPTED_LOSS else 'no more'} than {ACCEPTED_LOSS:.0%}"


def images_needed(change: float, low: float, high: float, images: int) -> Optional[int]:
    """How many images would tell whether too much of top-1 is lost, should the change stay what it is.

    An interval narrows with the root of their number. Rounded up to two digits; None where the interval tells already,
    and where the change lies so near to the accepted loss that hardly any number would tell.
    """
    margin = abs(change + ACCEPTED_LOSS)
    if not undecided(low, high) or margin < ACCEPTED_LOSS / 10:
        return None
    needed = images * ((high - low) / 2 / margin) ** 2
    step = 10 ** max(0, math.floor(math.log10(needed)) - 1)
    return math.ceil(needed / step) * step
