"""accuracy.csv: top-1 and top-5 of each configuration with intervals, and their change against its baseline."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, NamedTuple, Optional

import pandas as pd

from dliflow import sources
from dliflow.analysis import baselines, chance, stats
from dliflow.analysis.rows import grouped
from dliflow.analysis.tables import agreement, shared
from dliflow.records import record

ACCEPTED_LOSS = 0.01  # of top-1, by compression; the bound that the methodology sets


def rows(study_plan: dict[str, Any], parity_rows: shared.Rows, models: dict[str, dict[str, Any]]) -> shared.Rows:
    """One row for each configuration, with intervals, and the change against its baseline on the same images.

    Args:
        models: for each model what `plan.described` tells.
    """
    parity = {shared.values(row): row for row in parity_rows}
    unlabelled = grouped(study_plan["agreement"], ("model",))
    of_models = grouped(study_plan["accuracy"], ("model",)).items()
    return [
        row
        for model, planned in of_models
        for row in _of_model(planned, unlabelled.get(model, []), parity, models[model[0]])
    ]


def _of_model(
    labelled: shared.Rows, unlabelled: shared.Rows, parity: dict[tuple, shared.Row], model: dict[str, Any]
) -> shared.Rows:
    """Those of one model: the predictions of all of them at a time would fill the memory.

    Args:
        labelled: of the plan, `accuracy`; `unlabelled` of `agreement`.
    """
    table: shared.Rows = []
    evaluated: dict[tuple, pd.DataFrame] = {}
    for planned in labelled:
        outcome = record.outcome(planned)
        row = {**shared.identity(planned, outcome), "record": planned["record"]}
        figures = shared.figures(outcome)
        key = shared.values(row)
        row["max_abs_score_diff"] = parity[key].get("max_abs_score_diff")
        row.update(_published(model["published"]))
        row.update(_shares(figures, model["classes"]) if figures else {})
        shared.fail_with_parity(row, parity[key])
        if figures and row["status"] == "ok":
            evaluated[key] = baselines.predictions(Path(planned["record"]).with_name(figures["predictions"]))
        table.append(row)
    states = {shared.values(row): row["status"] for row in table}
    compared = {}
    for row in table:
        if row["status"] == "ok":
            choice = _baseline(row, evaluated, states, model)
            row["baseline_reason"] = choice.reason
            if choice.key is not None:
                compared[shared.values(row)] = choice.key
    bounds = agreement.columns(unlabelled, compared)
    for row in table:
        key = shared.values(row)
        if key in compared:
            row.update(bounds.get(key, {}))
            row.update(change(evaluated[key], evaluated[compared[key]]), baseline=baselines.name(compared[key]))
            row.update(_judged(row, evaluated[compared[key]], model["classes"]))
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


def _baseline(
    row: shared.Row, evaluated: dict[tuple, pd.DataFrame], states: dict[tuple, str], model: dict[str, Any]
) -> baselines.Choice:
    """What a good row is compared with.

    Args:
        evaluated: the predictions of all rows that are well.
        states: the status of all rows.
    """
    predictions = evaluated[shared.values(row)]

    def unfit(key: tuple) -> Optional[str]:
        if key in evaluated:
            return baselines.differing(predictions, evaluated[key])
        return states.get(key, "is not in the study").replace("skipped", "was skipped")

    return baselines.choose(shared.values(row), sources.load(model["format"]).FRAMEWORK, unfit)


def change(predictions: pd.DataFrame, base: pd.DataFrame) -> dict[str, Any]:
    """The columns that compare two configurations on the labelled images, which are the same."""
    right, base_right = predictions["class1"] == predictions["label"], base["class1"] == base["label"]
    lost, won, images = int((base_right & ~right).sum()), int((right & ~base_right).sum()), len(predictions)
    low, high = stats.paired_change_interval(won, lost, images)
    return {
        "top1_change": (won - lost) / images,
        "top1_change_ci_low": low,
        "top1_change_ci_high": high,
        "mcnemar_p": stats.mcnemar_p(won, lost),
        "agreement": float((predictions["class1"] == base["class1"]).mean()),
    }


def _judged(row: shared.Row, base: pd.DataFrame, classes: int) -> dict[str, Any]:
    """The verdict, and how many images would tell where these do not."""
    loss = Loss.of(row)
    guessing = chance.warning(int((base["class1"] == base["label"]).sum()), len(base), classes)
    return {
        "verdict": "cannot tell: the baseline looks like chance" if guessing else loss.verdict,
        "images_needed": loss.images_needed,
        "unlabelled_needed": loss.unlabelled_needed,
    }


class Loss(NamedTuple):
    """What is known of a loss of top-1: from labelled images its interval, from others a bound."""

    change: float
    low: float
    """Of the interval of the change."""
    high: float
    images: int
    """With labels."""
    bound: Optional[float] = None
    """Share of images whose class changes, at most; None where it was not looked at."""
    changed: float = 0.0
    """The share that was seen."""
    unlabelled: int = 0
    """Images without labels."""
    effective: float = 0.0
    """How many independent ones these are worth."""
    accepted: float = ACCEPTED_LOSS
    """So much may be lost."""

    @classmethod
    def of(cls, row: shared.Row) -> Loss:
        """From a row of accuracy.csv that has a baseline."""
        labelled = (row["top1_change"], row["top1_change_ci_low"], row["top1_change_ci_high"], row["images"])
        if row.get("loss_bound") is None:
            return cls(*labelled)
        changed = 1 - row["unlabelled_agreement"]
        return cls(*labelled, row["loss_bound"], changed, row["unlabelled_images"], row["unlabelled_effective"])

    @property
    def more(self) -> bool:
        """Whether more of top-1 is lost than is accepted."""
        return self.high < -self.accepted

    @property
    def undecided(self) -> bool:
        """Whether neither kind of images tells if more is lost than that."""
        bounded = self.bound is not None and self.bound <= self.accepted
        return not bounded and self.low < -self.accepted <= self.high

    @property
    def most(self) -> float:
        """So much of top-1 is lost at most."""
        return min(max(0.0, -self.low), 1.0 if self.bound is None else self.bound)

    @property
    def verdict(self) -> str:
        """Whether the loss exceeds what is accepted, as far as the images tell."""
        if not self.undecided:
            return f"loses {'more' if self.more else 'no more'} than {100 * self.accepted:.0f} %"
        if self.bound is None:
            return f"cannot tell with {self.images} images"
        return (
            f"cannot tell with {self.images} labelled and {self.unlabelled} unlabelled images; loses no more than "
            f"{math.ceil(self.most * 1000) / 10:.1f} %"
        )

    @property
    def images_needed(self) -> Optional[int]:
        """How many labelled images would tell, should the change stay what it is.

        An interval narrows with the root of their number. Where it is known how many classes change, the change is not
        taken to be larger than that, and the interval, which rests on images that are right on one side only, is not
        taken to be wider than if all of these were. None where it is told already, and where the change lies so near
        to the accepted loss that hardly any number would tell.
        """
        change, spread = self.change, ((self.high - self.low) / 2) ** 2 * self.images
        if self.bound is not None:
            change = min(max(change, -self.bound), self.bound)
            spread = min(spread, stats.quantile(0.95) ** 2 * max(self.changed, 1 / self.effective))
        margin = abs(change + self.accepted)
        if not self.undecided or margin <= self.accepted / 10:
            return None
        return rounded_up(spread / margin**2)

    @property
    def unlabelled_needed(self) -> Optional[int]:
        """How many images without labels would tell, should the same share of them change its class.

        None where it is told already, and where more change it than may be lost: then labels alone can tell.
        """
        if not self.undecided or self.bound is None:
            return None
        needed = stats.trials_needed(self.changed, self.accepted)
        return None if needed is None else rounded_up(needed * self.unlabelled / self.effective)


def rounded_up(number: float) -> int:
    """To two digits."""
    step = 10 ** max(0, math.floor(math.log10(number)) - 1)
    return math.ceil(number / step) * step
