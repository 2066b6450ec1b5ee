"""What images without labels tell of the loss of top-1: on how many the top-1 class is another one than the baseline's.

A loss is the share that was right and is wrong now, less the share that was wrong and is right now. In either case the
class has changed. So the share of images whose class has changed bounds the loss, whatever the images show.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from dliflow.analysis import baselines, stats
from dliflow.analysis.baselines import Key
from dliflow.analysis.tables import shared
from dliflow.records import record


class Changes(NamedTuple):
    """A configuration against its baseline."""

    changed: np.ndarray
    """Bool (images,): whether the class is another one."""
    photographs: np.ndarray
    """Int (images,): which photograph each image is of."""


def columns(rows: shared.Rows, compared: Mapping[Key, Key]) -> dict[Key, dict[str, Any]]:
    """The columns of agreement for each configuration that has a baseline.

    Images of one photograph are alike, so they are worth fewer independent ones. How alike is estimated once for all
    configurations of a model: one that changes hardly any class could not tell it.

    Args:
        rows: of the plan, `agreement`.
        compared: for each configuration its baseline.
    """
    seen, missing = _evaluated(rows)
    columns: dict[Key, dict[str, Any]] = {}
    changes: dict[str, dict[Key, Changes]] = {}
    for row in rows:
        key = shared.values(row)
        if key in compared:
            base = compared[key]
            absent = next((f"{baselines.name(each)} {missing[each]}" for each in (key, base) if each in missing), None)
            reason = absent or baselines.differing(seen[key], seen[base])
            columns[key] = {"unlabelled_dataset": row["dataset"], "unlabelled_reason": reason}
            if reason is None:
                changes.setdefault(row["model"], {})[key] = _changes(seen[key], seen[base])
    for of_model in changes.values():
        alike = _alike(list(of_model.values()))
        for key, change in of_model.items():
            columns[key].update(_figures(change.changed, stats.effective(change.photographs, alike)))
    return columns


def _evaluated(rows: shared.Rows) -> tuple[dict[Key, pd.DataFrame], dict[Key, str]]:
    """What each configuration made of the images, and of the others why nothing is known."""
    seen, missing = {}, {}
    for planned in rows:
        key, outcome = shared.values(planned), record.outcome(planned)
        figures = shared.figures(outcome)
        if figures:
            seen[key] = baselines.predictions(Path(planned["record"]).with_name(figures["predictions"]))
        else:
            missing[key] = f"{outcome['status']}: {outcome['reason']}"
    return seen, missing


def _changes(predictions: pd.DataFrame, base: pd.DataFrame) -> Changes:
    changed = predictions["class1"] != base["class1"]
    return Changes(changed.to_numpy(), pd.factorize(predictions["sha256"])[0])


def between(predictions: pd.DataFrame, base: pd.DataFrame) -> dict[str, Any]:
    """The columns that hold numbers, of two evaluations of the same images, whatever made them."""
    change = _changes(predictions, base)
    return _figures(change.changed, stats.effective(change.photographs, _alike([change])))


def _alike(changes: list[Changes]) -> float:
    """How alike images of one photograph are, by all configurations that saw the same ones."""
    photographs = changes[0].photographs
    same = [change.changed for change in changes if np.array_equal(change.photographs, photographs)]
    return stats.intraclass(np.array(same), photographs)


def _figures(changed: np.ndarray, effective: float) -> dict[str, Any]:
    """The columns that hold numbers.

    Args:
        effective: how many independent images they are worth.
    """
    agreement = 1 - float(changed.mean())
    low, high = stats.share_interval(agreement * effective, effective)
    return {
        "unlabelled_images": len(changed),
        "unlabelled_effective": effective,
        "unlabelled_agreement": agreement,
        "unlabelled_agreement_ci_low": low,
        "unlabelled_agreement_ci_high": high,
        "loss_bound": 1 - low,
    }
