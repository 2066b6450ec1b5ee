"""What benchmarks share and frameworks' environments can run: sessions, alternating rounds, and how these are shown."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from dliflow.measuring import feed, session

Figures = dict[str, list[float]]
"""For each side of a check its figure in each round."""


def asked(word: str) -> tuple[argparse.Namespace, dict[str, Any]]:
    """The configuration, and what else a check is told, of the word that `finished.ask` made."""
    told = json.loads(word)
    of = argparse.Namespace(**told.pop("of"))
    of.converted, of.array = Path(of.converted), Path(of.array)
    return of, told


def opened(of: argparse.Namespace, batch_size: int) -> tuple[session.Opened, list[np.ndarray]]:
    """The model as a worker opens it, and the batches over which its requests rotate."""
    return session.open_model(session.described(of), batch_size), feed.batches(feed.images(of), batch_size, of.distinct)


def alternate(sides: dict[str, Callable[[], float]], rounds: int) -> Figures:
    """Ask each side once in every round; who comes first changes from round to round."""
    names = list(sides)
    figures: Figures = {name: [] for name in names}
    for index in range(rounds):
        first = index % len(names)
        for name in names[first:] + names[:first]:
            figures[name].append(sides[name]())
    return figures


def interval(values: list[float]) -> str:
    """Median of rounds, and what 95 of 100 of them lie between."""
    low, high = np.percentile(values, [2.5, 97.5])
    return f"{np.median(values):8.1f}   (rounds: {low:.1f} to {high:.1f})"


def ratio(first: list[float], second: list[float]) -> str:
    """Median of the ratio first / second of each round, and its 95 % interval, which moments of a stall do not move."""
    from scipy import stats as scipy_stats  # frameworks' environments have none

    ratios = np.array(first) / np.array(second)
    around = scipy_stats.quantile_test(ratios, p=0.5).confidence_interval(0.95)
    return f"{np.median(ratios):8.3f}   (95 % interval: {around.low:.3f} to {around.high:.3f})"
