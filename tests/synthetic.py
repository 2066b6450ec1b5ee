"""A framework whose latencies are known, on a clock that only its requests move."""

from __future__ import annotations

from collections.abc import Callable
from statistics import NormalDist

import numpy as np

LEVEL = 5e6  # ns: the true median, once requests are steady
SPREAD = 0.03
SLOW = 35  # of `slow_first`: from this request on it is within SPREAD of its level
BATCHES = [np.zeros((1, 1), np.float32)]


class Synthetic:
    """A session and its clock, as `measure.run` takes them."""

    def __init__(self, durations: np.ndarray):
        self.durations = durations.astype(np.int64).tolist()
        self.made = self.now = 0

    def predict(self, batch) -> None:
        """Let the next duration go by."""
        self.now += self.durations[self.made]
        self.made += 1

    def clock(self) -> int:
        """Simulated time, ns."""
        return self.now


def constant(rng: np.random.Generator, count: int) -> np.ndarray:
    """Always the same."""
    return np.full(count, LEVEL)


def independent(rng: np.random.Generator, count: int) -> np.ndarray:
    """Log-normal."""
    return LEVEL * np.exp(rng.normal(0, SPREAD, count))


def bimodal(rng: np.random.Generator, count: int) -> np.ndarray:
    """Three of ten requests take 1.4 times as long; the median lies in the flank of the fast mode."""
    slow = rng.random(count) < 0.3
    return independent(rng, count) / np.exp(SPREAD * NormalDist().inv_cdf(0.5 / 0.7)) * np.where(slow, 1.4, 1)


def heavy_tail(rng: np.random.Generator, count: int) -> np.ndarray:
    """Lomax, without a variance."""
    shape = 1.2
    return LEVEL * (1 + SPREAD * (rng.pareto(shape, count) - (2 ** (1 / shape) - 1)))


def autocorrelated(rng: np.random.Generator, count: int) -> np.ndarray:
    """Log-normal, of first order; each request is correlated with the last by 0.8."""
    shocks = rng.normal(0, np.sqrt(1 - 0.8**2), count)
    shocks[0] /= np.sqrt(1 - 0.8**2)
    for index in range(1, count):
        shocks[index] += 0.8 * shocks[index - 1]
    return LEVEL * np.exp(SPREAD * shocks)


def slow_first(rng: np.random.Generator, count: int) -> np.ndarray:
    """The first request takes twice as long, and ten requests later the excess has fallen to a third."""
    return independent(rng, count) * (1 + np.exp(-np.arange(count) / 10))


def switching(rng: np.random.Generator, count: int) -> np.ndarray:
    """The two modes of `bimodal`, each for some twenty requests: a neighbour on the same core."""
    slow = np.empty(count, bool)
    slow[0] = rng.random() < 0.3
    chances = rng.random(count)
    for index in range(1, count):
        slow[index] = chances[index] >= 1 / 12 if slow[index - 1] else chances[index] < 1 / 28
    return independent(rng, count) / np.exp(SPREAD * NormalDist().inv_cdf(0.5 / 0.7)) * np.where(slow, 1.4, 1)


STATIONARY: tuple[Callable[[np.random.Generator, int], np.ndarray], ...] = (
    *(constant, independent, bimodal, heavy_tail, autocorrelated, switching),
)
