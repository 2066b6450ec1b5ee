"""What a configuration's quality is compared with, image by image: chosen by what is known to be well."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, Optional

import pandas as pd

from dliflow import frameworks
from dliflow.analysis.columns import CALLED
from dliflow.configuration import PYTHON
from dliflow.study import plan

# What an image is known by in a file of predictions; two predictions of it can be compared when all of it is the same.
IMAGE = ["file", "sha256", "label"]

Key = tuple[str, ...]  # the values of `plan.IDENTITY`


class Choice(NamedTuple):
    """The baseline, or None, and why it is not the one that is looked for first."""

    key: Optional[Key]
    reason: str


def name(key: Key) -> str:
    """`mxnet-python-hybrid-fp32`."""
    named = dict(zip(plan.IDENTITY, key))
    return "-".join(named[column] for column in CALLED)


def candidates(key: Key, reference: str) -> list[Key]:
    """Whatever can be the baseline, best first: FP32 of the same framework, its own API and variant before others, and
    last of the reference runtime. FP32 itself is compared with the reference runtime's in Python, whose first variant
    has none.

    Args:
        reference: the framework of the model's source format.
    """
    model, framework, api, variant, precision, device = key
    homes = [(reference, PYTHON, other) for other in frameworks.variants(reference)]
    if precision == "fp32":
        mine = (framework, api, variant)
        runs = homes[: homes.index(mine)] if mine in homes else homes
    else:
        in_python = [(framework, PYTHON, other) for other in (variant, *frameworks.variants(framework))]
        runs = [(framework, api, variant), *in_python, *homes]
    return [(model, *run, "fp32", device) for run in dict.fromkeys(runs)]


def choose(key: Key, reference: str, unfit: Callable[[Key], Optional[str]]) -> Choice:
    """The first candidate that is fit to be compared with.

    Args:
        unfit: tells of a candidate in some words why it is not, such as `failed`, or None.
    """
    passed_over: list[str] = []
    wanted = candidates(key, reference)
    for candidate in wanted:
        problem = unfit(candidate)
        if problem is None:
            return Choice(candidate, "; ".join(passed_over))
        passed_over.append(f"{name(candidate)} {problem}")
    return Choice(None, "; ".join(passed_over) if wanted else "it is the reference itself")


def predictions(path: Path) -> pd.DataFrame:
    """The images that an accuracy job evaluated (`file`, `sha256`, `label`) and the class that each got, `class1`.

    A label that there is not is NA.

    Args:
        path: the CSV beside the job's record, by whose checksum it was verified (`record.outcome`).
    """
    kinds: Any = {"file": str, "sha256": str, "label": "Int64", "class1": int}
    table = pd.read_csv(path, usecols=list(kinds), dtype=kinds, keep_default_na=False, na_values={"label": [""]})
    return table.sort_values(IMAGE, kind="stable", ignore_index=True)


def differing(table: pd.DataFrame, base: pd.DataFrame) -> Optional[str]:
    """Why two sorted tables of `predictions` cannot be compared image by image; None when they can.

    An image that is listed several times has to be so in both. Comparing what they have in common is refused: one of
    them is not of today's list of images, and its top-1 stands beside that of other images.
    """
    contents = IMAGE[:2]
    if not table[contents].equals(base[contents]):
        numbers = [one.groupby(contents).size() for one in (table, base)]
        same = int(pd.concat(numbers, axis=1).min(axis=1, skipna=False).sum())
        return f"was evaluated on other images ({len(base)}, of which {same} are among these {len(table)})"
    if not table["label"].equals(base["label"]):
        changed = int((table["label"] != base["label"]).sum())
        return f"was evaluated with other labels ({changed} of {len(table)} differ)"
    return None
