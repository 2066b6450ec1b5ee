"""Who leaves a race of launch settings, and when. Pure functions of plain data.

Every candidate gives a burst in the rounds of the default settings, so that their ratio is free of what the machine did
meanwhile. A race's group gives each candidate one figure: the logarithm of that ratio. Many candidates may not fit into
the memory at once and run in several heats, each with the default: then the figures of two are still of the same scale.

A race chooses; it proves nothing. Whoever wins was lucky too, so the ratio that is quoted comes from groups of its own.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Optional

import numpy as np

from dliflow.analysis import comparison, sessions
from dliflow.analysis.comparison import Groups, Pair

DEFAULT, TUNED = "default", "tuned"  # members of the confirmation; the first is in each heat of the race, too
PAIR = Pair(TUNED, DEFAULT, "tuning")
LEAST = 3  # groups before anybody leaves
ERROR = 0.05  # of a race: how often it may drop one that is as fast as the best
Settings = dict[str, Any]


class Loss(NamedTuple):
    """Why a candidate leaves."""

    against: str
    """The best so far."""
    ratio: float
    """Of its latency to that one's."""
    p: float
    """That of the one-sided test, before Holm's correction."""


def field(valid: Sequence[Settings], most: int, seed: int) -> list[Settings]:
    """The settings that begin a race, in their order: all that are valid; of more than so many those that change one
    thing, and of more than so many of these a seeded choice. The first one always is among them.
    """
    first, *others = valid
    if len(valid) <= most:
        return list(valid)
    single = [one for one in others if sum(one.get(key) != first.get(key) for key in {*one, *first}) == 1]
    chosen = random.Random(seed).sample(range(len(single)), min(most - 1, len(single)))
    return [first, *(single[place] for place in sorted(chosen))]


def figures(groups: Groups, name: str) -> list[float]:
    """A candidate's figure of each of its groups: the mean over the sessions of the medians of their rounds."""
    rounds = comparison.rounds(groups, Pair(name, DEFAULT, "tuning"))
    if not len(rounds.ratio):
        return []
    values, of_group = sessions.medians(rounds.ratio, rounds.session, rounds.group)
    _, place = np.unique(of_group, return_inverse=True)
    return [float(value) for value in np.bincount(place, values) / np.bincount(place)]


def best(of: Mapping[str, Sequence[float]]) -> str:
    """The fastest so far, of candidates that have figures; the default's are 0. Of the same ones the default."""
    means = {DEFAULT: 0.0} | {name: float(np.mean(values)) for name, values in of.items()}
    return min(means, key=lambda name: (means[name], name != DEFAULT))


def losers(of: Mapping[str, Sequence[float]], looks: int) -> dict[str, Loss]:
    """Candidates that are shown to be slower than the best so far: paired one-sided t tests, of the same groups, at a
    level that S. Holm's procedure (Scand. J. Stat. 6, 1979) divides among candidates, and looks share alike.

    Args:
        of: for each that still takes part its figures, of the same number of groups.
        looks: how often the race looks, at most.
    """
    leading = best(of)
    groups = len(next(iter(of.values()), ()))
    if groups < LEAST:
        return {}
    leader = np.zeros(groups) if leading == DEFAULT else np.asarray(of[leading])
    losses = {name: _loss(np.asarray(values) - leader, leading) for name, values in of.items() if name != leading}
    left, shown = len(losses), {}
    for name in sorted(losses, key=lambda name: losses[name].p):
        if losses[name].p > ERROR / looks / left:
            break
        shown[name], left = losses[name], left - 1
    return shown


def _loss(differences: np.ndarray, leading: str) -> Loss:
    """Against the leader.

    Args:
        differences: float64 (groups,), of logarithms.
    """
    from scipy import special  # here, as elsewhere: the rules import this room for names only

    count, mean = len(differences), float(differences.mean())
    error = float(differences.std(ddof=1)) / math.sqrt(count)
    score = mean / error if error > 1e-12 else math.copysign(math.inf, mean) if mean else 0.0
    return Loss(leading, math.exp(mean), float(special.stdtr(count - 1, -score)))


def ratio(of: Sequence[float]) -> tuple[float, Optional[tuple[float, float]]]:
    """What a race says of a candidate against the default: geometric mean over the groups, and its 95 % interval.

    It is that of one candidate looked at alone. That of the best of many lies too low.
    """
    count, mean = len(of), float(np.mean(of))
    if count < 2:
        return math.exp(mean), None
    spread = float(np.std(of, ddof=1))
    return math.exp(mean), sessions.interval(sessions.Mean(mean, spread**2 / count, count - 1), 0.95)


def looks(groups: int) -> int:
    """How often a race of so many groups looks for losers, at most."""
    return max(1, groups - LEAST + 1)
