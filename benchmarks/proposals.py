"""How good the best settings are that a race tries, by who chooses them where not all can race. Nothing is asserted.

    PYTHONPATH=workflow .venv/bin/python benchmarks/proposals.py [MACHINES]

Machines are made up, so many (100) for each space that a framework's file declares, of one with 14 cores of two kinds:
what each value and each pair of values does to the latency is drawn at random, and so is the error of what a race sees.
Whole races are held. Printed is what the winner really gains over the default, in the mean over the machines, and
what the best of all valid settings would.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dliflow import frameworks
from dliflow.analysis import proposals, race
from dliflow.study.launch_parameters import MACHINES

MACHINE = MACHINES["6 fast cores with SMT and 8 slow ones"]
POINT = ("fp32", "default", 8, MACHINE)
MOST, AT_ONCE, GROUPS = 24, 3, 6
STRONG, FEW, WEAK = 0.12, 0.3, 0.01  # standard deviation of the few strong effects, their share, that of all others
PAIR = 0.4  # that of what two values do together, over the mean of what they do alone
SEEN = 0.07  # of a candidate's figure in a group
Params = dict[str, Any]


class Space:
    """What a framework declares for the machine."""

    def __init__(self, framework: str):
        self.framework, self.options = framework, frameworks.space(framework)
        tried = frameworks.values(framework, MACHINE)
        self.values = {key: [self.options[key].default, *each] for key, each in tried.items()}
        changed = frameworks.candidates(framework, *POINT)
        self.declared = [{**{key: each[0] for key, each in self.values.items()}, **one} for one in changed]
        self.alone = [one for one, of in zip(self.declared, changed) if len(of) < 2]
        every = (dict(zip(self.values, one)) for one in itertools.product(*self.values.values()))
        self.valid = [one for one in every if self.is_valid(one)]

    def is_valid(self, params: Params) -> bool:
        """Whether settings make sense."""
        changed = {key: value for key, value in params.items() if value != self.values[key][0]}
        return frameworks.valid(self.framework, changed, *POINT)


class Truth:
    """A machine: by how much longer settings take, as a logarithm."""

    def __init__(self, space: Space, rng: np.random.Generator):
        changes = [(key, value) for key, each in space.values.items() for value in each[1:]]
        sizes = np.where(rng.random(len(changes)) < FEW, STRONG, WEAK)
        self.space, self.alone = space, dict(zip(changes, rng.normal(0, sizes)))
        self.together = {
            pair: rng.normal(0, PAIR * np.mean([abs(self.alone[one]) for one in pair]))
            for pair in itertools.combinations(changes, 2)
        }

    def __call__(self, params: Params) -> float:
        changed = [(key, value) for key, value in params.items() if value != self.space.values[key][0]]
        pairs = itertools.combinations(changed, 2)
        return sum(self.alone[one] for one in changed) + sum(self.together[pair] for pair in pairs)


Tried = Sequence[tuple[Params, float]]
Choice = Callable[[Space, Tried, int, int], list[Params]]


def declared(space: Space, tried: Tried, most: int, seed: int) -> list[Params]:
    """A seeded choice of those combinations that the framework's file declares."""
    known = [one for one, _ in tried]
    others = [one for one in space.declared if one not in known]
    return [others[place] for place in np.random.default_rng(seed).permutation(len(others))[:most]]


def asked(space: Space, tried: Tried, most: int, seed: int) -> list[Params]:
    """The optimiser's."""
    return proposals.proposed(space.values, tried, space.is_valid, most, seed)


CHOICES: dict[str, Choice] = {"none: single changes": lambda *_: [], "declared, at random": declared, "Optuna": asked}


def winner(space: Space, truth: Truth, choose: Choice, seed: int) -> float:
    """What a race's winner really does; 0 where that is slower than the default, which fresh groups tell."""
    rng = np.random.default_rng(seed)

    def see(one: Params) -> float:
        return truth(one) + rng.normal(0, SEEN)

    first = [(one, see(one)) for one in space.alone[1:]]
    while len(first) + 1 < MOST:
        more = choose(space, [(space.alone[0], 0.0), *first], min(AT_ONCE, MOST - 1 - len(first)), seed)
        if not more:
            break
        first += [(one, see(one)) for one in more]
    settings = {str(number): one for number, (one, _) in enumerate(first)}
    seen = {str(number): [figure] for number, (_, figure) in enumerate(first)}
    for _ in range(1, GROUPS):
        for name, figures in seen.items():
            figures.append(see(settings[name]))
        for name in race.losers(seen, race.looks(GROUPS)):
            del seen[name]
    best = race.best(seen)
    return 0.0 if best == race.DEFAULT else min(truth(settings[best]), 0.0)


def main(machines: int) -> None:
    """Hold all races, print."""
    for framework in ("onnxruntime", "openvino"):
        space = Space(framework)
        print(f"{framework}: {len(space.alone)} single, {len(space.declared)} declared, {len(space.valid)} valid")
        truths = [Truth(space, np.random.default_rng(seed)) for seed in range(machines)]
        best = np.array([min(map(truth, space.valid)) for truth in truths])
        for name, choose in CHOICES.items():
            found = np.array([winner(space, truth, choose, seed) for seed, truth in enumerate(truths)])
            error = (found - best).std() / np.sqrt(machines)
            print(f"  {name:24} {found.mean():+.3f}   behind the best of all {(found - best).mean():.3f} ± {error:.3f}")
        print(f"  {'the best of all valid':24} {best.mean():+.3f}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("machines", metavar="MACHINES", nargs="?", type=int, default=100, help="for each space")
    main(parser.parse_args().machines)
